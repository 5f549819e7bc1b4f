//! XEP-0198: Stream Management, the elements of both directions. Not for counting: see the session.

use pollux_xml::{Element, Plain, StreamNamespaces, Text};

use crate::ns;
use crate::stanza::ErrorCondition;
use crate::stream_error::{StreamCondition, StreamError};

/// One element of `urn:xmpp:sm:3`. The counts wrap at 2^32 (section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmElement {
    Enable {
        resume: bool,
        max_s: Option<u32>,
    },
    Enabled {
        id: Option<Text>,
        resume: bool,
        max_s: Option<u32>,
        location: Option<Text>,
    },
    Resume {
        h: u32,
        previd: Text,
    },
    Resumed {
        h: u32,
        previd: Text,
    },
    Failed {
        h: Option<u32>,
        condition: Option<ErrorCondition>,
    },
    Request,
    Answer {
        h: u32,
    },
}

impl SmElement {
    /// None for an element of another namespace; the condition for `<failed/>` where one is
    /// malformed. A malformed `<a/>` is `bad-format` on the stream, since nothing answers it: the
    /// caller decides by the name.
    pub fn from_element(element: &Element) -> Option<Result<SmElement, ErrorCondition>> {
        if element.namespace() != ns::SM {
            return None;
        }
        Some(parse(element).ok_or(ErrorCondition::BadRequest))
    }

    /// The two that come with every stanza, without a tree. None: it has to be parsed.
    pub fn scan(frame: &[u8], context: &StreamNamespaces) -> Option<SmElement> {
        if !frame.starts_with(b"<r ") && !frame.starts_with(b"<a ") {
            return None;
        }
        let plain = Plain::scan(frame, context, ns::SM, |_, _| true)?;
        let mut attributes = plain.attributes();
        let (first, second) = (attributes.next(), attributes.next());
        match (plain.name(), first, second, plain.rest()) {
            ("r", None, None, "/>" | "></r>") => Some(SmElement::Request),
            ("a", Some(("h", h)), None, "/>" | "></a>") => {
                let h = h.parse().ok()?;
                Some(SmElement::Answer { h })
            }
            _ => None,
        }
    }

    /// `<r/>` as it is written.
    pub const REQUEST: &[u8] = b"<r xmlns='urn:xmpp:sm:3'/>";

    /// `<a/>` as it is written.
    pub fn answer(h: u32) -> String {
        format!("<a xmlns='{}' h='{h}'/>", ns::SM)
    }

    pub fn to_element(&self) -> Element {
        let new = |name: &'static str| Element::new(ns::SM, name);
        match self {
            SmElement::Enable { resume, max_s } => new("enable")
                .attr_opt("resume", resume.then_some("true"))
                .attr_opt("max", max_s.map(|max| max.to_string())),
            SmElement::Enabled {
                id,
                resume,
                max_s,
                location,
            } => new("enabled")
                .attr_opt("id", id.as_ref())
                .attr_opt("resume", resume.then_some("true"))
                .attr_opt("max", max_s.map(|max| max.to_string()))
                .attr_opt("location", location.as_ref()),
            SmElement::Resume { h, previd } => new("resume")
                .attr("h", h.to_string())
                .attr("previd", previd),
            SmElement::Resumed { h, previd } => new("resumed")
                .attr("h", h.to_string())
                .attr("previd", previd),
            SmElement::Failed { h, condition } => {
                let failed = new("failed").attr_opt("h", h.map(|h| h.to_string()));
                let condition = condition.map(|c| Element::new(ns::STANZA_ERRORS, c.as_str()));
                failed.children(condition)
            }
            SmElement::Request => new("r"),
            SmElement::Answer { h } => new("a").attr("h", h.to_string()),
        }
    }
}

fn parse(element: &Element) -> Option<SmElement> {
    let text = |name: &str| element.attribute_text(name);
    Some(match element.name() {
        "enable" => SmElement::Enable {
            resume: boolean(element.attribute("resume"))?,
            max_s: optional(element.attribute("max"))?,
        },
        "enabled" => SmElement::Enabled {
            id: text("id"),
            resume: boolean(element.attribute("resume"))?,
            max_s: optional(element.attribute("max"))?,
            location: text("location"),
        },
        "resume" => SmElement::Resume {
            h: count(element)?,
            previd: text("previd")?,
        },
        "resumed" => SmElement::Resumed {
            h: count(element)?,
            previd: text("previd")?,
        },
        "failed" => SmElement::Failed {
            h: optional(element.attribute("h"))?,
            condition: element
                .elements()
                .filter(|child| child.namespace() == ns::STANZA_ERRORS && child.name() != "text")
                .map(|child| ErrorCondition::from_name(child.name()))
                .map(|known| known.unwrap_or(ErrorCondition::UndefinedCondition))
                .next(),
        },
        "r" => SmElement::Request,
        "a" => SmElement::Answer { h: count(element)? },
        _ => return None,
    })
}

fn count(element: &Element) -> Option<u32> {
    element.attribute("h")?.parse().ok()
}

/// An attribute that is absent is right; one that is no number is not.
fn optional(value: Option<&str>) -> Option<Option<u32>> {
    value.map(str::parse).transpose().ok()
}

/// `xs:boolean`; absent is false (section 11).
fn boolean(value: Option<&str>) -> Option<bool> {
    match value {
        None | Some("false" | "0") => Some(false),
        Some("true" | "1") => Some(true),
        Some(_) => None,
    }
}

/// The stream feature (section 3).
pub fn feature() -> Element {
    Element::new(ns::SM, "sm")
}

/// The peer acknowledges more than it was sent (section 4): the stream closes.
pub fn handled_count_too_high(h: u32, send_count: u32) -> StreamError {
    let condition = Element::new(ns::SM, "handled-count-too-high")
        .attr("h", h.to_string())
        .attr("send-count", send_count.to_string());
    StreamError::new(StreamCondition::UndefinedCondition).with_application(condition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_xml::StreamNamespaces;

    fn parse(input: &str) -> Option<Result<SmElement, ErrorCondition>> {
        let element = Element::parse(input.as_bytes(), &StreamNamespaces::new(ns::SM)).unwrap();
        SmElement::from_element(&element)
    }

    fn check(element: SmElement, expected: &str) {
        assert_eq!(element.to_element().to_bytes(ns::SM), expected);
        assert_eq!(parse(expected), Some(Ok(element)));
    }

    #[test]
    fn the_frequent_two_need_no_tree() {
        let client = StreamNamespaces::new(ns::CLIENT);
        let scan = |text: &str| SmElement::scan(text.as_bytes(), &client);
        assert_eq!(scan("<r xmlns='urn:xmpp:sm:3'/>"), Some(SmElement::Request));
        let answer = Some(SmElement::Answer { h: 7 });
        assert_eq!(scan("<a h=\"7\" xmlns=\"urn:xmpp:sm:3\"/>"), answer);
        for other in [
            "<r xmlns='urn:xmpp:sm:2'/>",
            "<r h='1' xmlns='urn:xmpp:sm:3'/>",
            "<a xmlns='urn:xmpp:sm:3'/>",
            "<a xmlns='urn:xmpp:sm:3' h='-1'/>",
            "<a xmlns='urn:xmpp:sm:3' h='1'>x</a>",
            "<a h='1'/>",
        ] {
            assert_eq!(scan(other), None, "{other}");
        }
        let written = |element: SmElement| element.to_element().to_bytes(ns::CLIENT);
        assert_eq!(written(SmElement::Request), SmElement::REQUEST);
        let answer = SmElement::answer(u32::MAX);
        assert_eq!(
            written(SmElement::Answer { h: u32::MAX }),
            answer.as_bytes()
        );
    }

    #[test]
    fn written_and_read() {
        let id = || Text::from("some-long-sm-id");
        check(
            SmElement::Enable {
                resume: false,
                max_s: None,
            },
            "<enable/>",
        );
        check(
            SmElement::Enable {
                resume: true,
                max_s: Some(60),
            },
            "<enable resume='true' max='60'/>",
        );
        check(
            SmElement::Enabled {
                id: Some(id()),
                resume: true,
                max_s: Some(300),
                location: Some("[::1]:1".into()),
            },
            "<enabled id='some-long-sm-id' resume='true' max='300' location='[::1]:1'/>",
        );
        check(
            SmElement::Resume { h: 0, previd: id() },
            "<resume h='0' previd='some-long-sm-id'/>",
        );
        check(
            SmElement::Resumed {
                h: u32::MAX,
                previd: id(),
            },
            "<resumed h='4294967295' previd='some-long-sm-id'/>",
        );
        check(
            SmElement::Failed {
                h: Some(7),
                condition: Some(ErrorCondition::ItemNotFound),
            },
            "<failed h='7'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
        );
        check(
            SmElement::Failed {
                h: None,
                condition: None,
            },
            "<failed/>",
        );
        check(SmElement::Request, "<r/>");
        check(SmElement::Answer { h: 1 }, "<a h='1'/>");
    }

    #[test]
    fn malformed_ones_are_refused() {
        for input in [
            "<a/>",
            "<a h=''/>",
            "<a h='-1'/>",
            "<a h='4294967296'/>",
            "<resume h='1'/>",
            "<resume previd='x'/>",
            "<enable resume='yes'/>",
            "<enable max='long'/>",
            "<unknown/>",
        ] {
            assert_eq!(
                parse(input),
                Some(Err(ErrorCondition::BadRequest)),
                "{input}"
            );
        }
        assert_eq!(parse("<r xmlns='jabber:client'/>"), None);
        assert_eq!(
            parse("<enable resume='1'/>"),
            Some(Ok(SmElement::Enable {
                resume: true,
                max_s: None
            }))
        );
    }
}
