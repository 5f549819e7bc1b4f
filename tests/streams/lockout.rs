//! Too many failed attempts to sign in: of one account, and from one address. Nothing more is tried
//! then, also with the right password, and others notice nothing (RFC 6120 section 6.5.11).

use std::net::{IpAddr, Ipv4Addr};

use pollux_xml::Element;
use pollux_xmpp::sasl::Mechanism;

use crate::common::client::{Client, SASL, authenticate};
use crate::common::node::{PASSWORD, Plaintext, TestNode};
use crate::common::stream::{Stream, xml};
use crate::sasl::fails_with;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const AWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

fn node(account: &str, address: &str) -> TestNode {
    let mut node = TestNode::start(Plaintext::Allowed);
    node.announce("locked out after too many failures");
    node.set_cluster(&[
        &format!("sign-in.lockout-account-failures={account}"),
        &format!("sign-in.lockout-address-failures={address}"),
    ]);
    for user in ["alice", "bob"] {
        node.add_user(user);
    }
    node
}

#[track_caller]
fn attempt(node: &TestNode, from: IpAddr, user: &str, password: &str) -> Element {
    let mut stream = Stream::connect_from(from, node.address());
    stream.open();
    authenticate(&mut stream, Mechanism::ScramSha256, user, password)
}

#[track_caller]
fn succeeds(node: &TestNode, from: IpAddr, user: &str) {
    let outcome = attempt(node, from, user, PASSWORD);
    assert!(outcome.is(SASL, "success"), "{}", xml(&outcome));
}

/// Told in words, and without a challenge: there is nothing to guess with.
#[track_caller]
fn is_locked_out(node: &TestNode, from: IpAddr, user: &str) {
    let outcome = attempt(node, from, user, PASSWORD);
    fails_with(&outcome, "temporary-auth-failure");
    assert!(xml(&outcome).contains("too many failed attempts; the next counts in 5 min"));
}

fn counted(node: &TestNode) -> u64 {
    let text = node.ctl_done(&["statistics", "--json"]);
    let figures: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let count = figures["pollux_sign_ins_locked_out_total"].as_u64();
    count.expect("a number")
}

#[test]
fn an_account_is_locked_out_and_another_is_not() {
    let node = node("3", "unlimited");
    let mut bob = Client::connect(node.address(), "bob", Some("desk"));
    for user in ["alice", "mallory"] {
        for _ in 0..3 {
            let outcome = attempt(&node, HOME, user, "wrong");
            fails_with(&outcome, "not-authorized");
        }
        is_locked_out(&node, HOME, user);
        is_locked_out(&node, AWAY, user);
    }
    assert_eq!(counted(&node), 4);
    succeeds(&node, AWAY, "bob");
    bob.round_trip();
    // An administrator who knows better.
    node.set_cluster(&["sign-in.lockout-account-failures=unlimited"]);
    succeeds(&node, HOME, "alice");
}

#[test]
fn who_guesses_elsewhere_does_not_keep_the_user_out() {
    let node = node("3", "unlimited");
    succeeds(&node, HOME, "alice");
    for _ in 0..3 {
        fails_with(&attempt(&node, AWAY, "alice", "wrong"), "not-authorized");
    }
    is_locked_out(&node, AWAY, "alice");
    succeeds(&node, HOME, "alice");
}

#[test]
fn an_address_is_locked_out_and_another_is_not() {
    let node = node("unlimited", "3");
    for user in ["alice", "mallory", "trudy"] {
        fails_with(&attempt(&node, AWAY, user, "wrong"), "not-authorized");
    }
    is_locked_out(&node, AWAY, "bob");
    succeeds(&node, HOME, "bob");
    succeeds(&node, HOME, "alice");
}
