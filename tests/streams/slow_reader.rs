//! A client that does not read, while others go on saying things to it: nobody waits for it, the
//! node holds no more than its limits, and when it reads at last nothing is missing and nothing out
//! of order: each message came, or went back to who said it.

use std::collections::BTreeSet;

use crate::common::client::{Answers, Client};
use crate::common::node::{Plaintext, TestNode};
use crate::common::stream::xml;

const MESSAGES: usize = 3_000;
const BODY_BYTES: usize = 1_000;
/// Until caches and the log's tail are full, and the allocator has the pages that it keeps.
const ROUNDS_BEFORE: usize = 4;
/// In which nothing may be left behind.
const ROUNDS: usize = 40;
/// What the node may grow by in these: a snapshot, and the allocator's luck. It is a fifth of what
/// is said in them.
const GROWN_MAX_KIB: u64 = (ROUNDS * MESSAGES * BODY_BYTES / 5 / 1024) as u64;

fn body(number: usize) -> String {
    format!("{number} {}", "x".repeat(BODY_BYTES))
}

/// Takes what comes until every message came or was refused; the numbers of those that came.
fn read_all(reader: &mut Client, refused: &BTreeSet<usize>) -> Vec<usize> {
    let mut came = Vec::new();
    while came.len() + refused.len() < MESSAGES {
        let element = reader.element();
        if element.name() == "message" {
            let body = element
                .find("jabber:client", "body")
                .expect("a body")
                .text_content();
            let (number, _) = body.split_once(' ').expect("a number first");
            came.push(number.parse().expect("a number"));
        }
    }
    came
}

/// What a writer is told went back, once all that it said is done.
fn refusals(writer: &mut Client) -> BTreeSet<usize> {
    writer.round_trip();
    let mut refused = BTreeSet::new();
    while !writer.waiting().is_empty() {
        let element = writer.element();
        assert_eq!(
            element.attribute("type"),
            Some("error"),
            "{}",
            xml(&element)
        );
        let id = element.attribute("id").expect("the message's id");
        assert!(
            refused.insert(id.parse().expect("a number")),
            "{id} was refused twice"
        );
    }
    refused
}

/// Says all messages to bob, and between them carol and dave talk without waiting.
fn say_everything(node: &TestNode) -> (Client, BTreeSet<usize>) {
    let mut writer = Client::connect(node.address(), "alice", Some("phone"));
    let mut carol = Client::connect(node.address(), "carol", Some("garden"));
    let mut dave = Client::connect(node.address(), "dave", Some("garage"));
    let mut refused = BTreeSet::new();
    for number in 0..MESSAGES {
        writer.send(&format!(
            "<message to='bob@localhost/desk' type='chat' id='{number}'><body>{}</body></message>",
            body(number)
        ));
        if number % 100 == 99 {
            carol.send("<message to='dave@localhost/garage'><body>Still there?</body></message>");
            assert_eq!(dave.element().name(), "message");
            refused.extend(refusals(&mut writer));
        }
    }
    refused.extend(refusals(&mut writer));
    (writer, refused)
}

#[track_caller]
fn check_all(came: &[usize], refused: &BTreeSet<usize>) {
    let in_order = came.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(in_order, "in the order in which they were said: {came:?}");
    assert!(
        came.iter().all(|number| !refused.contains(number)),
        "none came and went back"
    );
    assert_eq!(came.len() + refused.len(), MESSAGES);
    // What was said first had room.
    assert!(came.len() >= 500, "only {} came", came.len());
}

fn node_with_users(settings: &str) -> TestNode {
    let mut node = TestNode::prepare(Plaintext::Allowed);
    node.set(settings);
    node.begin();
    for user in ["alice", "bob", "carol", "dave"] {
        node.add_user(user);
    }
    node
}

/// One client that does not read, until it does and has everything.
#[track_caller]
fn round(node: &TestNode, management: bool) {
    let mut reader = Client::connect(node.address(), "bob", Some("desk"));
    if management {
        reader.enable(true, Answers::Always);
    }
    reader.send("<presence/>");
    reader.round_trip();
    let (mut writer, refused) = say_everything(node);
    let came = read_all(&mut reader, &refused);
    check_all(&came, &refused);
    reader.answer();
    reader.round_trip();
    assert!(
        reader
            .waiting()
            .iter()
            .all(|element| element.name() != "message"),
        "twice"
    );
    assert!(refusals(&mut writer).is_empty());
}

#[track_caller]
fn check(management: bool) {
    let node = node_with_users("");
    for _ in 0..ROUNDS_BEFORE {
        round(&node, management);
    }
    let before = node.memory_kib();
    for _ in 0..ROUNDS {
        round(&node, management);
    }
    let after = node.memory_kib();
    let grown = after.saturating_sub(before);
    assert!(
        grown < GROWN_MAX_KIB,
        "{before} KiB before, {after} KiB after {ROUNDS} rounds"
    );
}

/// The same where messages are written before their commit.
#[test]
fn that_is_written_to_early() {
    let node = node_with_users("[delivery]\ndeliver = \"early\"");
    for management in [false, true] {
        for _ in 0..ROUNDS_BEFORE {
            round(&node, management);
        }
    }
}

#[test]
fn without_stream_management() {
    check(false);
}

#[test]
fn under_stream_management() {
    check(true);
}
