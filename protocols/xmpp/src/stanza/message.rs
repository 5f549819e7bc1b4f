//! What a message carries for a person to read (RFC 6121 section 5.2). Not for its delivery.

use pollux_xml::Text;

use super::Stanza;
use crate::ns;

impl Stanza {
    /// The first body (RFC 6121 section 5.2.3).
    pub fn body(&self) -> Option<Text> {
        self.text_of("body")
    }

    /// The first subject (RFC 6121 section 5.2.4).
    pub fn subject(&self) -> Option<Text> {
        self.text_of("subject")
    }

    /// The conversation it belongs to (RFC 6121 section 5.2.5).
    pub fn thread(&self) -> Option<Text> {
        self.text_of("thread")
    }

    fn text_of(&self, name: &str) -> Option<Text> {
        self.find(ns::CLIENT, name)
            .map(|element| element.text_content())
    }
}
