//! Text and attribute values, from and to their written form. Not for markup.

use std::borrow::Cow;

use crate::chars::is_legal;
use crate::frame::FrameError;
use crate::reference::Reference;

/// Where the text stands: XML 1.0 normalises the two differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Line ends become line feeds (XML 1.0 section 2.11).
    Content,
    /// Then white space becomes spaces (XML 1.0 section 3.3.3); characters by reference stay.
    Attribute,
}

/// The text that is meant.
pub(crate) fn unescape(raw: &str, place: Place) -> Result<Cow<'_, str>, FrameError> {
    let is_final = raw.chars().all(|c| {
        is_legal(c)
            && c != '&'
            && c != '\r'
            && !(place == Place::Attribute && matches!(c, '\n' | '\t' | '<'))
    });
    if is_final {
        return Ok(Cow::Borrowed(raw));
    }
    let mut text = String::with_capacity(raw.len());
    let mut reference: Option<Reference> = None;
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        if let Some(open) = &mut reference {
            if let Some(meant) = open.push(c)? {
                text.push(meant);
                reference = None;
            }
            continue;
        }
        match c {
            '&' => reference = Some(Reference::Begun),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\n' if place == Place::Content => text.push('\n'),
            '\r' | '\n' | '\t' if place == Place::Attribute => text.push(' '),
            '<' if place == Place::Attribute => return Err(ILL_FORMED),
            _ if is_legal(c) => text.push(c),
            _ => return Err(ILL_FORMED),
        }
    }
    if reference.is_some() {
        Err(ILL_FORMED)
    } else {
        Ok(Cow::Owned(text))
    }
}

const ILL_FORMED: FrameError = FrameError::NotWellFormed("an illegal character");

/// Appends the written form. What may not stand in XML at all becomes U+FFFD: nothing that the
/// program says can break its own stream.
pub(crate) fn escape(text: &str, place: Place, out: &mut Vec<u8>) {
    let mut done = 0;
    for (at, c) in text.char_indices() {
        let written: &str = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            // Written as they are, a reader would normalise them.
            '\r' => "&#xD;",
            '\n' if place == Place::Attribute => "&#xA;",
            '\t' if place == Place::Attribute => "&#x9;",
            '\'' if place == Place::Attribute => "&apos;",
            _ if is_legal(c) => continue,
            _ => "\u{FFFD}",
        };
        out.extend_from_slice(&text.as_bytes()[done..at]);
        out.extend_from_slice(written.as_bytes());
        done = at + c.len_utf8();
    }
    out.extend_from_slice(&text.as_bytes()[done..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalisation_is_by_place() {
        for (raw, content, attribute) in [
            ("a&lt;&gt;&amp;&quot;&apos;b", "a<>&\"'b", "a<>&\"'b"),
            ("a\r\nb\rc\nd\te", "a\nb\nc\nd\te", "a b c d e"),
            (
                "&#13;&#10;&#9;&#x1F600;",
                "\r\n\t\u{1F600}",
                "\r\n\t\u{1F600}",
            ),
            ("&#x000000041;", "A", "A"),
        ] {
            assert_eq!(unescape(raw, Place::Content).unwrap(), content, "{raw:?}");
            assert_eq!(
                unescape(raw, Place::Attribute).unwrap(),
                attribute,
                "{raw:?}"
            );
        }
        for raw in [
            "&",
            "&amp",
            "&;",
            "&#;",
            "&#x;",
            "&#xD800;",
            "&#0;",
            "&#x110000;",
            "&nbsp;",
            "&#1a;",
            "\0",
        ] {
            assert!(unescape(raw, Place::Content).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn written_and_read_again_is_the_same() {
        let text = "a<>&\"'\r\n\t ]]> \u{E9}\u{1F600}";
        for place in [Place::Content, Place::Attribute] {
            let mut out = Vec::new();
            escape(text, place, &mut out);
            assert_eq!(
                unescape(std::str::from_utf8(&out).unwrap(), place).unwrap(),
                text
            );
        }
        let mut out = Vec::new();
        escape("a\0b\u{FFFF}c", Place::Content, &mut out);
        assert_eq!(out, "a\u{FFFD}b\u{FFFD}c".as_bytes());
    }
}
