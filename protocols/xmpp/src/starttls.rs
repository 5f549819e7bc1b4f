//! STARTTLS (RFC 6120 section 5.4.2). Not for TLS.

use pollux_xml::Element;

use crate::names::named;
use crate::ns;

named! {
    /// The three elements; the failure is followed by the end of the stream (RFC 6120 section
    /// 5.4.2.2).
    Starttls {
        Request = "starttls",
        Proceed = "proceed",
        Failure = "failure",
    }
}

impl Starttls {
    pub fn to_element(self) -> Element {
        Element::new(ns::TLS, self.as_str())
    }

    pub fn from_element(element: &Element) -> Option<Starttls> {
        if element.namespace() == ns::TLS {
            Starttls::from_name(element.name())
        } else {
            None
        }
    }
}
