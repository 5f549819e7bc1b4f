//! XEP-0092: Software Version. Not for who may know it.

use pollux_xml::{Element, Text};

use crate::ns;
use crate::stanza::{IqType, Stanza, StanzaKind};

/// What an entity runs. The operating system is nobody's business (section 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftwareVersion {
    pub name: Text,
    pub version: Text,
}

impl SoftwareVersion {
    /// Section 2.
    pub fn to_element(&self) -> Element {
        Element::new(ns::VERSION, "query")
            .child(Element::new(ns::VERSION, "name").text(&self.name))
            .child(Element::new(ns::VERSION, "version").text(&self.version))
    }
}

pub fn is_request(stanza: &Stanza) -> bool {
    stanza.kind == StanzaKind::Iq(IqType::Get) && stanza.find(ns::VERSION, "query").is_some()
}
