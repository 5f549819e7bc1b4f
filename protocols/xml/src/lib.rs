//! XML streams: framing under limits, parsing and writing of complete elements. Not for the meaning
//! of any element: see `pollux_xmpp`.
//!
//! Bytes from a peer go through the [`Framer`], which refuses what breaks XML 1.0, RFC 6120 section
//! 11 or the [`Limits`] before a tree exists, and cuts out complete elements. A frame then becomes
//! an [`Element`]. This is the only crate that knows quick-xml.

mod chars;
mod declaration;
mod element;
mod escape;
mod frame;
mod framer;
mod limits;
mod open;
mod parse;
mod plain;
mod reference;
mod scanner;
mod text;
mod utf8;
mod write;

#[cfg(any(test, fuzzing))]
pub mod properties;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod framer_test;
#[cfg(test)]
mod parse_test;

pub use chars::{is_legal, is_legal_text};
pub use element::{Attribute, Element, Node};
pub use frame::{Frame, FrameError, Restricted};
pub use framer::Framer;
pub use limits::Limits;
pub use open::{StreamNamespaces, StreamOpen};
pub use parse::ParseError;
pub use plain::Plain;
pub use text::Text;

/// The namespace of the stream element and of its features and errors (RFC 6120 section 4.8.1), the
/// only one that is written with a prefix: `stream:`.
pub const STREAM_NAMESPACE: &str = "http://etherx.jabber.org/streams";
