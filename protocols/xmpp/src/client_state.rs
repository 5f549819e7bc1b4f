//! XEP-0352: Client State Indication. Not for what is spared a client that nobody looks at.

use pollux_xml::Element;

use crate::ns;

/// What the server can, said after authentication (section 4.1).
pub fn feature() -> Element {
    Element::new(ns::CLIENT_STATE, "csi")
}

/// Section 4.2: whether somebody looks at the client now. None: the element is something else.
pub fn is_active(element: &Element) -> Option<bool> {
    match (element.namespace(), element.name()) {
        (ns::CLIENT_STATE, "active") => Some(true),
        (ns::CLIENT_STATE, "inactive") => Some(false),
        _ => None,
    }
}
