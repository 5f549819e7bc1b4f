//! RFC 6121 section 3.4: a subscription request that is approved before it comes: the stream
//! feature. The approval itself is presence of type "subscribed".

use pollux_xml::Element;

use crate::ns;

/// Informs, and is not negotiated.
pub fn feature() -> Element {
    Element::new(ns::PRE_APPROVAL, "sub")
}
