//! A client that says more in a second than it may: it is read later and loses nothing, and others
//! do not wait for it.

use crate::common::client::Client;
use crate::common::node::{Plaintext, TestNode};

const MESSAGES: usize = 600;
const BODY_BYTES: usize = 400;

fn messages() -> String {
    let body = "x".repeat(BODY_BYTES);
    let one = |id| {
        format!(
            "<message to='bob@localhost/desk' type='chat' id='{id}'><body>{body}</body></message>"
        )
    };
    (0..MESSAGES).map(one).collect()
}

fn pauses(node: &TestNode) -> u64 {
    let text = node.ctl_done(&["statistics", "--json"]);
    let figures: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let pauses = figures["pollux_client_pauses_total"].as_u64();
    pauses.expect("a number")
}

fn node(bytes_a_second: &str) -> TestNode {
    let node = TestNode::start(Plaintext::Allowed);
    let bytes = format!("client.bytes-a-second={bytes_a_second}");
    node.set_cluster(&[&bytes, "client.stanzas-a-second=unlimited"]);
    for user in ["alice", "bob", "carol", "dave"] {
        node.add_user(user);
    }
    node
}

#[test]
fn who_says_too_much_is_read_later_and_others_do_not_wait() {
    // Four seconds' worth, of which half a second's may come at once.
    let node = node("65536");
    let mut bob = Client::connect(node.address(), "bob", Some("desk"));
    let mut carol = Client::connect(node.address(), "carol", Some("garden"));
    let mut dave = Client::connect(node.address(), "dave", Some("garage"));
    let mut alice = Client::connect(node.address(), "alice", Some("phone"));
    alice.send(&messages());
    // When the first is there, most of the rest is not.
    let first = bob.element();
    assert_eq!(first.attribute("id"), Some("0"));
    for _ in 0..100 {
        carol.send("<message to='dave@localhost/garage'><body>Still there?</body></message>");
        assert_eq!(dave.element().name(), "message");
    }
    bob.round_trip();
    let waiting = bob.waiting().len();
    assert!(waiting < MESSAGES - 1, "all came before others were heard");
    for id in 1..MESSAGES {
        let element = bob.element();
        assert_eq!(element.attribute("id"), Some(&*id.to_string()));
    }
    assert_ne!(pauses(&node), 0);
}

#[test]
fn stanzas_are_counted_too() {
    let node = node("unlimited");
    node.set_cluster(&["client.stanzas-a-second=200"]);
    let mut bob = Client::connect(node.address(), "bob", Some("desk"));
    let mut alice = Client::connect(node.address(), "alice", Some("phone"));
    alice.send(&messages());
    assert_eq!(bob.element().attribute("id"), Some("0"));
    bob.round_trip();
    let waiting = bob.waiting().len();
    assert!(waiting < MESSAGES - 1, "all came at once");
    for id in 1..MESSAGES {
        assert_eq!(bob.element().attribute("id"), Some(&*id.to_string()));
    }
    assert_ne!(pauses(&node), 0);
}

#[test]
fn without_a_limit_nobody_is_made_to_wait() {
    let node = node("unlimited");
    let mut bob = Client::connect(node.address(), "bob", Some("desk"));
    let mut alice = Client::connect(node.address(), "alice", Some("phone"));
    alice.send(&messages());
    for id in 0..MESSAGES {
        assert_eq!(bob.element().attribute("id"), Some(&*id.to_string()));
    }
    assert_eq!(pauses(&node), 0);
}
