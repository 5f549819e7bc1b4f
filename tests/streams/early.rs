//! `deliver = early`: a message is with its receiver before it is committed, and nothing is lost
//! for that. `slow_reader` has those who do not read.

use crate::common::client::{Answers, Client};
use crate::common::node::{Plaintext, TestNode};

fn node() -> TestNode {
    let mut node = TestNode::prepare(Plaintext::Allowed);
    node.set("[delivery]\ndeliver = \"early\"");
    node.begin();
    for user in ["alice", "bob"] {
        node.add_user(user);
    }
    node
}

fn available(node: &TestNode, user: &str) -> Client {
    let mut client = Client::connect(node.address(), user, Some("desk"));
    client.send("<presence/>");
    client.round_trip();
    client
}

fn say(client: &mut Client, number: usize, body: &str) {
    client.send(&format!(
        "<message to='bob@localhost/desk' type='chat' id='{number}'><body>{body}</body></message>"
    ));
}

/// The number of the next message.
#[track_caller]
fn next(client: &mut Client) -> usize {
    loop {
        let element = client.element();
        if element.name() == "message" {
            assert_eq!(element.attribute("type"), Some("chat"));
            return element
                .attribute("id")
                .and_then(|id| id.parse().ok())
                .expect("a number");
        }
    }
}

/// The index up to which the subcluster's group has applied.
fn applied(node: &TestNode) -> u64 {
    let status = node.ctl_done(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let groups = status["groups"].as_array().expect("groups");
    let subcluster = groups.iter().find(|group| group["group"] == "subcluster");
    let subcluster = subcluster.unwrap_or_else(|| panic!("no subcluster: {status:#}"));
    subcluster["applied_index"].as_u64().expect("an index")
}

#[test]
fn between_clients_without_stream_management_nothing_is_logged() {
    let node = node();
    let (mut alice, mut bob) = (available(&node, "alice"), available(&node, "bob"));
    let before = applied(&node);
    // Each would be an entry of its own, and what was written another.
    for number in 0..40 {
        say(&mut alice, number, "hello");
        assert_eq!(next(&mut bob), number);
    }
    let after = applied(&node);
    assert!(
        after < before + 10,
        "{before} entries before, {after} after"
    );
}

/// Enough that the kernel does not hold it for a reader that does not read.
const MANY: usize = 900;
const LONG: usize = 20_000;

#[test]
fn what_no_socket_took_comes_with_the_next_session() {
    let node = node();
    let (mut alice, bob) = (available(&node, "alice"), available(&node, "bob"));
    let body = "x".repeat(LONG);
    for number in 0..MANY {
        say(&mut alice, number, &body);
    }
    alice.round_trip();
    drop(bob);
    let mut bob = available(&node, "bob");
    say(&mut alice, MANY, "the last");
    // What the first session's socket had taken counts as served (design, section 5, "Edges").
    let first = next(&mut bob);
    assert!(first < MANY, "nothing was left");
    for number in first + 1..=MANY {
        assert_eq!(next(&mut bob), number);
    }
    alice.round_trip();
    let went_back = |waiting: &pollux_xml::Element| waiting.name() == "message";
    assert!(
        !alice.waiting().iter().any(went_back),
        "{:?}",
        alice.waiting()
    );
}

#[test]
fn under_stream_management_counts_are_right_and_nothing_comes_again() {
    let node = node();
    let mut alice = Client::connect(node.address(), "alice", Some("desk"));
    alice.enable(true, Answers::Always);
    let mut bob = Client::connect(node.address(), "bob", Some("desk"));
    bob.enable(true, Answers::Always);
    bob.send("<presence/>");
    bob.round_trip();
    for round in 0..20 {
        for number in round * 50..round * 50 + 50 {
            say(&mut alice, number, "hello");
        }
        // Half of it is on its way when the connection goes.
        for number in round * 50..round * 50 + 25 {
            assert_eq!(next(&mut bob), number);
        }
        bob.resume(node.address());
        for number in round * 50 + 25..round * 50 + 50 {
            assert_eq!(next(&mut bob), number);
        }
        alice.all_acknowledged();
    }
    bob.answer();
    bob.round_trip();
    let again = bob
        .waiting()
        .iter()
        .any(|waiting| waiting.name() == "message");
    assert!(!again, "twice");
}
