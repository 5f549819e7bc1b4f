//! XEP-0388: sign-in without a second beginning of the stream, with the rules and words of the
//! first profile (XEP-0388 sections 2.1, 2.3, 2.5, 2.6.1 and 2.6.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_xml::Element;
use pollux_xmpp::features::Features;
use pollux_xmpp::sasl::Mechanism;

use crate::common::client::{Client, SASL};
use crate::common::node::{PASSWORD, Plaintext, TestNode};
use crate::common::sasl2::{
    SASL2, authenticate, by_password, encrypted, encrypted_as, fails_with, success,
};
use crate::common::stream::{Event, Stream, xml};
use crate::common::tls::trust;
use crate::connect;

fn node() -> TestNode {
    let node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    node
}

/// A stream under TLS by somebody who says who it is.
#[track_caller]
fn claimed(node: &TestNode, account: &str) -> Stream {
    let trust = trust(&[&node.path("data/certificate.pem")]);
    encrypted_as(node.address(), Some(account), &trust).0
}

#[track_caller]
fn says(node: &TestNode, said: &str) -> Element {
    let (mut stream, _) = encrypted(node);
    stream.send(said);
    stream.element()
}

#[test]
fn it_is_offered_under_tls_alone() {
    let node = node();
    let mut stream = connect(&node);
    let features = Features::from_element(&stream.open()).expect("features");
    assert_eq!(features.authentication, None);
    assert!(!features.mechanisms.is_empty());
    stream.send(authenticate("SCRAM-SHA-256", b"n,,n=alice,r=nonce", ""));
    fails_with(&stream.element(), "encryption-required");
    let (_, offered) = encrypted(&node);
    assert_eq!(offered.mechanisms.len(), 6);
    assert!(offered.sm);
    let features = ["urn:xmpp:carbons:2", "urn:xmpp:csi:0", "urn:xmpp:sm:3"];
    assert_eq!(offered.bind, Some(features.map(Into::into).to_vec()));
    assert_eq!(offered.tokens.len(), 3);
    node.set_cluster(&["sign-in.plain=on", "sign-in.channel-binding=off"]);
    let (_, offered) = encrypted(&node);
    let names: Vec<&str> = offered.mechanisms.iter().map(|m| m.as_str()).collect();
    let unbound = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"];
    assert_eq!(names, unbound);
    assert_eq!(offered.tokens.len(), 1, "there is nothing to bind to");
}

/// With features in place of a new stream, where a resource is bound in the old way.
#[test]
fn each_mechanism_signs_in_and_the_stream_goes_on() {
    let node = node();
    let mechanisms = Mechanism::ALL.iter().copied();
    for mechanism in mechanisms.filter(|mechanism| mechanism.hash().is_some()) {
        let mut stream = claimed(&node, "alice");
        let outcome = by_password(&mut stream, mechanism, "alice", PASSWORD, "");
        let said = success(&outcome);
        assert_eq!(said.identity.as_str(), "alice@localhost", "{mechanism}");
        assert_eq!(said.inline, [], "{mechanism}");
        let features = Features::from_element(&stream.element()).expect("features");
        assert!(features.bind && features.sm && features.authentication.is_none());
        let limits = features.limits.and_then(|limits| limits.max_bytes);
        assert_eq!(limits, Some(256 * 1024));
        let mut alice = Client::known(stream, "alice", "");
        alice.bind(Some("phone"));
        alice.round_trip();
        // Once more is once too often.
        alice.stream.send(authenticate("PLAIN", b"\0alice\0x", ""));
        alice.ends_with("unsupported-stanza-type");
    }
}

#[test]
fn the_password_itself_signs_in_where_it_is_switched_on() {
    let node = node();
    let plain = authenticate("PLAIN", format!("\0alice\0{PASSWORD}").as_bytes(), "");
    fails_with(&says(&node, &plain), "invalid-mechanism");
    node.set_cluster(&["sign-in.plain=on"]);
    let said = success(&says(&node, &plain));
    assert_eq!(said.additional, None, "nothing is sent along");
    // The message as the answer to an empty challenge.
    let (mut stream, _) = encrypted(&node);
    stream.send(format!("<authenticate xmlns='{SASL2}' mechanism='PLAIN'/>"));
    let challenge = stream.element();
    assert!(challenge.is(SASL2, "challenge"), "{}", xml(&challenge));
    assert!(challenge.text_content().is_empty());
    let message = STANDARD.encode(format!("\0alice\0{PASSWORD}"));
    stream.send(format!("<response xmlns='{SASL2}'>{message}</response>"));
    success(&stream.element());
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_told_the_same() {
    let node = node();
    let attempt = |account: &str, password: &str| {
        let (mut stream, _) = encrypted(&node);
        by_password(&mut stream, Mechanism::ScramSha256, account, password, "")
    };
    let wrong = attempt("alice", "wrong");
    fails_with(&wrong, "not-authorized");
    assert_eq!(xml(&attempt("mallory", "wrong")), xml(&wrong));
}

#[test]
fn a_failure_is_not_the_end_in_either_profile_and_three_are() {
    let node = node();
    let (mut stream, _) = encrypted(&node);
    let mechanism = Mechanism::ScramSha256;
    let wrong = by_password(&mut stream, mechanism, "alice", "wrong", "");
    fails_with(&wrong, "not-authorized");
    stream.send(format!("<abort xmlns='{SASL}'/>"));
    let aborted = stream.element();
    assert!(aborted.is(SASL, "failure"), "{}", xml(&aborted));
    let right = by_password(&mut stream, mechanism, "alice", PASSWORD, "");
    success(&right);
    let (mut stream, _) = encrypted(&node);
    for _ in 0..3 {
        let wrong = by_password(&mut stream, mechanism, "alice", "wrong", "");
        fails_with(&wrong, "not-authorized");
    }
    stream.send(authenticate("SCRAM-SHA-1", b"n,,n=alice,r=nonce", ""));
    stream.ends_with("policy-violation");
}

#[test]
fn what_is_malformed_is_told_so() {
    let node = node();
    let with = |data: &str| {
        format!(
            "<authenticate xmlns='{SASL2}' mechanism='SCRAM-SHA-1'>\
             <initial-response>{data}</initial-response></authenticate>"
        )
    };
    let scram = |message: &str| authenticate("SCRAM-SHA-1", message.as_bytes(), "");
    let long = "x".repeat(65);
    for (said, condition) in [
        (authenticate("CRAM-MD5", b"", ""), "invalid-mechanism"),
        (
            authenticate("PLAIN", b"\0alice\0x", ""),
            "invalid-mechanism",
        ),
        (authenticate("EXTERNAL", b"", ""), "invalid-mechanism"),
        (
            format!("<authenticate xmlns='{SASL2}'/>"),
            "invalid-mechanism",
        ),
        (with("not base64!"), "incorrect-encoding"),
        (with("="), "incorrect-encoding"),
        (scram("hello"), "malformed-request"),
        (scram("n,,n=alice"), "malformed-request"),
        (scram("n,a=bob,n=alice,r=nonce"), "invalid-authzid"),
        (
            authenticate(
                "SCRAM-SHA-1",
                b"n,,n=alice,r=nonce",
                &format!("<user-agent id='{long}'/>"),
            ),
            "malformed-request",
        ),
        (format!("<abort xmlns='{SASL2}'/>"), "aborted"),
        (format!("<response xmlns='{SASL2}'/>"), "malformed-request"),
    ] {
        eprintln!("{}", &said[..said.len().min(160)]);
        fails_with(&says(&node, &said), condition);
    }
}

#[test]
fn nobody_acts_as_another_nor_as_another_than_the_stream_says() {
    let node = node();
    node.add_user("bob");
    node.set_cluster(&["sign-in.plain=on"]);
    let attempt = |mut stream: Stream, authzid: &str| {
        let message = format!("{authzid}\0alice\0{PASSWORD}");
        stream.send(authenticate("PLAIN", message.as_bytes(), ""));
        stream.element()
    };
    success(&attempt(claimed(&node, "alice"), "alice@localhost"));
    success(&attempt(encrypted(&node).0, "alice@localhost"));
    for (stream, authzid) in [
        (encrypted(&node).0, "bob@localhost"),
        (claimed(&node, "alice"), "bob@localhost"),
        (claimed(&node, "bob"), "alice@localhost"),
        (claimed(&node, "alice"), "alice@localhost/desk"),
    ] {
        fails_with(&attempt(stream, authzid), "invalid-authzid");
    }
    // The same of SCRAM, before there is a challenge.
    let mut stream = claimed(&node, "bob");
    let first = b"n,a=alice@localhost,n=alice,r=nonce";
    stream.send(authenticate("SCRAM-SHA-256", first, ""));
    fails_with(&stream.element(), "invalid-authzid");
}

#[test]
fn who_comes_from_another_domain_is_not_heard() {
    let node = node();
    let mut stream = connect(&node);
    let header = Stream::header();
    stream.send(header.replace(
        "<stream:stream",
        "<stream:stream from='alice@elsewhere.example'",
    ));
    stream.ends_with("invalid-from");
}

/// Section 2.4.
#[test]
fn between_challenge_and_response_nothing_else_may_be_said() {
    let node = node();
    let again = authenticate("SCRAM-SHA-1", b"n,,n=alice,r=nonce", "");
    for said in [
        " ",
        "<message/>",
        "<presence xmlns='jabber:client'/>",
        &again,
        &format!("<response xmlns='{SASL}'/>"),
    ] {
        eprintln!("{said}");
        let (mut stream, _) = encrypted(&node);
        stream.send(&again);
        let challenge = stream.element();
        assert!(challenge.is(SASL2, "challenge"), "{}", xml(&challenge));
        stream.send(said);
        stream.ends_with("not-authorized");
    }
    let (mut stream, _) = encrypted(&node);
    stream.send(&again);
    assert!(stream.element().is(SASL2, "challenge"));
    let abort = format!("<abort xmlns='{SASL2}'><text>never mind</text></abort>");
    stream.send(abort);
    fails_with(&stream.element(), "aborted");
    stream.send("</stream:stream>");
    assert_eq!(stream.next(), Event::Closed);
}

#[test]
fn who_guesses_is_locked_out_of_both_profiles() {
    let mut node = node();
    node.announce("locked out after too many failures");
    node.set_cluster(&["sign-in.lockout-account-failures=3"]);
    let attempt = |password: &str| {
        let (mut stream, _) = encrypted(&node);
        by_password(&mut stream, Mechanism::ScramSha256, "alice", password, "")
    };
    for _ in 0..3 {
        fails_with(&attempt("wrong"), "not-authorized");
    }
    let locked = attempt(PASSWORD);
    fails_with(&locked, "temporary-auth-failure");
    assert!(xml(&locked).contains("too many failed attempts"));
    let mut stream = connect(&node);
    stream.open();
    let locked =
        crate::common::client::authenticate(&mut stream, Mechanism::ScramSha256, "alice", PASSWORD);
    crate::sasl::fails_with(&locked, "temporary-auth-failure");
}
