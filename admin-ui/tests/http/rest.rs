//! REST: every operation, for every role, with the words of the command line.

use pollux_domain::operations::{
    Caller, DESCRIPTIONS, Description, ErrorKind, Face, FieldKind, Operation, OperationError, Role,
};
use serde_json::{Map, Value, json};

use super::client;
use super::stage::{Stage, name_of};

/// A body that the schema of an operation allows, and no less.
fn sample(schema: &Value) -> Value {
    let all = schema["properties"].as_object().unwrap();
    let required = schema["required"].as_array().unwrap();
    let fields = required.iter().map(|name| {
        let name = name.as_str().unwrap();
        let field = &all[name];
        let value = match (&field["const"], &field["enum"], field["type"].as_str()) {
            (Value::String(word), ..) => json!(word),
            (_, Value::Array(words), _) => words[0].clone(),
            (_, _, Some("string")) => json!("ann"),
            (_, _, Some("integer")) => json!(2),
            (_, _, Some("boolean")) => json!(true),
            (_, _, Some("array")) => json!([{ "name": "sign-in.plain", "value": "on" }]),
            other => panic!("{name}: {other:?}"),
        };
        (name.to_owned(), value)
    });
    Value::Object(fields.collect::<Map<String, Value>>())
}

fn published(stage: &Stage) -> Value {
    let answer = client::get(stage.address(), "/api/v1/openapi.json", &[]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn every_published_operation_answers_each_role_as_the_matrix_says() {
    let stage = Stage::start();
    let published = published(&stage);
    let paths = published["paths"].as_object().unwrap();
    assert_eq!(paths.len(), DESCRIPTIONS.len());
    for (path, item) in paths {
        let name = path.strip_prefix("/api/v1/operations/").unwrap();
        let description = Description::of(name).unwrap();
        let schema = &item["post"]["requestBody"]["content"]["application/json"]["schema"];
        let body = sample(schema).to_string();
        for role in Role::ALL {
            let answer = stage.rest(role.word(), name, &body);
            let want = if role.may(description.permission) {
                200
            } else {
                403
            };
            assert_eq!(answer.status, want, "{role} {name} {body}: {}", answer.body);
        }
    }
}

#[test]
fn an_operation_is_executed_for_its_token_and_answered_as_on_the_socket() {
    let stage = Stage::start();
    let body = r#"{"node": 1, "confirm": "subcluster.failover"}"#;
    let answer = stage.rest("operator", "subcluster.failover", body);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "{\"version\":1,\"outcome\":\"done\"}\n");
    let caller = Caller::Administrator {
        name: name_of(Role::Operator),
        role: Role::Operator,
        face: Face::Rest,
    };
    let operation = Operation::SubclusterFailover { node: 1 };
    assert_eq!(stage.node.changes(), [(caller, operation)]);
}

#[track_caller]
fn refused(stage: &Stage, operation: &str, body: &str, status: u16, kind: &str, words: &str) {
    let answer = stage.rest("administrator", operation, body);
    assert_eq!(answer.status, status, "{operation} {body}: {}", answer.body);
    let value: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(value["error"]["kind"], kind, "{operation} {body}");
    let message = value["error"]["message"].as_str().unwrap();
    assert!(message.contains(words), "{operation} {body}: {message}");
}

#[test]
fn what_cannot_be_meant_is_refused_before_it_is_executed() {
    let stage = Stage::start();
    let name = "subcluster.failover";
    refused(
        &stage,
        "node.fly",
        "{}",
        404,
        "not-found",
        "there is no operation",
    );
    refused(
        &stage,
        "%3Cb%3E",
        "{}",
        404,
        "not-found",
        "there is no operation",
    );
    refused(&stage, name, "{", 400, "invalid", "not an object of JSON");
    refused(&stage, name, "[]", 400, "invalid", "not an object of JSON");
    refused(
        &stage,
        name,
        "\u{1}",
        400,
        "invalid",
        "not an object of JSON",
    );
    refused(
        &stage,
        name,
        r#"{"x": 1}"#,
        400,
        "invalid",
        "unknown field `x`",
    );
    refused(
        &stage,
        name,
        r#"{"node": "1"}"#,
        400,
        "invalid",
        "invalid type",
    );
    let danger = "The sessions of its users move to its twin";
    refused(&stage, name, r#"{"node": 1}"#, 428, "unconfirmed", danger);
    let other = r#"{"node": 1, "confirm": "subcluster.fallback"}"#;
    refused(&stage, name, other, 428, "unconfirmed", danger);
    assert_eq!(stage.node.changes(), []);
}

#[test]
fn a_refusal_has_the_status_of_its_kind_and_the_words_of_the_node() {
    let stage = Stage::start();
    for (kind, status, word) in [
        (ErrorKind::Invalid, 400, "invalid"),
        (ErrorKind::Forbidden, 403, "forbidden"),
        (ErrorKind::NotFound, 404, "not-found"),
        (ErrorKind::AlreadyExists, 409, "already-exists"),
        (ErrorKind::Unconfirmed, 428, "unconfirmed"),
        (ErrorKind::ResourceConstraint, 429, "resource-constraint"),
        (ErrorKind::Internal, 500, "internal"),
        (ErrorKind::Unavailable, 503, "unavailable"),
    ] {
        let error = OperationError::new(kind, "node 7 has no twin in this subcluster");
        *stage.node.refusal.lock().unwrap() = Some(error);
        let body = r#"{"user": "ann"}"#;
        refused(
            &stage,
            "user.disable",
            body,
            status,
            word,
            "node 7 has no twin",
        );
    }
}

#[test]
fn without_a_right_token_nothing_is_said() {
    let stage = Stage::start();
    let path = "/api/v1/operations/node.status";
    let check = |headers: &[(&str, &str)], status: u16, words: &str| {
        let answer = client::post(stage.address(), path, headers, "{}");
        assert_eq!(answer.status, status, "{headers:?}");
        assert!(answer.body.contains(words), "{headers:?}: {}", answer.body);
        answer
    };
    let wrong = "there is no such token, or it has expired";
    for headers in [
        &[][..],
        &[("Authorization", "Bearer ")],
        &[("Authorization", "Bearer wrong")],
        &[("Authorization", "Basic dmlld2VyOng=")],
        &[("Authorization", "viewer")],
        &[("Cookie", "__Host-pollux=viewer")],
    ] {
        let answer = check(headers, 401, wrong);
        assert_eq!(answer.header("www-authenticate"), "bearer");
    }
    let answer = check(
        &[("Authorization", "bearer locked")],
        429,
        "the next counts in 2 min",
    );
    assert_eq!(answer.header("retry-after"), "120");
    check(&[("Authorization", "bearer viewer")], 200, "example.org");
    // Who is nobody does not learn which operations there are.
    let unknown = client::post(stage.address(), "/api/v1/operations/node.fly", &[], "{}");
    assert_eq!(unknown.status, 401);
    assert_eq!(stage.node.changes(), []);
}

#[test]
fn a_browsers_session_is_no_token() {
    let stage = Stage::start();
    let browser = stage.browser(Role::Administrator);
    let cookies = browser.cookie_header();
    let path = "/api/v1/operations/node.status";
    let answer = client::post(stage.address(), path, &[("Cookie", &cookies)], "{}");
    assert_eq!(answer.status, 401);
}

#[test]
fn bodies_and_methods_have_limits() {
    let stage = Stage::start();
    let ask = |request: &str| {
        let answer = client::ask(stage.address(), request);
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let path = "/api/v1/operations/node.status";
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer viewer\r\n");
    assert_eq!(ask(&format!("{head}Content-Length: 65537\r\n\r\n")), "413");
    assert_eq!(
        ask(&format!(
            "{head}Content-Length: 99999999999999999999999\r\n\r\n"
        )),
        "400"
    );
    let chunks = format!("{:x}\r\n{}\r\n", 40_000, "x".repeat(40_000)).repeat(2);
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    assert_eq!(ask(&format!("{head}{chunked}{chunks}0\r\n\r\n")), "413");
    // A body that does not come in time.
    assert_eq!(ask(&format!("{head}Content-Length: 10\r\n\r\n{{")), "408");
    assert_eq!(
        ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )),
        "405"
    );
    assert_eq!(
        ask(&format!("DELETE {path} HTTP/1.1\r\nHost: x\r\n\r\n")),
        "405"
    );
    let with_body = "GET /topology HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab";
    assert_eq!(ask(with_body), "413");
    let endless = "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n";
    assert_eq!(ask(endless), "413");
    let missing = client::get(stage.address(), "/api/v2/", &[]);
    assert_eq!(missing.status, 404);
}

/// The kinds of fields are those that programs are told.
#[test]
fn no_field_is_of_a_kind_that_is_not_published() {
    let stage = Stage::start();
    let published = published(&stage);
    for one in DESCRIPTIONS {
        let path = format!("/api/v1/operations/{}", one.name);
        let post = &published["paths"][&path]["post"];
        let schema = &post["requestBody"]["content"]["application/json"]["schema"];
        for field in one.fields {
            let kind = schema["properties"][field.name]["type"].as_str();
            let want = match field.kind {
                FieldKind::Text
                | FieldKind::Secret
                | FieldKind::SecretLines
                | FieldKind::Role
                | FieldKind::Service => "string",
                FieldKind::Number(_) => "integer",
                FieldKind::Flag => "boolean",
                FieldKind::Assignments => "array",
            };
            assert_eq!(kind, Some(want), "{} {}", one.name, field.name);
        }
    }
}
