//! XEP-0202: Entity Time. Not for clocks: the instant comes in.

use pollux_xml::Element;

use crate::delay::format_timestamp;
use crate::ns;
use crate::stanza::{IqType, Stanza, StanzaKind};

/// Milliseconds since 1970-01-01T00:00:00Z, said in UTC (section 3).
pub fn to_element(now_ms: u64) -> Element {
    Element::new(ns::TIME, "time")
        .child(Element::new(ns::TIME, "tzo").text("+00:00"))
        .child(Element::new(ns::TIME, "utc").text(format_timestamp(now_ms)))
}

pub fn is_request(stanza: &Stanza) -> bool {
    stanza.kind == StanzaKind::Iq(IqType::Get) && stanza.find(ns::TIME, "time").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The instant of example 2.
    #[test]
    fn the_example() {
        let time = to_element(1_166_551_115_000).to_bytes(ns::CLIENT);
        let utc = "<utc>2006-12-19T17:58:35Z</utc>";
        let written = format!("<time xmlns='urn:xmpp:time'><tzo>+00:00</tzo>{utc}</time>");
        assert_eq!(String::from_utf8_lossy(&time), written);
    }
}
