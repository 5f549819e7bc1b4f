//! XEP-0157: Contact Addresses for XMPP Services: the form in a server's service discovery. Not for
//! where the addresses come from.

use pollux_xml::Element;

use crate::ns;

/// Section 3. `contacts`: roles, as the names of their fields without `-addresses`, and their
/// addresses. None where there are none.
pub fn form(contacts: &[(&str, Vec<&str>)]) -> Option<Element> {
    if contacts.is_empty() {
        return None;
    }
    let field = |name: String, values: &[&str]| {
        let values = values.iter();
        Element::new(ns::DATA_FORM, "field")
            .attr("var", name)
            .children(
                values.map(|value| Element::new(ns::DATA_FORM, "value").text((*value).to_owned())),
            )
    };
    let kind = field("FORM_TYPE".to_owned(), &[ns::SERVER_INFO]).attr("type", "hidden");
    let fields = contacts
        .iter()
        .map(|(role, addresses)| field(format!("{role}-addresses"), addresses));
    let form = Element::new(ns::DATA_FORM, "x").attr("type", "result");
    Some(form.child(kind).children(fields))
}
