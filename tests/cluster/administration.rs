//! Administrators, tokens and REST at real nodes: accounts that are in the whole cluster, a
//! lock-out, TLS, and an audit that stays.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::common::deadline::wait_for;
use super::common::node::PASSWORD;
use super::http::{Answer, ask, ask_by_tls};
use super::ports::free_address;
use super::site::Member;

/// A prepared member with a port for administrators.
#[track_caller]
pub fn with_admin(name: &'static str, address: SocketAddr) -> Member {
    let member = Member::prepare(name);
    let section = format!("[admin]\nlisten = \"{address}\"\n\n[metrics]");
    member.change_setting("[metrics]", &section);
    member
}

#[track_caller]
pub fn add_administrator(member: &Member, name: &str, role: &str) {
    let add = [
        "administrator",
        "add",
        name,
        "--role",
        role,
        "--password-file",
        "password",
    ];
    member.ctl(&add);
}

pub fn operate(address: SocketAddr, token: &str, operation: &str, fields: &Value) -> Answer {
    let request = format!("POST /api/v1/operations/{operation}");
    let headers = format!("Authorization: Bearer {token}\r\n");
    ask(address, &request, &headers, &fields.to_string()).expect("an answer")
}

#[track_caller]
fn is_refused(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(answer.body.contains(words), "{}", answer.body);
}

#[test]
fn programs_ask_with_tokens_and_what_they_change_is_written_down() {
    let address = free_address();
    let mut castor = with_admin("castor", address).founds();
    let token = castor.ctl(&[
        "token", "add", "backup", "--role", "operator", "--days", "2",
    ]);
    let token = token.trim();
    assert!(token.starts_with("pollux_") && token.len() == 71, "{token}");
    let list = castor.ctl(&["token", "list"]);
    assert!(
        list.contains("backup") && list.contains("2 days left"),
        "{list}"
    );
    let kept = castor.ctl(&["token", "list", "--json"]);
    assert!(!kept.contains(token), "{kept}");

    let status = operate(address, token, "node.status", &json!({}));
    let status: Value = serde_json::from_str(&status.body).expect("JSON");
    assert_eq!(status["outcome"]["status"]["domain"], "localhost");
    let wanted = json!({ "on": true, "confirm": "subcluster.set-high-availability" });
    // With the words of the command line.
    let refused = operate(address, token, "subcluster.set-high-availability", &wanted);
    is_refused(
        &refused,
        400,
        "high availability needs two nodes and a witness",
    );
    let user = json!({ "user": "alice", "password": "open sesame" });
    let refused = operate(address, token, "user.add", &user);
    is_refused(&refused, 403, "the role operator may not do this");
    is_refused(
        &operate(address, "pollux_0", "node.status", &json!({})),
        401,
        "no such token",
    );

    castor.add_user("alice");
    castor.kill();
    castor.begin();
    let audit = castor.ctl(&["audit", "--json"]);
    let audit: Value = serde_json::from_str(&audit).expect("JSON");
    let lines: Vec<[&str; 4]> = { audit.as_array().expect("lines").iter() }
        .map(|line| {
            ["operation", "caller", "fields", "result"]
                .map(|field| line[field].as_str().expect("a text"))
        })
        .collect();
    let [user, availability, token_added] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(user[0], "user.add");
    assert_eq!(user[2..], ["user=alice", "done"]);
    assert_eq!(
        availability[..3],
        [
            "subcluster.set-high-availability",
            "token backup (operator)",
            "on=true"
        ]
    );
    assert!(
        availability[3].contains("needs two nodes"),
        "{availability:?}"
    );
    assert_eq!(token_added[2], "token=backup role=operator days=2");

    let operated = operate(address, token, "node.status", &json!({}));
    assert_eq!(operated.status, 200, "a token outlives a restart");
    castor.ctl(&["token", "remove", "backup"]);
    is_refused(
        &operate(address, token, "node.status", &json!({})),
        401,
        "no such token",
    );
}

#[test]
fn an_operation_is_done_by_the_node_that_is_named() {
    let address = free_address();
    let castor = with_admin("castor", address).founds();
    let mut romulus = castor.invite("romulus", &["--subcluster", "2"]);
    castor.wait_served(&[(1, 1)]);
    romulus.wait_served(&[(2, 2)]);
    let there = |words: &[&str]| castor.ctl(&[words, &["--at", "2", "--json"]].concat());
    let json = |text: String| serde_json::from_str::<Value>(&text).expect("JSON");
    assert_eq!(json(there(&["status"]))["node_id"], 2);
    assert_eq!(json(there(&["subcluster", "status"]))["subcluster"], 2);
    let history = json(there(&["history"]));
    let titles = { history.as_array().expect("lines").iter() }.map(|row| &row["title"]);
    assert!(
        titles.clone().any(|title| title == "Processor"),
        "{history}"
    );
    // A change is done there, and stands in the audit of the cluster.
    castor.ctl(&[
        "user",
        "add",
        "carol",
        "--password-file",
        "password",
        "--at",
        "2",
    ]);
    romulus.client("carol");
    let audit = castor.ctl(&["audit"]);
    assert!(audit.contains("user=carol"), "{audit}");
    // Over REST, what the role may not do is refused at once.
    let token = castor.ctl(&["token", "add", "look", "--role", "viewer"]);
    let status = operate(address, token.trim(), "node.status", &json!({ "at": 2 }));
    let status: Value = serde_json::from_str(&status.body).expect("JSON");
    assert_eq!(status["outcome"]["status"]["node_id"], 2);
    let remove = json!({ "user": "carol", "confirm": "user.remove", "at": 2 });
    let refused = operate(address, token.trim(), "user.remove", &remove);
    is_refused(&refused, 403, "the role viewer may not do this");
    let nobody = operate(address, token.trim(), "node.status", &json!({ "at": 9 }));
    is_refused(&nobody, 404, "there is no node 9 in this cluster");
    romulus.kill();
    wait_for("node 2 to be gone", || {
        let gone = operate(address, token.trim(), "node.status", &json!({ "at": 2 }));
        (gone.status == 503 && gone.body.contains("node 2 is not connected")).then_some(())
    });
}

/// What a form of the sign-in says, and the cookie that goes with it.
#[track_caller]
pub fn sign_in(address: SocketAddr, name: &str, password: &str) -> Answer {
    let page = ask(address, "GET /sign-in", "", "").expect("a page");
    let (_, rest) = page
        .body
        .split_once("name=\"form\" value=\"")
        .expect("a form");
    let form = &rest[..64];
    let headers = format!(
        "Cookie: __Host-pollux-form={form}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n"
    );
    let body = format!("form={form}&name={name}&password={password}");
    ask(address, "POST /sign-in", &headers, &body).expect("an answer")
}

#[test]
fn who_guesses_is_locked_out_with_the_right_password_too() {
    let address = free_address();
    let castor = with_admin("castor", address).founds();
    castor.ctl(&["settings", "set", "sign-in.lockout-account-failures=3"]);
    add_administrator(&castor, "ann", "viewer");
    add_administrator(&castor, "ben", "viewer");
    let again = castor.run(&[
        "ctl",
        "--config",
        "pollux.toml",
        "administrator",
        "add",
        "ann",
        "--role",
        "viewer",
    ]);
    assert_eq!(again.code, Some(73), "{}", again.err);
    assert_eq!(sign_in(address, "ann", PASSWORD).status, 303);
    for _ in 0..3 {
        is_refused(
            &sign_in(address, "ann", "wrong"),
            401,
            "the name or the password is wrong",
        );
    }
    let words = "too many failed attempts; the next counts in 5 min";
    is_refused(&sign_in(address, "ann", PASSWORD), 429, words);
    assert_eq!(
        sign_in(address, "ben", PASSWORD).status,
        303,
        "others notice nothing"
    );
    is_refused(
        &sign_in(address, "nobody", "wrong"),
        401,
        "the name or the password is wrong",
    );
    castor.ctl(&["administrator", "remove", "ben"]);
    is_refused(
        &sign_in(address, "ben", PASSWORD),
        401,
        "the name or the password is wrong",
    );
    let list = castor.ctl(&["administrator", "list"]);
    assert_eq!(list, "ADMINISTRATOR  ROLE\nann            viewer\n");
}

#[test]
fn from_another_machine_it_is_reached_with_the_certificate_of_the_node() {
    let address = free_address();
    let everywhere = SocketAddr::from(([0, 0, 0, 0], address.port()));
    let castor = with_admin("castor", everywhere).founds();
    let page = ask_by_tls(address, &castor.certificate(), "GET /sign-in", "");
    let page = page.expect("a page");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Sign in"), "{}", page.body);
    assert!(
        ask(address, "GET /sign-in", "", "").is_err(),
        "nothing without TLS"
    );
}
