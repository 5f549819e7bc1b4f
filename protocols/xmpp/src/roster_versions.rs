//! XEP-0237: Roster Versioning (RFC 6121 section 2.6): the stream feature. The `ver` of requests,
//! results and pushes stands in `roster`; what a version is, the domain decides.

use pollux_xml::Element;

use crate::ns;

/// Section 2.1: informs, and is not negotiated.
pub fn feature() -> Element {
    Element::new(ns::ROSTER_VERSIONS, "ver")
}
