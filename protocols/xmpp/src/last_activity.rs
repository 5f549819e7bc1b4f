//! XEP-0012: Last Activity. Not for what counts as activity.

use pollux_xml::{Element, Text};

use crate::ns;
use crate::stanza::{IqType, Stanza, StanzaKind};

/// For how long: of an account since its last device went away (section 3), of a device since its
/// user did something (section 4), of a server since it has started (section 5).
pub fn to_element(seconds: u64) -> Element {
    Element::new(ns::LAST_ACTIVITY, "query").attr("seconds", seconds.to_string())
}

/// Section 3: of an account, with the status of its last unavailable presence.
pub fn with_status(seconds: u64, status: Option<Text>) -> Element {
    to_element(seconds).text(status.unwrap_or_default())
}

pub fn is_request(stanza: &Stanza) -> bool {
    stanza.kind == StanzaKind::Iq(IqType::Get) && stanza.find(ns::LAST_ACTIVITY, "query").is_some()
}
