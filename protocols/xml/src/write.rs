//! Elements to octets, in one form for each. Not for streams' headers, which stay open.

use bytes::Bytes;

use crate::STREAM_NAMESPACE;
use crate::element::{Attribute, Element, Node};
use crate::escape::{Place, escape};

impl Element {
    /// Appends the element as a child of one whose default namespace is the one given. Elements
    /// have no prefix, but for `stream:` (RFC 6120 section 4.8.5: bound in every stream header). An
    /// attribute in a namespace other than that of `xml:` cannot be written without a prefix; it
    /// gets one that is declared in the same tag.
    pub fn write(&self, out: &mut Vec<u8>, parent_namespace: &str) {
        let is_stream = self.namespace == STREAM_NAMESPACE;
        let prefix: &[u8] = if is_stream { b"stream:" } else { b"" };
        out.push(b'<');
        out.extend_from_slice(prefix);
        out.extend_from_slice(self.name.as_bytes());
        let default = if is_stream {
            parent_namespace
        } else {
            self.namespace.as_str()
        };
        if default != parent_namespace {
            write_attribute("", "xmlns", default, out);
        }
        for (at, attribute) in self.attributes.iter().enumerate() {
            attribute.write(at, out);
        }
        if self.children.is_empty() {
            out.extend_from_slice(b"/>");
            return;
        }
        out.push(b'>');
        for node in &self.children {
            match node {
                Node::Element(element) => element.write(out, default),
                Node::Text(text) => escape(text, Place::Content, out),
            }
        }
        out.extend_from_slice(b"</");
        out.extend_from_slice(prefix);
        out.extend_from_slice(self.name.as_bytes());
        out.push(b'>');
    }

    /// The element alone, as it stands in a stream with this content namespace.
    pub fn to_bytes(&self, parent_namespace: &str) -> Bytes {
        let mut out = Vec::with_capacity(256);
        self.write(&mut out, parent_namespace);
        out.into()
    }
}

impl Attribute {
    fn write(&self, at: usize, out: &mut Vec<u8>) {
        if self.namespace.is_empty() {
            return write_attribute("", &self.name, &self.value, out);
        }
        let prefix = format!("n{at}:");
        write_attribute("xmlns:", prefix.trim_end_matches(':'), &self.namespace, out);
        write_attribute(&prefix, &self.name, &self.value, out);
    }
}

fn write_attribute(prefix: &str, name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(prefix.as_bytes());
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"='");
    escape(value, Place::Attribute, out);
    out.push(b'\'');
}
