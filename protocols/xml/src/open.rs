//! The stream element's start tag: its attributes and the namespaces it binds for the whole stream.
//! Not for whether they are the right ones: see `pollux_xmpp::StreamHeader`.

use crate::STREAM_NAMESPACE;
use crate::element::Element;
use crate::parse::{self, ParseError};
use crate::text::Text;

/// The declarations that hold for every element of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamNamespaces {
    pub(crate) default: Text,
    /// Prefix and namespace, `stream` among them.
    pub(crate) prefixes: Vec<(Text, Text)>,
}

/// A stream header as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOpen {
    /// The stream element with its attributes and no children.
    pub element: Element,
    /// The prefix that was written before its name.
    pub prefix: Option<Text>,
    pub namespaces: StreamNamespaces,
}

impl StreamNamespaces {
    /// The usual declarations: a content namespace as the default (RFC 6120 section 4.8.2) and
    /// `stream:`.
    pub fn new(default: impl Into<Text>) -> StreamNamespaces {
        let stream = (Text::Static("stream"), Text::Static(STREAM_NAMESPACE));
        StreamNamespaces {
            default: default.into(),
            prefixes: vec![stream],
        }
    }

    /// The content namespace, or nothing.
    pub fn default_namespace(&self) -> &str {
        &self.default
    }
}

impl StreamOpen {
    /// Parses the start tag that the framer cut out.
    pub fn parse(frame: &[u8]) -> Result<StreamOpen, ParseError> {
        parse::open(frame)
    }
}
