//! Stream headers (RFC 6120 sections 4.7, 4.8): read with their checks, written for both
//! directions. Not for whether the host is served here: the caller knows its hosts.

use pollux_domain::jid::Jid;
use pollux_domain::limits;
use pollux_xml::{Element, StreamNamespaces, StreamOpen, Text};

use crate::names::named;
use crate::ns;
use crate::stream_error::{StreamCondition, StreamError};

named! {
    /// RFC 6120 section 4.8.3.
    ContentNamespace {
        Client = "jabber:client",
        Server = "jabber:server",
    }
}

/// A header that is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamHeader {
    pub to: Option<Jid>,
    pub from: Option<Jid>,
    /// Of a response only: in an initial header it is ignored (RFC 6120 section 4.7.3).
    pub id: Option<Text>,
    /// Of what the one who sends the header says to people (RFC 6120 section 4.7.4).
    pub lang: Option<Text>,
    /// Major and minor, as the peer has it.
    pub version: (u32, u32),
    pub content: ContentNamespace,
    /// For the elements of this stream.
    pub namespaces: StreamNamespaces,
}

impl StreamHeader {
    /// A header to be sent.
    pub fn new(content: ContentNamespace) -> StreamHeader {
        StreamHeader {
            to: None,
            from: None,
            id: None,
            lang: None,
            version: (1, 0),
            content,
            namespaces: StreamNamespaces::new(content.as_str()),
        }
    }

    /// Parses the `Open` frame of a peer on a stream for this content.
    pub fn parse(frame: &[u8], content: ContentNamespace) -> Result<StreamHeader, StreamError> {
        let open = StreamOpen::parse(frame)?;
        check_names(&open, content)?;
        let element = &open.element;
        Ok(StreamHeader {
            // A name that cannot be one is no host of ours (RFC 6120 section 4.9.3.6).
            to: address(element, "to", StreamCondition::HostUnknown)?,
            from: address(element, "from", StreamCondition::InvalidFrom)?,
            id: element.attribute_text("id"),
            lang: language(element),
            version: version(element.attribute("version"))?,
            content,
            namespaces: open.namespaces,
        })
    }

    /// Appends the XML declaration and the start tag (RFC 6120 section 11.5). The version is the
    /// one of RFC 6120: the lower of the two (section 4.7.5 rule 2), since a peer below it is
    /// refused.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"<?xml version='1.0'?>");
        let begin = out.len();
        Element::new(ns::STREAMS, "stream")
            .attr_opt(
                "from",
                self.from.as_ref().map(|jid| jid.as_str().to_owned()),
            )
            .attr_opt("to", self.to.as_ref().map(|jid| jid.as_str().to_owned()))
            .attr_opt("id", self.id.as_ref())
            .attr("version", "1.0")
            .attr_opt("xml:lang", self.lang.as_ref())
            .attr("xmlns", self.content.as_str())
            .attr("xmlns:stream", ns::STREAMS)
            .write(out, self.content.as_str());
        // The element has no children, so it ends in "/>"; the stream stays open.
        debug_assert!(out.len() > begin && out.ends_with(b"/>"));
        out.truncate(out.len() - 2);
        out.push(b'>');
    }

    /// The header that answers this one: `from` the host that serves, `to` the bare address that
    /// the peer gave (RFC 6120 sections 4.7.1 and 4.7.2).
    pub fn reply(&self, from: Jid, id: impl Into<Text>, lang: impl Into<Text>) -> StreamHeader {
        StreamHeader {
            to: self.from.as_ref().map(|jid| jid.to_bare().into()),
            from: Some(from),
            id: Some(id.into()),
            lang: Some(lang.into()),
            ..StreamHeader::new(self.content)
        }
    }
}

/// RFC 6120 sections 4.8.1, 4.8.2 and 4.8.5.
fn check_names(open: &StreamOpen, content: ContentNamespace) -> Result<(), StreamError> {
    let wrong = |condition: StreamCondition| Err(condition.into());
    if open.element.namespace() != ns::STREAMS {
        return wrong(StreamCondition::InvalidNamespace);
    }
    if open.element.name() != "stream" {
        return wrong(StreamCondition::BadFormat);
    }
    // Section 4.8.5 allows to accept this prefix alone.
    if open.prefix.as_deref() != Some("stream") {
        return wrong(StreamCondition::BadNamespacePrefix);
    }
    if open.namespaces.default_namespace() != content.as_str() {
        return wrong(StreamCondition::InvalidNamespace);
    }
    Ok(())
}

fn address(
    element: &Element,
    name: &str,
    condition: StreamCondition,
) -> Result<Option<Jid>, StreamError> {
    let address = element.attribute(name).map(Jid::parse).transpose();
    address.map_err(|error| StreamError::new(condition).with_text(error.to_string()))
}

/// The tag of a language, as far as its form goes (RFC 5646 section 2.1). What is none names none:
/// no error of streams is about it.
fn language(element: &Element) -> Option<Text> {
    let tag = element.attribute_text("xml:lang")?;
    let is_part = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_alphanumeric())
    };
    let is_tag = tag.len() <= limits::LANGUAGE_BYTES_MAX && tag.split('-').all(is_part);
    is_tag.then_some(tag)
}

/// RFC 6120 section 4.7.5: two integers, leading zeros ignored; none means 0.9. Anything from 1.0
/// on works with 1.0.
fn version(text: Option<&str>) -> Result<(u32, u32), StreamError> {
    let parsed = text.and_then(|text| {
        let (major, minor) = text.split_once('.')?;
        Some((integer(major)?, integer(minor)?))
    });
    parsed
        .filter(|version| *version >= (1, 0))
        .ok_or(StreamCondition::UnsupportedVersion.into())
}

/// Digits and nothing else.
fn integer(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "<stream:stream from='juliet@im.example.com' to='im.example.com' \
     version='1.0' xml:lang='en' \
                         xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

    #[test]
    fn a_right_header_is_answered() {
        let header = StreamHeader::parse(RIGHT.as_bytes(), ContentNamespace::Client).unwrap();
        assert_eq!(header.to.as_ref().map(Jid::as_str), Some("im.example.com"));
        assert_eq!(
            (header.version, header.lang.as_deref()),
            ((1, 0), Some("en"))
        );
        let mut out = Vec::new();
        header
            .reply(Jid::parse("im.example.com").unwrap(), "a&b", "en")
            .write(&mut out);
        let written = String::from_utf8(out).unwrap();
        assert_eq!(
            written,
            "<?xml version='1.0'?><stream:stream from='im.example.com' to='juliet@im.example.com' \
             id='a&amp;b' \
             version='1.0' xml:lang='en' xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams'>"
        );
        let frame = written.trim_start_matches("<?xml version='1.0'?>");
        let reply = StreamHeader::parse(frame.as_bytes(), ContentNamespace::Client).unwrap();
        assert_eq!(reply.id.as_deref(), Some("a&b"));
    }

    #[test]
    fn each_wrong_header_has_its_condition() {
        for (old, new, expected) in [
            (
                "http://etherx.jabber.org/streams",
                "http://wrong.example/",
                "invalid-namespace",
            ),
            ("jabber:client", "jabber:server", "invalid-namespace"),
            ("xmlns='jabber:client'", "", "invalid-namespace"),
            ("stream:stream", "stream:steam", "bad-format"),
            ("version='1.0'", "", "unsupported-version"),
            ("'1.0'", "'0.9'", "unsupported-version"),
            ("'1.0'", "'+1.0'", "unsupported-version"),
            ("'1.0'", "'1'", "unsupported-version"),
            ("to='im.example.com'", "to='a b'", "host-unknown"),
            (
                "from='juliet@im.example.com'",
                "from='a b@c'",
                "invalid-from",
            ),
            ("to='im.example.com'", "to='a' to='b'", "not-well-formed"),
            (" xmlns:stream=", " xmlns:foo=", "not-well-formed"),
        ] {
            let frame = RIGHT.replace(old, new);
            let error =
                StreamHeader::parse(frame.as_bytes(), ContentNamespace::Client).unwrap_err();
            assert_eq!(error.condition.as_str(), expected, "{frame}");
        }
        let prefixed = RIGHT
            .replace("stream:stream", "foobar:stream")
            .replace("xmlns:stream", "xmlns:foobar");
        let error = StreamHeader::parse(prefixed.as_bytes(), ContentNamespace::Client).unwrap_err();
        assert_eq!(error.condition, StreamCondition::BadNamespacePrefix);
    }

    #[test]
    fn a_language_is_one_or_none() {
        let language = |tag: &str| {
            let frame = RIGHT.replace("xml:lang='en'", &format!("xml:lang='{tag}'"));
            let header = StreamHeader::parse(frame.as_bytes(), ContentNamespace::Client);
            header.unwrap().lang.map(|lang| lang.to_string())
        };
        for tag in ["en", "de-CH", "zh-Hant-TW", "x-pollux"] {
            assert_eq!(language(tag).as_deref(), Some(tag));
        }
        let long = "a-".repeat(32) + "a";
        for tag in [
            "",
            "-",
            "en-",
            "en_GB",
            "de ch",
            "d&apos;oc",
            "abcdefghi",
            long.as_str(),
        ] {
            assert_eq!(language(tag), None, "{tag}");
        }
    }

    #[test]
    fn later_versions_are_spoken_to_in_1_0() {
        for version in ["1.0", "1.13", "01.00", "2.4"] {
            let frame = RIGHT.replace("'1.0'", &format!("'{version}'"));
            assert!(
                StreamHeader::parse(frame.as_bytes(), ContentNamespace::Client).is_ok(),
                "{version}"
            );
        }
    }
}
