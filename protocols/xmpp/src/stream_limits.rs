//! XEP-0478: Stream Limits Advertisement. Not for keeping them: the framer does.

use pollux_xml::Element;

use crate::ns;

/// What one side of a stream takes from the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamLimits {
    /// Bytes of one first-level element.
    pub max_bytes: Option<u64>,
    /// Seconds without traffic after which a stream counts as idle.
    pub idle_seconds: Option<u64>,
}

impl StreamLimits {
    pub fn to_element(self) -> Element {
        let mut limits = Element::new(ns::STREAM_LIMITS, "limits");
        for (name, value) in [
            ("max-bytes", self.max_bytes),
            ("idle-seconds", self.idle_seconds),
        ] {
            if let Some(value) = value {
                limits.push(Element::new(ns::STREAM_LIMITS, name).text(value.to_string()));
            }
        }
        limits
    }

    /// What cannot be read counts as not said.
    pub fn from_element(element: &Element) -> Option<StreamLimits> {
        if !element.is(ns::STREAM_LIMITS, "limits") {
            return None;
        }
        let number = |name| {
            let child = element.find(ns::STREAM_LIMITS, name)?;
            child.text_content().trim().parse().ok()
        };
        Some(StreamLimits {
            max_bytes: number("max-bytes"),
            idle_seconds: number("idle-seconds"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_xml::StreamNamespaces;

    fn parse(input: &str) -> Option<StreamLimits> {
        let element = Element::parse(input.as_bytes(), &StreamNamespaces::new(ns::CLIENT));
        StreamLimits::from_element(&element.unwrap())
    }

    #[test]
    fn written_and_read() {
        for (max_bytes, idle_seconds, inside) in [
            (None, None, ""),
            (Some(10_000), None, "<max-bytes>10000</max-bytes>"),
            (
                Some(10_000),
                Some(1_800),
                "<max-bytes>10000</max-bytes><idle-seconds>1800</idle-seconds>",
            ),
        ] {
            let limits = StreamLimits {
                max_bytes,
                idle_seconds,
            };
            let written = limits.to_element().to_bytes(ns::CLIENT);
            let inside = match inside {
                "" => "<limits xmlns='urn:xmpp:stream-limits:0'/>".to_owned(),
                inside => format!("<limits xmlns='urn:xmpp:stream-limits:0'>{inside}</limits>"),
            };
            assert_eq!(written, inside);
            assert_eq!(parse(&inside), Some(limits));
        }
        let unreadable = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>many</max-bytes>\
                          <idle-seconds>-1</idle-seconds></limits>";
        assert_eq!(parse(unreadable), Some(StreamLimits::default()));
        assert_eq!(parse("<limits/>"), None);
    }
}
