//! An operation as a program or a form asks for it: a name, and fields beside it. Not for doing it.

use pollux_domain::operations::{
    Description, Errand, ErrorKind, FieldKind, Operation, OperationError,
};
use serde_json::{Map, Value, json};

use super::exchange::Fields;

/// The field beside those of a dangerous operation that says once more that it is meant.
pub(crate) const CONFIRM: &str = "confirm";

/// The field with the number of the node that is to do it, where it is another one.
pub(crate) const AT: &str = "at";

/// The operation of this name with these fields. A dangerous one has been confirmed.
pub(crate) fn from_json(
    name: &str,
    mut fields: Map<String, Value>,
) -> Result<Errand, OperationError> {
    let description = described(name)?;
    let confirmation = fields.remove(CONFIRM);
    let at = fields.remove(AT).map(serde_json::from_value::<u16>);
    let at = at
        .transpose()
        .map_err(|_| invalid("`at` is not the number of a node"))?;
    // The tag of the enum is none of its fields.
    if fields.contains_key("name") {
        return Err(invalid(
            "there is no field `name`; the path says the operation",
        ));
    }
    fields.insert("name".to_owned(), Value::from(description.name));
    let operation = serde_json::from_value::<Operation>(Value::Object(fields));
    let operation =
        operation.map_err(|error| invalid(format!("the request is not one: {error}")))?;
    description.check_confirmation(confirmation.as_ref().and_then(Value::as_str))?;
    Ok(Errand { operation, at })
}

/// The same of a form, which has texts only; what it has beside the operation's fields does not
/// matter.
pub(crate) fn from_form(name: &str, form: &Fields) -> Result<Errand, OperationError> {
    let description = described(name)?;
    let mut fields = Map::new();
    if let Some(confirmation) = form.get(CONFIRM) {
        fields.insert(CONFIRM.to_owned(), Value::from(confirmation));
    }
    if let Some(at) = form.get(AT).filter(|at| !at.is_empty()) {
        fields.insert(AT.to_owned(), number(at)?);
    }
    for field in description.fields {
        let Some(text) = form.get(field.name).filter(|text| !text.is_empty()) else {
            // A box without a mark is not sent.
            if field.kind == FieldKind::Flag && !field.is_optional {
                fields.insert(field.name.to_owned(), Value::from(false));
            }
            continue;
        };
        let value = match field.kind {
            FieldKind::Number(_) => number(text)?,
            FieldKind::Flag => Value::from(text == "true"),
            FieldKind::Text | FieldKind::Secret | FieldKind::Role | FieldKind::Service => {
                Value::from(text)
            }
            // Browsers end lines with two signs (HTML, "form data set").
            FieldKind::SecretLines => Value::from(text.replace("\r\n", "\n")),
            FieldKind::Assignments => assignments(text),
        };
        fields.insert(field.name.to_owned(), value);
    }
    from_json(name, fields)
}

/// A name with a value on each line; without `=` it is as at the beginning.
fn assignments(text: &str) -> Value {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let all = lines.map(|line| {
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (line, None),
        };
        json!({ "name": name, "value": value })
    });
    all.collect()
}

fn number(text: &str) -> Result<Value, OperationError> {
    let number = text.parse::<u64>();
    let number = number.map_err(|_| invalid(format!("`{text}` is not a number")))?;
    Ok(Value::from(number))
}

fn described(name: &str) -> Result<&'static Description, OperationError> {
    Description::of(name).ok_or_else(|| {
        let message = format!("there is no operation '{}'", name.escape_debug());
        OperationError::new(ErrorKind::NotFound, message)
    })
}

fn invalid(message: impl Into<String>) -> OperationError {
    OperationError::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use pollux_domain::operations::Caller;

    use super::*;

    #[track_caller]
    fn json(name: &str, fields: &str) -> Result<Errand, OperationError> {
        from_json(name, serde_json::from_str(fields).unwrap())
    }

    #[test]
    fn a_program_asks() {
        let status = || Operation::NodeStatus {};
        assert_eq!(json("node.status", "{}"), Ok(status().into()));
        let there = json("node.status", r#"{"at": 2}"#);
        assert_eq!(there, Ok(Errand::at(status(), 2)));
        let failover = Operation::SubclusterFailover { node: 2 };
        let asked = json(
            "subcluster.failover",
            r#"{"node": 2, "confirm": "subcluster.failover"}"#,
        );
        assert_eq!(asked, Ok(failover.into()));
        // What is not dangerous may be confirmed all the same.
        assert!(json("node.status", r#"{"confirm": true}"#).is_ok());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let kind = |name, fields| json(name, fields).unwrap_err().kind;
        assert_eq!(kind("node.fly", "{}"), ErrorKind::NotFound);
        for at in [r#"{"at": -1}"#, r#"{"at": 70000}"#, r#"{"at": "castor"}"#] {
            assert_eq!(kind("node.status", at), ErrorKind::Invalid, "{at}");
        }
        assert_eq!(kind("node.status", r#"{"x": 1}"#), ErrorKind::Invalid);
        assert_eq!(
            kind("node.status", r#"{"name": "user.list"}"#),
            ErrorKind::Invalid
        );
        for fields in [
            "{}",
            r#"{"node": "2"}"#,
            r#"{"node": -1}"#,
            r#"{"node": 70000}"#,
        ] {
            assert_eq!(
                kind("subcluster.failover", fields),
                ErrorKind::Invalid,
                "{fields}"
            );
        }
        for fields in [r#"{"node": 2}"#, r#"{"node": 2, "confirm": true}"#] {
            assert_eq!(kind("subcluster.failover", fields), ErrorKind::Unconfirmed);
        }
    }

    #[test]
    fn a_form_asks_the_same() {
        let form = Fields::parse("form=1&confirm=subcluster.failover&node=2&more=3");
        let failover = Operation::SubclusterFailover { node: 2 };
        let asked = from_form("subcluster.failover", &form);
        assert_eq!(asked, Ok(failover.into()));
        let form = Fields::parse("confirm=subcluster.set-high-availability&on=true&at=3");
        let on = Operation::SubclusterSetHighAvailability { on: true };
        let asked = from_form("subcluster.set-high-availability", &form);
        assert_eq!(asked, Ok(Errand::at(on, 3)));
        // A box without a mark means no.
        let form = Fields::parse("confirm=subcluster.set-high-availability");
        let off = Operation::SubclusterSetHighAvailability { on: false };
        let asked = from_form("subcluster.set-high-availability", &form);
        assert_eq!(asked, Ok(off.into()));
        let form = Fields::parse("settings=contacts.max%3D200%0D%0A%0D%0Asign-in.plain+");
        let asked = from_form("settings.set", &form).unwrap().operation;
        let line = asked
            .audit_line(&Caller::LocalSocket { uid: 0 })
            .to_string();
        let settings = "settings=contacts.max=200,sign-in.plain=(default)";
        assert!(line.ends_with(settings), "{line}");
        let kind = |name, form| from_form(name, &Fields::parse(form)).unwrap_err().kind;
        assert_eq!(
            kind("subcluster.failover", "node=2"),
            ErrorKind::Unconfirmed
        );
        assert_eq!(kind("subcluster.failover", "node=two"), ErrorKind::Invalid);
        assert_eq!(kind("subcluster.failover", ""), ErrorKind::Invalid);
        assert_eq!(kind("<b>", ""), ErrorKind::NotFound);
    }
}
