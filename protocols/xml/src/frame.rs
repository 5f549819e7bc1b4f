//! What the framer cuts out, and what it refuses. Not for the answer to the peer: see
//! `pollux_xmpp::StreamError`.

use bytes::Bytes;

/// One complete piece of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The start tag of the stream element, without the XML declaration.
    Open(Bytes),
    /// One complete first-level element.
    Element(Bytes),
    /// Whitespace between first-level elements, however much of it was there (RFC 6120 section
    /// 4.6.1: a keepalive).
    Whitespace,
    /// The end tag of the stream element. What follows it is discarded.
    Close,
}

/// Why a stream cannot go on. The framer repeats it until it is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// `not-well-formed` (RFC 6120 section 4.9.3.13), and what is wrong.
    #[error("not well-formed: {0}")]
    NotWellFormed(&'static str),
    /// `restricted-xml` (RFC 6120 section 4.9.3.18, section 11.1).
    #[error("restricted XML: {0}")]
    Restricted(Restricted),
    /// `unsupported-encoding` (RFC 6120 section 4.9.3.22): another encoding, or octets that are not
    /// UTF-8.
    #[error("the encoding is not UTF-8")]
    UnsupportedEncoding,
    /// `bad-format` (RFC 6120 section 4.9.3.1): well-formed, but not a stream of first-level
    /// elements.
    #[error("text between first-level elements")]
    TextBetweenElements,
    /// `policy-violation` (RFC 6120 section 4.9.3.14), as are the four below; this one with
    /// `stanza-too-big`.
    #[error("a stanza has more than {bytes_max} octets")]
    FrameTooBig { bytes_max: usize },
    #[error("more than {elements_max} elements in this phase of the stream")]
    ElementsTooMany { elements_max: u32 },
    #[error("elements are nested more than {depth_max} deep")]
    TooDeep { depth_max: u16 },
    #[error("a tag has more than {attributes_max} attributes")]
    AttributesTooMany { attributes_max: u16 },
    #[error("a tag has more than {namespaces_max} namespace declarations")]
    NamespacesTooMany { namespaces_max: u16 },
}

/// The features of XML that RFC 6120 section 11.1 prohibits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Restricted {
    #[error("a comment")]
    Comment,
    #[error("a processing instruction")]
    ProcessingInstruction,
    #[error("a document type definition")]
    Dtd,
    #[error("an entity reference")]
    Entity,
    #[error("a standalone document declaration")]
    Standalone,
}
