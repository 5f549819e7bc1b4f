//! XEP-0199: XMPP Ping. Not for deciding when to ping.

use pollux_xml::Element;

use crate::ns;
use crate::stanza::{IqType, Stanza, StanzaKind};

/// The payload of a ping; the answer is an empty result (section 4).
pub fn request() -> Element {
    Element::new(ns::PING, "ping")
}

pub fn is_request(stanza: &Stanza) -> bool {
    stanza.kind == StanzaKind::Iq(IqType::Get) && stanza.find(ns::PING, "ping").is_some()
}
