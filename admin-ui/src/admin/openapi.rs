//! What REST takes, as OpenAPI 3.1 has it (<https://spec.openapis.org/oas/v3.1.0>), made from the
//! registry.

use pollux_domain::operations::{
    DESCRIPTIONS, Description, FieldDescription, FieldKind, Role, VERSION,
};
use pollux_domain::services::Service;
use serde_json::{Map, Value, json};

use super::api::{OPERATIONS, status};
use super::requests::{AT, CONFIRM};

pub(crate) fn document() -> Value {
    let paths: Map<String, Value> = DESCRIPTIONS
        .iter()
        .map(|one| {
            let path = format!("{OPERATIONS}{}", one.name);
            (path, json!({ "post": operation(one) }))
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pollux",
            "version": VERSION.to_string(),
            "description": "The administrative operations of a node, as `pollux ctl` has them.",
        },
        "paths": paths,
        "security": [{ "token": [] }],
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "What `pollux ctl token add` has printed.",
                },
            },
            "schemas": { "Done": done(), "Error": error() },
        },
    })
}

fn operation(one: &Description) -> Value {
    let roles: Vec<&str> = Role::ALL
        .into_iter()
        .filter(|role| role.may(one.permission))
        .map(Role::word)
        .collect();
    let summary = one.summary;
    let danger = one.danger.map(|danger| format!(" {danger}"));
    let description = format!(
        "{summary}{} For the roles {}.",
        danger.unwrap_or_default(),
        roles.join(", ")
    );
    json!({
        "operationId": one.name,
        "summary": summary,
        "description": description,
        "requestBody": {
            "required": one.fields.iter().any(|field| !field.is_optional) || one.danger.is_some(),
            "content": { "application/json": { "schema": body(one) } },
        },
        "responses": {
            "200": answer("It is done.", "Done"),
            "default": answer("It is not done, and why.", "Error"),
        },
    })
}

fn body(one: &Description) -> Value {
    let mut properties: Map<String, Value> = one
        .fields
        .iter()
        .map(|field| (field.name.to_owned(), schema(field)))
        .collect();
    let at = json!({
        "type": "integer",
        "minimum": 0,
        "maximum": u16::MAX,
        "description": "The number of the node that is to do it; by default the asked one.",
    });
    properties.insert(AT.to_owned(), at);
    let required = one.fields.iter().filter(|field| !field.is_optional);
    let mut required: Vec<&str> = required.map(|field| field.name).collect();
    if one.danger.is_some() {
        let confirm = json!({
            "const": one.name,
            "description": "The name of the operation once more: it is dangerous, and meant.",
        });
        properties.insert(CONFIRM.to_owned(), confirm);
        required.push(CONFIRM);
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn schema(field: &FieldDescription) -> Value {
    let mut schema = match field.kind {
        FieldKind::Text => json!({ "type": "string" }),
        FieldKind::Secret | FieldKind::SecretLines => {
            json!({ "type": "string", "format": "password" })
        }
        FieldKind::Role => json!({ "type": "string", "enum": Role::WORDS }),
        FieldKind::Service => json!({ "type": "string", "enum": Service::NAMES }),
        FieldKind::Number(most) => json!({ "type": "integer", "minimum": 0, "maximum": most }),
        FieldKind::Flag => json!({ "type": "boolean" }),
        FieldKind::Assignments => json!({
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": { "type": "string" },
                    "value": { "type": ["string", "null"] },
                },
                "required": ["name"],
                "additionalProperties": false,
            },
        }),
    };
    schema["description"] = Value::from(field.meaning);
    schema
}

fn answer(description: &str, schema: &str) -> Value {
    let reference = format!("#/components/schemas/{schema}");
    json!({
        "description": description,
        "content": { "application/json": { "schema": { "$ref": reference } } },
    })
}

fn done() -> Value {
    json!({
        "type": "object",
        "properties": {
            "version": { "const": VERSION },
            "outcome": {
                "description": "`done`, or what was asked for, as `pollux ctl --json` shows it, \
                                under its kind.",
            },
        },
        "required": ["version", "outcome"],
    })
}

fn error() -> Value {
    use pollux_domain::operations::ErrorKind as Kind;
    let kinds = [
        Kind::Invalid,
        Kind::NotFound,
        Kind::AlreadyExists,
        Kind::Forbidden,
        Kind::Unconfirmed,
        Kind::ResourceConstraint,
        Kind::Unavailable,
        Kind::Internal,
    ];
    let words: Vec<String> = kinds
        .into_iter()
        .map(|kind| {
            format!(
                "{} ({})",
                json!(kind).as_str().unwrap_or_default(),
                status(kind)
            )
        })
        .collect();
    json!({
        "type": "object",
        "properties": {
            "version": { "const": VERSION },
            "error": {
                "type": "object",
                "properties": {
                    "kind": {
                        "enum": kinds,
                        "description": format!("With the status: {}.", words.join(", ")),
                    },
                    "message": { "type": "string", "description": "For a person." },
                },
                "required": ["kind", "message"],
            },
        },
        "required": ["version", "error"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_in_it_and_nothing_else() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        assert_eq!(paths.len(), DESCRIPTIONS.len());
        for one in DESCRIPTIONS {
            let post = &paths[&format!("{OPERATIONS}{}", one.name)]["post"];
            assert_eq!(post["operationId"], one.name);
            let schema = &post["requestBody"]["content"]["application/json"]["schema"];
            let properties = schema["properties"].as_object().unwrap();
            let confirmed = usize::from(one.danger.is_some());
            assert_eq!(
                properties.len(),
                one.fields.len() + confirmed + 1,
                "{}",
                one.name
            );
        }
    }

    #[test]
    fn a_dangerous_one_says_so() {
        let document = document();
        let post = &document["paths"]["/api/v1/operations/subcluster.failover"]["post"];
        let schema = &post["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(schema["required"], json!(["node", "confirm"]));
        assert_eq!(
            schema["properties"]["confirm"]["const"],
            "subcluster.failover"
        );
        assert_eq!(schema["properties"]["node"]["maximum"], 65535);
        let description = post["description"].as_str().unwrap();
        assert!(
            description.ends_with("For the roles operator, administrator."),
            "{description}"
        );
    }
}
