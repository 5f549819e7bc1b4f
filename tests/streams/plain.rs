//! SASL PLAIN (RFC 4616): in TLS alone, where it is switched on, with the same answers for one who
//! does not exist.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_xml::Element;
use pollux_xmpp::sasl::Mechanism;

use crate::channel_binding::encrypted;
use crate::common::client::{SASL, authenticate};
use crate::common::node::{PASSWORD, Plaintext, TestNode};
use crate::common::stream::{Stream, xml};
use crate::connect;
use crate::sasl::fails_with;

fn node() -> TestNode {
    let node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    node.set_cluster(&["sign-in.plain=on"]);
    node
}

#[track_caller]
fn says(stream: &mut Stream, message: &str) -> Element {
    let message = STANDARD.encode(message);
    stream.send(format!(
        "<auth xmlns='{SASL}' mechanism='PLAIN'>{message}</auth>"
    ));
    stream.element()
}

#[track_caller]
fn attempt(node: &TestNode, message: &str) -> Element {
    says(&mut encrypted(node).0, message)
}

#[test]
fn the_password_itself_signs_in_where_it_is_switched_on() {
    let node = node();
    let (mut stream, features) = encrypted(&node);
    assert_eq!(features.mechanisms.last(), Some(&Mechanism::Plain));
    fails_with(&says(&mut stream, "\0alice\0wrong"), "not-authorized");
    let outcome = says(&mut stream, &format!("\0alice\0{PASSWORD}"));
    assert!(outcome.is(SASL, "success"), "{}", xml(&outcome));
    assert_eq!(outcome.text_content().as_str(), "", "nothing is sent along");
    stream.restart();
    stream.open();

    // The message as the answer to an empty challenge (RFC 6120 section 6.4.3).
    let (mut stream, _) = encrypted(&node);
    stream.send(format!("<auth xmlns='{SASL}' mechanism='PLAIN'/>"));
    let challenge = stream.element();
    assert!(challenge.is(SASL, "challenge"), "{}", xml(&challenge));
    let message = STANDARD.encode(format!("\0alice\0{PASSWORD}"));
    stream.send(format!("<response xmlns='{SASL}'>{message}</response>"));
    let outcome = stream.element();
    assert!(outcome.is(SASL, "success"), "{}", xml(&outcome));

    let (mut stream, _) = encrypted(&node);
    let outcome = authenticate(&mut stream, Mechanism::ScramSha256, "alice", PASSWORD);
    assert!(outcome.is(SASL, "success"), "{}", xml(&outcome));
}

#[test]
fn what_is_wrong_is_told_and_an_unknown_user_is_told_the_same() {
    let node = node();
    let wrong = attempt(&node, "\0alice\0wrong");
    fails_with(&wrong, "not-authorized");
    assert_eq!(xml(&attempt(&node, "\0mallory\0wrong")), xml(&wrong));
    let own = format!("alice@localhost\0alice\0{PASSWORD}");
    assert!(attempt(&node, &own).is(SASL, "success"));
    let other = format!("bob@localhost\0alice\0{PASSWORD}");
    fails_with(&attempt(&node, &other), "invalid-authzid");
    for message in ["alice", "\0alice", "\0alice\0", "\0alice\0a\0b"] {
        fails_with(&attempt(&node, message), "malformed-request");
    }
}

#[test]
fn it_is_refused_without_tls_and_where_nobody_has_switched_it_on() {
    let message = format!("\0alice\0{PASSWORD}");
    let node = node();
    let mut stream = connect(&node);
    stream.open();
    fails_with(&says(&mut stream, &message), "invalid-mechanism");
    node.ctl_done(&["settings", "reset", "sign-in.plain"]);
    let (mut stream, features) = encrypted(&node);
    assert!(!features.mechanisms.contains(&Mechanism::Plain));
    fails_with(&says(&mut stream, &message), "invalid-mechanism");
}

#[test]
fn who_guesses_is_locked_out() {
    let mut node = node();
    node.announce("locked out after too many failures");
    for _ in 0..10 {
        fails_with(&attempt(&node, "\0alice\0wrong"), "not-authorized");
    }
    let outcome = attempt(&node, &format!("\0alice\0{PASSWORD}"));
    fails_with(&outcome, "temporary-auth-failure");
}
