//! A message that is passed on as it is written, but for its addresses: most are. Not for what is
//! refused, nor for other stanzas: these are parsed.

use bytes::Bytes;
use pollux_domain::hints::Hints;
use pollux_domain::jid::Jid;
use pollux_xml::{Plain, StreamNamespaces};

use super::MessageType;
use crate::hints::HintsReader;
use crate::{claims, ns};

/// See the module.
#[derive(Debug, Clone)]
pub struct PlainMessage<'a> {
    pub kind: MessageType,
    pub to: Option<&'a str>,
    pub from: Option<&'a str>,
    pub hints: Hints,
    plain: Plain<'a>,
}

impl<'a> PlainMessage<'a> {
    /// None where the frame is something else, or has to be parsed.
    pub fn scan(frame: &'a [u8], context: &StreamNamespaces) -> Option<PlainMessage<'a>> {
        if !frame.starts_with(b"<message") {
            return None;
        }
        let mut hints = HintsReader::default();
        let plain = Plain::scan(frame, context, ns::CLIENT, |name, namespace| {
            hints.see(name, namespace);
            !namespace.is_some_and(claims::needs_tree)
        })?;
        let known = |name| matches!(name, "to" | "from" | "type" | "id" | "xml:lang");
        if plain.name() != "message" || !plain.attributes().all(|(name, _)| known(name)) {
            return None;
        }
        // RFC 6121 section 5.2.2: a type that is not understood is "normal".
        let kind = plain.attribute("type").and_then(MessageType::from_name);
        Some(PlainMessage {
            kind: kind.unwrap_or(MessageType::Normal),
            to: plain.attribute("to"),
            from: plain.attribute("from"),
            hints: hints.hints(),
            plain,
        })
    }

    /// The octets for a client's stream, as of this sender to this address, in this language where
    /// the message does not name its own (RFC 6120 section 8.1.5). None where an address cannot
    /// stand in them as it is.
    pub fn to_bytes(&self, from: &Jid, to: &Jid, lang: Option<&str>) -> Option<Bytes> {
        let kind = super::StanzaKind::Message(self.kind).type_attribute();
        let attributes = [
            ("from", Some(from.as_str())),
            ("to", self.to.map(|_| to.as_str())),
            ("id", self.plain.attribute("id")),
            ("type", kind),
            ("xml:lang", self.plain.attribute("xml:lang").or(lang)),
        ];
        let mut out = Vec::with_capacity(128 + self.plain.rest().len());
        out.extend_from_slice(b"<message");
        for (name, value) in attributes {
            let Some(value) = value else { continue };
            if value
                .bytes()
                .any(|byte| matches!(byte, b'&' | b'<' | b'>' | b'\''))
            {
                return None;
            }
            out.push(b' ');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"='");
            out.extend_from_slice(value.as_bytes());
            out.push(b'\'');
        }
        out.extend_from_slice(self.plain.rest().as_bytes());
        Some(out.into())
    }
}
