//! XEP-0054: vcard-temp, requests and results. Nobody here looks into a vCard.
//!
//! XEP-0153 (avatars in vCards) asks nothing of a server but to keep the photo and to broadcast
//! what a client says of it: by its section 4.1 the client puts the photo's hash into its presence,
//! and by section 4.3 it goes by what its user's other clients say. So `<x
//! xmlns='vcard-temp:x:update'/>` passes as it came, and none is put in: a hash that the server
//! added would speak for a client that has not yet looked, or does not advertise what it sees. A
//! server that puts it in is XEP-0398, which keeps both kinds of avatars alike and says so by a
//! feature of its own.

use bytes::Bytes;
use pollux_domain::limits;
use pollux_xml::{Element, StreamNamespaces};

use crate::ns;
use crate::stanza::{ErrorCondition, IqType, Stanza, StanzaError, StanzaKind};

/// Section 3.1, section 3.3: asks for the vCard of whom it is sent to.
pub fn is_get(stanza: &Stanza) -> bool {
    stanza.kind == StanzaKind::Iq(IqType::Get) && stanza.find(ns::VCARD, "vCard").is_some()
}

/// Section 3.2: the vCard that is to be kept, as octets; None: another request.
pub fn set(stanza: &Stanza) -> Option<Result<Bytes, StanzaError>> {
    if stanza.kind != StanzaKind::Iq(IqType::Set) {
        return None;
    }
    let vcard = stanza.find(ns::VCARD, "vCard")?.to_bytes(ns::CLIENT);
    if limits::VCARD_BYTES_MAX < vcard.len() {
        let (length, most) = (vcard.len(), limits::VCARD_BYTES_MAX);
        let error = StanzaError::new(ErrorCondition::PolicyViolation);
        let text = format!("the vCard has {length} octets of {most}");
        return Some(Err(error.with_text(text)));
    }
    Some(Ok(vcard))
}

/// The payload of a result. None: what was kept cannot be read.
pub fn result(kept: &[u8]) -> Option<Element> {
    Element::parse(kept, &StreamNamespaces::new(ns::CLIENT)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(kind: IqType, vcard: &str) -> Stanza {
        let vcard = Element::parse(vcard.as_bytes(), &StreamNamespaces::new(ns::CLIENT));
        Stanza::new(kind).id("1").payload(vcard.unwrap())
    }

    #[test]
    fn a_vcard_comes_back_as_it_was() {
        let text = "<vCard xmlns='vcard-temp' version='3.0'><FN>A &amp; B</FN><PHOTO/></vCard>";
        let sent = stanza(IqType::Set, text);
        assert!(!is_get(&sent));
        let kept = set(&sent).unwrap().unwrap();
        assert_eq!(result(&kept).as_ref(), sent.request());
        assert!(is_get(&stanza(IqType::Get, "<vCard xmlns='vcard-temp'/>")));
        assert_eq!(set(&stanza(IqType::Get, text)), None);
        assert_eq!(set(&stanza(IqType::Set, "<vCard xmlns='vcard'/>")), None);
        assert_eq!(result(b"<vCard"), None);
    }

    #[test]
    fn a_vcard_has_a_limit_and_its_error_says_it() {
        let of = |octets: usize| {
            let frame = "<vCard xmlns='vcard-temp'><FN></FN></vCard>".len();
            let name = "x".repeat(octets - frame);
            let vcard = format!("<vCard xmlns='vcard-temp'><FN>{name}</FN></vCard>");
            set(&stanza(IqType::Set, &vcard)).unwrap()
        };
        assert!(of(limits::VCARD_BYTES_MAX).is_ok());
        let error = of(limits::VCARD_BYTES_MAX + 1).unwrap_err();
        assert_eq!(error.condition, ErrorCondition::PolicyViolation);
        let text = error.text.unwrap_or_default();
        assert_eq!(text.as_str(), "the vCard has 65537 octets of 65536");
    }
}
