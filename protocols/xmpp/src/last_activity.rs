//! XEP-0012: Last Activity. Not for what counts as activity.

use pollux_xml::Element;

use crate::ns;
use crate::stanza::{IqType, Stanza, StanzaKind};

/// For how long: of a server since it has started (section 5), of an account since its last device
/// went away (section 4), of a device since its user did something (section 3).
pub fn to_element(seconds: u64) -> Element {
    Element::new(ns::LAST_ACTIVITY, "query").attr("seconds", seconds.to_string())
}

pub fn is_request(stanza: &Stanza) -> bool {
    stanza.kind == StanzaKind::Iq(IqType::Get) && stanza.find(ns::LAST_ACTIVITY, "query").is_some()
}
