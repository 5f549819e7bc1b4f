//! Stream features (RFC 6120 section 4.3.2): what may be negotiated next. Not for the negotiation
//! itself.

use pollux_xml::Element;

use crate::ns;
use crate::sasl::{ChannelBinding, Mechanism, offer};
use crate::sasl2::Authentication;
use crate::stream_limits::StreamLimits;
use crate::{pre_approval, roster_versions, session, sm};

/// What a server offers at one point of the negotiation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    pub starttls: Option<StartTls>,
    /// In the server's order of preference (RFC 6120 section 6.3.3).
    pub mechanisms: Vec<Mechanism>,
    /// The same by XEP-0388, with what may be asked for at once.
    pub authentication: Option<Authentication>,
    /// What the mechanisms that bind to the channel may be bound to (XEP-0440).
    pub channel_bindings: Vec<ChannelBinding>,
    /// Resource binding, which is mandatory where it is offered (RFC 6120 section 7.3.1), with the
    /// session of old clients.
    pub bind: bool,
    /// Stream management (XEP-0198).
    pub sm: bool,
    /// Contact lists have versions (XEP-0237).
    pub roster_versions: bool,
    /// Subscription requests may be approved before they come (RFC 6121 section 3.4).
    pub pre_approval: bool,
    /// What the server takes from here on (XEP-0478).
    pub limits: Option<StreamLimits>,
    /// Features that others have.
    pub others: Vec<Element>,
}

/// RFC 6120 section 5.3.1: required TLS says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    Optional,
    Required,
}

impl Features {
    pub fn to_element(&self) -> Element {
        let mut features = Element::new(ns::STREAMS, "features");
        if let Some(starttls) = self.starttls {
            let mut element = Element::new(ns::TLS, "starttls");
            if starttls == StartTls::Required {
                element.push(Element::new(ns::TLS, "required"));
            }
            features.push(element);
        }
        if !self.mechanisms.is_empty() {
            let names = self
                .mechanisms
                .iter()
                .map(|mechanism| Element::new(ns::SASL, "mechanism").text(mechanism.as_str()));
            features.push(Element::new(ns::SASL, "mechanisms").children(names));
        }
        features = features.children(self.authentication.as_ref().map(Authentication::to_element));
        if !self.channel_bindings.is_empty() {
            features.push(offer::feature(&self.channel_bindings));
        }
        if self.bind {
            features.push(Element::new(ns::BIND, "bind"));
            features.push(session::feature());
        }
        if self.sm {
            features.push(sm::feature());
        }
        if self.roster_versions {
            features.push(roster_versions::feature());
        }
        if self.pre_approval {
            features.push(pre_approval::feature());
        }
        if let Some(limits) = self.limits {
            features.push(limits.to_element());
        }
        features.children(self.others.iter().cloned())
    }

    /// Reads the offer of a server; mechanisms that are not known here are left out.
    pub fn from_element(element: &Element) -> Option<Features> {
        if !element.is(ns::STREAMS, "features") {
            return None;
        }
        let mut features = Features::default();
        for child in element.elements() {
            match (child.namespace(), child.name()) {
                (ns::TLS, "starttls") => {
                    let is_required = child.find(ns::TLS, "required").is_some();
                    features.starttls = Some(if is_required {
                        StartTls::Required
                    } else {
                        StartTls::Optional
                    });
                }
                (ns::SASL, "mechanisms") => {
                    let names = child
                        .elements()
                        .filter(|name| name.is(ns::SASL, "mechanism"));
                    features.mechanisms = names
                        .filter_map(|name| Mechanism::from_name(&name.text_content()))
                        .collect();
                }
                (ns::SASL2, "authentication") => {
                    features.authentication = Some(Authentication::from_feature(child));
                }
                (ns::SASL_CB, "sasl-channel-binding") => {
                    features.channel_bindings = offer::from_feature(child);
                }
                (ns::BIND, "bind") => features.bind = true,
                (ns::SESSION, "session") => {}
                (ns::SM, "sm") => features.sm = true,
                (ns::ROSTER_VERSIONS, "ver") => features.roster_versions = true,
                (ns::PRE_APPROVAL, "sub") => features.pre_approval = true,
                (ns::STREAM_LIMITS, "limits") => {
                    features.limits = StreamLimits::from_element(child);
                }
                _ => features.others.push(child.clone()),
            }
        }
        Some(features)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        for (features, expected) in [
            (Features::default(), "<stream:features/>"),
            (
                Features {
                    starttls: Some(StartTls::Required),
                    ..Features::default()
                },
                "<stream:features><starttls \
                 xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>",
            ),
            (
                Features {
                    mechanisms: vec![Mechanism::ScramSha256, Mechanism::ScramSha1],
                    ..Features::default()
                },
                "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
                 <mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism>\
                 </mechanisms></stream:features>",
            ),
            (
                Features {
                    mechanisms: vec![Mechanism::ScramSha1Plus],
                    channel_bindings: ChannelBinding::ALL.to_vec(),
                    ..Features::default()
                },
                "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
                 <mechanism>SCRAM-SHA-1-PLUS</mechanism></mechanisms>\
                 <sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>\
                 <channel-binding type='tls-exporter'/>\
                 <channel-binding type='tls-server-end-point'/></sasl-channel-binding>\
                 </stream:features>",
            ),
            (
                Features {
                    bind: true,
                    sm: true,
                    roster_versions: true,
                    pre_approval: true,
                    limits: Some(StreamLimits {
                        max_bytes: Some(9),
                        idle_seconds: None,
                    }),
                    ..Features::default()
                },
                "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
                 <session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>\
                 <sm xmlns='urn:xmpp:sm:3'/><ver xmlns='urn:xmpp:features:rosterver'/>\
                 <sub xmlns='urn:xmpp:features:pre-approval'/>\
                 <limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>9</max-bytes></limits>\
                 </stream:features>",
            ),
        ] {
            let element = features.to_element();
            assert_eq!(element.to_bytes(ns::CLIENT), expected);
            assert_eq!(Features::from_element(&element), Some(features));
        }
    }
}
