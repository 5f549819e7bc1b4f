//! An operation as a program or a form asks for it: a name, and fields beside it. Not for doing it.

use pollux_domain::operations::{Description, ErrorKind, FieldKind, Operation, OperationError};
use serde_json::{Map, Value};

use super::exchange::Fields;

/// The field beside those of a dangerous operation that says once more that it is meant.
pub(crate) const CONFIRM: &str = "confirm";

/// The operation of this name with these fields. A dangerous one has been confirmed.
pub(crate) fn from_json(
    name: &str,
    mut fields: Map<String, Value>,
) -> Result<Operation, OperationError> {
    let description = described(name)?;
    let confirmation = fields.remove(CONFIRM);
    // The tag of the enum is none of its fields.
    if fields.contains_key("name") {
        return Err(invalid(
            "there is no field `name`; the path says the operation",
        ));
    }
    fields.insert("name".to_owned(), Value::from(description.name));
    let operation = serde_json::from_value(Value::Object(fields));
    let operation =
        operation.map_err(|error| invalid(format!("the request is not one: {error}")))?;
    description.check_confirmation(confirmation.as_ref().and_then(Value::as_str))?;
    Ok(operation)
}

/// The same of a form, which has texts only; what it has beside the operation's fields does not
/// matter.
pub(crate) fn from_form(name: &str, form: &Fields) -> Result<Operation, OperationError> {
    let description = described(name)?;
    let mut fields = Map::new();
    if let Some(confirmation) = form.get(CONFIRM) {
        fields.insert(CONFIRM.to_owned(), Value::from(confirmation));
    }
    for field in description.fields {
        let Some(text) = form.get(field.name).filter(|text| !text.is_empty()) else {
            continue;
        };
        let value = match field.kind {
            FieldKind::Number(_) => {
                let number = text.parse::<u64>();
                Value::from(number.map_err(|_| invalid(format!("`{text}` is not a number")))?)
            }
            FieldKind::Flag => Value::from(text == "true"),
            FieldKind::Text | FieldKind::Secret | FieldKind::Role | FieldKind::Service => {
                Value::from(text)
            }
            FieldKind::Assignments => {
                return Err(invalid("a form cannot set several settings at once"));
            }
        };
        fields.insert(field.name.to_owned(), value);
    }
    from_json(name, fields)
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
    use super::*;

    #[track_caller]
    fn json(name: &str, fields: &str) -> Result<Operation, OperationError> {
        from_json(name, serde_json::from_str(fields).unwrap())
    }

    #[test]
    fn a_program_asks() {
        assert_eq!(json("node.status", "{}"), Ok(Operation::NodeStatus {}));
        let failover = Operation::SubclusterFailover { node: 2 };
        let asked = json(
            "subcluster.failover",
            r#"{"node": 2, "confirm": "subcluster.failover"}"#,
        );
        assert_eq!(asked, Ok(failover));
        // What is not dangerous may be confirmed all the same.
        assert!(json("node.status", r#"{"confirm": true}"#).is_ok());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let kind = |name, fields| json(name, fields).unwrap_err().kind;
        assert_eq!(kind("node.fly", "{}"), ErrorKind::NotFound);
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
        assert_eq!(from_form("subcluster.failover", &form), Ok(failover));
        let form = Fields::parse("confirm=subcluster.set-high-availability&on=true");
        let on = Operation::SubclusterSetHighAvailability { on: true };
        assert_eq!(from_form("subcluster.set-high-availability", &form), Ok(on));
        let kind = |name, form| from_form(name, &Fields::parse(form)).unwrap_err().kind;
        assert_eq!(
            kind("subcluster.failover", "node=2"),
            ErrorKind::Unconfirmed
        );
        assert_eq!(kind("subcluster.failover", "node=two"), ErrorKind::Invalid);
        assert_eq!(kind("subcluster.failover", ""), ErrorKind::Invalid);
        assert_eq!(kind("settings.set", "settings=a"), ErrorKind::Invalid);
        assert_eq!(kind("<b>", ""), ErrorKind::NotFound);
    }
}
