//! The session request of RFC 3921 section 3, which old clients still send. Not for sessions:
//! binding makes them.

use pollux_xml::Element;

use crate::ns;
use crate::stanza::{IqType, Stanza, StanzaKind};

/// Offered as optional, so that newer clients leave it out.
pub fn feature() -> Element {
    Element::new(ns::SESSION, "session").child(Element::new(ns::SESSION, "optional"))
}

/// To be answered with an empty result, and nothing else happens.
pub fn is_request(stanza: &Stanza) -> bool {
    stanza.kind == StanzaKind::Iq(IqType::Set) && stanza.find(ns::SESSION, "session").is_some()
}
