//! XEP-0004: Data Forms, as far as a server asks for something by one. Not for what a form is
//! about: its kind (XEP-0068) and the names of its fields stand where they are used.

use pollux_xml::{Element, Text};

use crate::ns;

/// A field that is to be filled in.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    /// What is typed is not shown.
    pub is_private: bool,
}

/// A form of this kind in which each field is required.
pub fn asking(
    kind: &'static str,
    title: &'static str,
    instructions: &'static str,
    fields: &[Field],
) -> Element {
    let part = |name: &'static str| Element::new(ns::DATA_FORM, name);
    let hidden = part("field")
        .attr("type", "hidden")
        .attr("var", "FORM_TYPE")
        .child(part("value").text(kind));
    let fields = fields.iter().map(|field| {
        let shown = match field.is_private {
            true => "text-private",
            false => "text-single",
        };
        part("field")
            .attr("type", shown)
            .attr("label", field.label)
            .attr("var", field.name)
            .child(part("required"))
    });
    part("x")
        .attr("type", "form")
        .child(part("title").text(title))
        .child(part("instructions").text(instructions))
        .child(hidden)
        .children(fields)
}

/// A form that was filled in. Fields that nobody asks for are ignored (section 3.1).
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a>(&'a Element);

impl<'a> Submission<'a> {
    /// What is wrong with it where it is no submission of this kind, in words.
    pub fn of(form: &'a Element, kind: &str) -> Result<Submission<'a>, &'static str> {
        if form.attribute("type") != Some("submit") {
            return Err("the type of a form that is filled in is `submit`");
        }
        let submission = Submission(form);
        match submission.value("FORM_TYPE")? {
            Some(said) if said.as_str() == kind => Ok(submission),
            Some(_) => Err("the FORM_TYPE is not that of the form that was offered"),
            None => Err("the form has no FORM_TYPE"),
        }
    }

    /// What stands in a field that has one value. None: there is no such field, or it is empty.
    pub fn value(&self, name: &str) -> Result<Option<Text>, &'static str> {
        let fields = self.0.elements();
        let mut values = fields
            .filter(|field| field.is(ns::DATA_FORM, "field"))
            .filter(|field| field.attribute("var") == Some(name))
            .flat_map(|field| field.elements())
            .filter(|value| value.is(ns::DATA_FORM, "value"));
        let value = values.next().map(Element::text_content);
        match values.next() {
            Some(_) => Err("a field has one value"),
            None => Ok(value.filter(|value| !value.is_empty())),
        }
    }
}

#[cfg(test)]
mod tests {
    use pollux_xml::StreamNamespaces;

    use super::*;

    fn submitted(form: &str, name: &str) -> Result<Option<String>, &'static str> {
        let form = Element::parse(form.as_bytes(), &StreamNamespaces::new(ns::DATA_FORM)).unwrap();
        let value = Submission::of(&form, "a:kind")?.value(name)?;
        Ok(value.map(|value| value.to_string()))
    }

    #[test]
    fn what_is_submitted_is_read() {
        let form = "<x type='submit'>\
                    <field var='FORM_TYPE' type='hidden'><value>a:kind</value></field>\
                    <field var='name'><value>bill </value></field>\
                    <field var='empty'><value/></field><field var='none'/>\
                    <field var='two'><value>1</value><value>2</value></field>\
                    <field var='again'><value>1</value></field>\
                    <field var='again'><value>1</value></field></x>";
        assert_eq!(submitted(form, "name"), Ok(Some("bill ".to_owned())));
        for name in ["empty", "none", "other"] {
            assert_eq!(submitted(form, name), Ok(None), "{name}");
        }
        for name in ["two", "again"] {
            assert_eq!(submitted(form, name), Err("a field has one value"));
        }
        let of_another = form.replace("a:kind", "another");
        assert!(submitted(&of_another, "name").is_err());
        let not_filled_in = form.replace("submit", "form");
        assert!(submitted(&not_filled_in, "name").is_err());
        assert!(submitted("<x type='submit'/>", "name").is_err());
        assert!(submitted("<x/>", "name").is_err());
    }
}
