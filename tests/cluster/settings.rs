//! The settings of the cluster, by the command line: all that are given are set, or none, with
//! every mistake named; they outlive the node.

use super::common::node::{Plaintext, TestNode};

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
    let twice = node.ctl(&["settings", "set", "sign-in.plain=on", "sign-in.plain=off"]);
    assert!(
        twice.err.contains("sign-in.plain is set twice"),
        "{}",
        twice.err
    );
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
