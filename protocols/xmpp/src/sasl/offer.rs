//! What a stream offers for authentication: mechanisms, and what of the TLS below they may be bound
//! to (RFC 5056). Not for how TLS is asked for it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_domain::hashes::Hashes;
use pollux_xml::Element;

use super::mechanism::Mechanism;
use super::scram::ScramHash;
use super::secret::Secret;
use crate::names::named;
use crate::ns;

named! {
    /// Strongest first.
    ChannelBinding {
        /// Of one handshake (RFC 9266).
        TlsExporter = "tls-exporter",
        /// Of the server's certificate (RFC 5929 section 4).
        TlsServerEndPoint = "tls-server-end-point",
    }
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// Strongest first (RFC 6120 section 6.3.3).
    pub mechanisms: Vec<Mechanism>,
    /// What may be bound to, with the data of this stream.
    pub bindings: Vec<(ChannelBinding, Secret)>,
}

impl Offer {
    /// All forms of SCRAM, those that bind where there is something to bind to.
    pub fn of(bindings: Vec<(ChannelBinding, Secret)>) -> Offer {
        let usable = |mechanism: &&Mechanism| {
            mechanism.hash().is_some() && (!mechanism.binds() || !bindings.is_empty())
        };
        Offer {
            mechanisms: Mechanism::ALL.iter().filter(usable).copied().collect(),
            bindings,
        }
    }

    /// The same without the forms of SCRAM for which there are no keys.
    pub fn with_keys_of(mut self, hashes: Hashes) -> Offer {
        let has_keys = |mechanism: &Mechanism| mechanism.hash().is_none_or(|of| of.is_of(hashes));
        self.mechanisms.retain(has_keys);
        self
    }

    /// The same with PLAIN: where nobody else can read the stream (RFC 4616 section 4).
    pub fn with_plain(mut self) -> Offer {
        self.mechanisms.push(Mechanism::Plain);
        self
    }

    /// The same with EXTERNAL, first (RFC 6120 section 6.3.4): where the certificate of the client
    /// names somebody.
    pub fn with_external(mut self) -> Offer {
        self.mechanisms.insert(0, Mechanism::External);
        self
    }

    /// The data of one type.
    pub fn binding(&self, wanted: ChannelBinding) -> Option<&Secret> {
        let found = self.bindings.iter().find(|(binding, _)| *binding == wanted);
        found.map(|(_, data)| data)
    }

    /// Of all names, so that a client sees whether somebody has taken one away (XEP-0474, "Server
    /// Sends Downgrade Protection Hash"). None where nothing is offered.
    pub fn digest(&self, hash: ScramHash) -> Option<String> {
        if self.mechanisms.is_empty() {
            return None;
        }
        let list = |mut names: Vec<&str>| {
            names.sort_unstable();
            names.join("\u{1E}")
        };
        let mut all = list(self.mechanisms.iter().map(|m| m.as_str()).collect());
        if !self.bindings.is_empty() {
            all.push('\u{1F}');
            all.push_str(&list(
                self.bindings.iter().map(|(b, _)| b.as_str()).collect(),
            ));
        }
        Some(STANDARD.encode(hash.digest(all.as_bytes()).expose()))
    }
}

/// The stream feature of XEP-0440.
pub(crate) fn feature(bindings: &[ChannelBinding]) -> Element {
    let types = bindings
        .iter()
        .map(|binding| Element::new(ns::SASL_CB, "channel-binding").attr("type", binding.as_str()));
    Element::new(ns::SASL_CB, "sasl-channel-binding").children(types)
}

/// The types that are known here.
pub(crate) fn from_feature(element: &Element) -> Vec<ChannelBinding> {
    let types = element
        .elements()
        .filter(|child| child.is(ns::SASL_CB, "channel-binding"));
    types
        .filter_map(|child| ChannelBinding::from_name(child.attribute("type")?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bindings() -> Vec<(ChannelBinding, Secret)> {
        let data = |binding: &ChannelBinding| (*binding, Secret::default());
        ChannelBinding::ALL.iter().map(data).collect()
    }

    /// The example of XEP-0474.
    #[test]
    fn the_digest_of_the_example() {
        let offer = Offer {
            mechanisms: vec![Mechanism::ScramSha1Plus, Mechanism::ScramSha1],
            bindings: bindings(),
        };
        let digest = offer.digest(ScramHash::Sha1);
        assert_eq!(digest.as_deref(), Some("G6k/rBLDqgOhRRaCuuatSDFkJ08="));
        let stripped = Offer {
            bindings: Vec::new(),
            ..offer
        };
        assert_ne!(stripped.digest(ScramHash::Sha1), digest);
        assert_eq!(Offer::default().digest(ScramHash::Sha1), None);
    }

    #[test]
    fn mechanisms_that_bind_are_offered_where_there_is_a_channel() {
        let names = |offer: Offer| {
            offer
                .mechanisms
                .iter()
                .map(|m| m.as_str())
                .collect::<Vec<_>>()
        };
        let unbound = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"];
        assert_eq!(names(Offer::of(Vec::new())), unbound);
        assert_eq!(names(Offer::of(bindings())).len(), 6);
        let sha1 = Hashes {
            sha1: true,
            ..Hashes::default()
        };
        let few = names(Offer::of(bindings()).with_plain().with_keys_of(sha1));
        assert_eq!(few, ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN"]);
        let external = names(Offer::of(bindings()).with_external());
        assert_eq!((external.len(), external[0]), (7, "EXTERNAL"));
        let plain = names(Offer::of(bindings()).with_plain());
        assert_eq!(
            (plain.len(), plain[6]),
            (7, "PLAIN"),
            "the weakest is the last"
        );
    }
}
