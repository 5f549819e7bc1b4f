//! The settings of the cluster, by the command line: all that are given are set, or none, with
//! every mistake named; they outlive the node.

use serde_json::Value;

use super::common::client::Client;
use super::common::node::{Plaintext, TestNode};
use super::common::stream::xml;
use super::site::{Member, pair};

fn value(node: &TestNode, name: &str) -> String {
    let text = node.ctl_done(&["settings", "list", "--json"]);
    let rows: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let rows = rows.as_array().expect("a list");
    let row = rows.iter().find(|row| row["name"] == name);
    let value = row.and_then(|row| row["value"].as_str());
    value.expect("the setting").to_owned()
}

#[test]
fn all_are_set_or_none_and_they_outlive_the_node() {
    let mut node = TestNode::start(Plaintext::Refused);
    let plain = "sign-in.plain";
    let refused = node.ctl(&[
        "settings",
        "set",
        "sign-in.plain=on",
        "client.bytes-a-second=12",
        "no.such=1",
    ]);
    assert_eq!(refused.code, Some(65), "{}", refused.err);
    for part in [
        "nothing was set",
        "client.bytes-a-second: `12` is out of range; write a number from 65536",
        "no.such: there is no such setting",
    ] {
        assert!(refused.err.contains(part), "{}", refused.err);
    }
    assert_eq!(value(&node, plain), "off");
    let twice = ["sign-in.plain=on", "no.such=1", "sign-in.plain=off"];
    let twice = node.ctl(&[&["settings", "set"][..], &twice].concat());
    for part in ["no.such: there is no", "sign-in.plain: is set twice"] {
        assert!(twice.err.contains(part), "{}", twice.err);
    }
    let privacy = "user privacy alice internal=maybe blocked=@,a@b,@/ no.such=1";
    node.add_user("alice");
    let refused = node.ctl(&privacy.split(' ').collect::<Vec<_>>());
    assert_eq!(refused.code, Some(65), "{}", refused.err);
    for part in [
        "nothing was set",
        "internal: `maybe` is none of them",
        "blocked: `@` is no address",
        "`@/` is no address",
        "no.such: there is nothing of that name",
    ] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    let rows = node.ctl_done(&["user", "privacy", "alice"]);
    assert!(!rows.contains('*'), "{rows}");
    let unknown = node.ctl(&["settings", "show", "no.such"]);
    assert_eq!(unknown.code, Some(65), "{}", unknown.err);

    node.set_cluster(&["sign-in.plain=on", "client.bytes-a-second=unlimited"]);
    node.kill();
    node.begin();
    assert_eq!(value(&node, plain), "on");
    assert_eq!(value(&node, "client.bytes-a-second"), "unlimited");
    let shown = node.ctl_done(&["settings", "show", plain]);
    assert!(
        shown.starts_with("sign-in.plain = on\ndefault: off\n"),
        "{shown}"
    );
    let reset = ["settings", "reset", plain, "client.bytes-a-second"];
    let words = node.ctl_done(&reset);
    assert_eq!(words, "sign-in.plain, client.bytes-a-second: reset\n");
    assert_eq!(value(&node, plain), "off");
}

fn rows(member: &Member) -> Vec<Value> {
    let text = member.ctl(&["settings", "list", "--json"]);
    serde_json::from_str(&text).expect("a list of settings")
}

/// A value of this form that is not the default.
fn another(form: &str, default: &str) -> String {
    if form == "on or off" {
        return if default == "on" { "off" } else { "on" }.to_owned();
    }
    if let Some(range) = form.strip_prefix("a number from ") {
        let ends = range
            .split([' ', ','])
            .filter_map(|word| word.parse::<u64>().ok());
        let mut ends = ends.map(|end| end.to_string());
        return ends.find(|end| end != default).expect("another number");
    }
    match form.split(',').next() {
        Some("replace or refuse") => "refuse",
        Some("none") if form.contains("stun:") => "stun:stun.example.org:3478",
        Some("none") => "admin=mailto:admin@example.org",
        _ => panic!("a value of the form «{form}»"),
    }
    .to_owned()
}

/// None needs a restart, none is forgotten by a takeover.
#[test]
fn each_setting_that_is_set_at_one_node_holds_at_the_other_and_at_the_twin() {
    let [mut castor, pollux, _witness] = pair();
    let text = |row: &Value, what: &str| row[what].as_str().expect("text").to_owned();
    let mut wanted = Vec::new();
    for row in rows(&castor) {
        let value = another(&text(&row, "form"), &text(&row, "default"));
        let name = text(&row, "name");
        castor.ctl(&["settings", "set", &format!("{name}={value}")]);
        wanted.push((name, value));
    }
    let there = || -> Vec<(String, String)> {
        let all = rows(&pollux).into_iter();
        all.map(|row| (text(&row, "name"), text(&row, "value")))
            .collect()
    };
    assert_eq!(there(), wanted);
    castor.kill();
    pollux.wait_served(&[(1, 2), (2, 2)]);
    assert_eq!(there(), wanted);
    let reset: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    pollux.ctl(&[&["settings", "reset"][..], &reset].concat());
    for row in rows(&pollux) {
        assert_eq!(row["value"], row["default"], "{row}");
    }
}

/// How a TURN server would know the client: the same for one user under one secret.
#[track_caller]
fn turn_name(client: &mut Client) -> String {
    client
        .send("<iq type='get' id='e1' to='localhost'><services xmlns='urn:xmpp:extdisco:2'/></iq>");
    loop {
        let answer = client.element();
        if answer.attribute("id") != Some("e1") {
            continue;
        }
        let services = answer.find("urn:xmpp:extdisco:2", "services");
        let service = services.and_then(|services| services.elements().next());
        let name = service.and_then(|service| service.attribute("username"));
        let name = name.and_then(|name| name.split_once(':'));
        let (_until, name) = name.unwrap_or_else(|| panic!("no name: {}", xml(&answer)));
        return name.to_owned();
    }
}

/// The secret that TURN servers know (XEP-0215) is kept by the cluster: the twin makes the same of
/// it, and neither shows it.
#[test]
fn a_secret_is_with_the_twin_and_in_no_log() {
    let [mut castor, pollux, _witness] = pair();
    castor.add_user("alice");
    let services = "external.services=turn:turn.example.org";
    castor.ctl(&["settings", "set", services]);
    let secret = castor.ctl(&["external", "set-secret"]);
    let mut alice = castor.client("alice");
    let name = turn_name(&mut alice);
    castor.kill();
    pollux.wait_served(&[(1, 2)]);
    alice.resume(pollux.clients());
    assert_eq!(turn_name(&mut alice), name);
    for log in [castor.log(), pollux.log()] {
        assert!(!log.contains(secret.trim()), "{log}");
    }
    assert!(castor.log().contains("external.set-secret"));
}
