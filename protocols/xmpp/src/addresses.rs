//! XEP-0033: Extended Stanza Addressing: whom a stanza to the server is for, and what each of them
//! is shown. Not for who may write to whom, nor for sending.

use pollux_domain::jid::Jid;
use pollux_xml::Element;

use crate::names::named;
use crate::ns;
use crate::stanza::{ErrorCondition, StanzaError};

named! {
    /// Section 4.6.
    AddressType {
        To = "to",
        Cc = "cc",
        Bcc = "bcc",
        ReplyTo = "replyto",
        ReplyRoom = "replyroom",
        NoReply = "noreply",
        OriginalFrom = "ofrom",
    }
}

/// The `<addresses/>` of one stanza.
#[derive(Debug, Clone)]
pub struct Addresses {
    addresses: Vec<Address>,
}

#[derive(Debug, Clone)]
struct Address {
    kind: AddressType,
    element: Element,
    /// To whom it is to be delivered yet.
    recipient: Option<Jid>,
}

impl Addresses {
    /// Section 4, with the errors of section 8. An address that stands twice counts once.
    pub fn from_element(element: &Element) -> Result<Addresses, StanzaError> {
        let mut addresses: Vec<Address> = Vec::new();
        let children = element.elements();
        for child in children.filter(|child| child.is(ns::ADDRESS, "address")) {
            let mut address = Address::from_element(child)?;
            let known = |other: &Address| other.recipient == address.recipient;
            if addresses.iter().any(known) {
                address.recipient = None;
            }
            addresses.push(address);
        }
        Ok(Addresses { addresses })
    }

    pub fn recipients(&self) -> impl Iterator<Item = &Jid> {
        self.addresses
            .iter()
            .filter_map(|address| address.recipient.as_ref())
    }

    /// What this recipient is shown (section 6): blind copies only where they are the recipient's
    /// own, and that the others are seen to.
    pub fn shown_to(&self, recipient: &Jid) -> Element {
        let shown = self.addresses.iter().filter_map(|address| {
            let mut element = address.element.clone();
            match address.kind {
                AddressType::Bcc if address.recipient.as_ref() != Some(recipient) => return None,
                AddressType::To | AddressType::Cc => element.set_attribute("delivered", "true"),
                _ => {}
            }
            Some(element)
        });
        Element::new(ns::ADDRESS, "addresses").children(shown)
    }
}

impl Address {
    fn from_element(element: &Element) -> Result<Address, StanzaError> {
        let kind = element.attribute("type").and_then(AddressType::from_name);
        let kind = kind.ok_or_else(|| bad_request("an address has a type of XEP-0033"))?;
        let (jid, uri) = (element.attribute("jid"), element.attribute("uri"));
        if jid.is_some() && uri.is_some() {
            return Err(bad_request("an address has a jid or a uri, not both"));
        }
        let receives = matches!(kind, AddressType::To | AddressType::Cc | AddressType::Bcc);
        let recipient = match jid {
            _ if !receives || element.attribute("delivered") == Some("true") => None,
            Some(jid) => Some(Jid::parse(jid).map_err(|error| malformed(error.to_string()))?),
            None if uri.is_some() => {
                return Err(malformed(
                    "addresses other than `jid` are not known here".to_owned(),
                ));
            }
            None => return Err(bad_request("a recipient has a jid")),
        };
        Ok(Address {
            kind,
            element: element.clone(),
            recipient,
        })
    }
}

fn bad_request(why: &'static str) -> StanzaError {
    StanzaError::new(ErrorCondition::BadRequest).with_text(why)
}

fn malformed(why: String) -> StanzaError {
    StanzaError::new(ErrorCondition::JidMalformed).with_text(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(kind: &'static str, jid: &'static str) -> Element {
        Element::new(ns::ADDRESS, "address")
            .attr("type", kind)
            .attr("jid", jid)
    }

    fn addresses(children: impl IntoIterator<Item = Element>) -> Result<Addresses, ErrorCondition> {
        let element = Element::new(ns::ADDRESS, "addresses").children(children);
        Addresses::from_element(&element).map_err(|error| error.condition)
    }

    /// Section 6, its example.
    #[test]
    fn each_recipient_is_shown_what_concerns_it() {
        let addresses = addresses([
            address("to", "to@header1.org"),
            address("cc", "cc@header1.org"),
            address("bcc", "bcc@header1.org"),
            address("bcc", "other@header1.org"),
            address("to", "to@header1.org"),
            address("to", "seen@header1.org").attr("delivered", "true"),
            address("replyroom", "jdev@conference.jabber.org"),
        ])
        .unwrap();
        let recipients: Vec<&str> = addresses.recipients().map(Jid::as_str).collect();
        let expected = ["to@", "cc@", "bcc@", "other@"].map(|local| format!("{local}header1.org"));
        assert_eq!(recipients, expected);
        let shown = |recipient: &str| {
            let element = addresses.shown_to(&Jid::parse(recipient).unwrap());
            let jids = element.elements().map(|address| {
                let delivered = address.attribute("delivered").is_some();
                (address.attribute("jid").unwrap().to_owned(), delivered)
            });
            jids.collect::<Vec<_>>()
        };
        let to_all = [
            ("to@header1.org".to_owned(), true),
            ("cc@header1.org".to_owned(), true),
            ("to@header1.org".to_owned(), true),
            ("seen@header1.org".to_owned(), true),
            ("jdev@conference.jabber.org".to_owned(), false),
        ];
        assert_eq!(shown("to@header1.org"), to_all);
        let mut to_blind = to_all.to_vec();
        to_blind.insert(2, ("bcc@header1.org".to_owned(), false));
        assert_eq!(shown("bcc@header1.org"), to_blind);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let bare = |kind: &'static str| Element::new(ns::ADDRESS, "address").attr("type", kind);
        for (wrong, condition) in [
            (
                Element::new(ns::ADDRESS, "address"),
                ErrorCondition::BadRequest,
            ),
            (address("all", "a@x.org"), ErrorCondition::BadRequest),
            (bare("to"), ErrorCondition::BadRequest),
            (
                address("to", "a@x.org").attr("uri", "sip:a@x.org"),
                ErrorCondition::BadRequest,
            ),
            (
                bare("to").attr("uri", "sip:a@x.org"),
                ErrorCondition::JidMalformed,
            ),
            (address("bcc", "@"), ErrorCondition::JidMalformed),
        ] {
            assert_eq!(addresses([wrong]).map(|_| ()), Err(condition));
        }
        assert_eq!(
            addresses([bare("noreply")]).unwrap().recipients().count(),
            0
        );
    }
}
