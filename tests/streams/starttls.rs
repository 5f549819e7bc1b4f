//! STARTTLS (RFC 6120 section 5): required before anything else where plaintext is refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_xml::Element;

use crate::common::client::{Client, SASL};
use crate::common::node::{Plaintext, TestNode};
use crate::common::stream::{Event, Stream, xml};
use crate::connect;

const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";

const BOUND: [&str; 3] = [
    "SCRAM-SHA-512-PLUS",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-1-PLUS",
];
const UNBOUND: [&str; 3] = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"];

fn mechanisms(features: &Element) -> Vec<String> {
    let list = features.find(SASL, "mechanisms");
    let names = list.into_iter().flat_map(Element::elements);
    names.map(|name| name.text_content().to_string()).collect()
}

#[test]
fn sign_in_under_tls() {
    let node = TestNode::start(Plaintext::Refused);
    node.add_user("alice");
    let certificate = node.path("data/certificate.pem");
    let mut alice = Client::sign_in(node.address(), "alice", Some(&certificate));
    alice.bind(Some("phone"));
    alice.round_trip();
    alice.close();
}

/// RFC 6120 sections 5.3.1, 5.3.4, 6.3.3 and 6.3.4; RFC 7590 sections 3.1 and 3.2.
#[test]
fn mechanisms_are_offered_under_tls_only() {
    let node = TestNode::start(Plaintext::Refused);
    let mut stream = connect(&node);
    let before = stream.open();
    let starttls = before.find(TLS, "starttls").expect("STARTTLS is offered");
    assert!(starttls.find(TLS, "required").is_some(), "{}", xml(&before));
    let names = before.elements().map(Element::name);
    assert_eq!(Vec::from_iter(names), ["starttls", "limits"]);
    stream.encrypt(&node.path("data/certificate.pem"));
    let after = stream.open();
    assert!(after.find(TLS, "starttls").is_none(), "{}", xml(&after));
    assert_eq!(mechanisms(&after), [BOUND, UNBOUND].concat());
}

#[test]
fn where_plaintext_is_allowed_tls_is_offered_all_the_same() {
    let node = TestNode::start(Plaintext::Allowed);
    let mut stream = connect(&node);
    let features = stream.open();
    let starttls = features.find(TLS, "starttls").expect("STARTTLS is offered");
    assert!(
        starttls.find(TLS, "required").is_none(),
        "{}",
        xml(&features)
    );
    assert_eq!(mechanisms(&features), UNBOUND);
    stream.encrypt(&node.path("data/certificate.pem"));
    assert_eq!(mechanisms(&stream.open()), [BOUND, UNBOUND].concat());
}

/// RFC 6120 section 6.5.4.
#[test]
fn nobody_signs_in_before_it() {
    let node = TestNode::start(Plaintext::Refused);
    node.add_user("alice");
    let mut stream = connect(&node);
    stream.open();
    let first = STANDARD.encode("n,,n=alice,r=nonce");
    stream.send(format!(
        "<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>{first}</auth>"
    ));
    let failure = stream.element();
    assert!(failure.is(SASL, "failure"), "{}", xml(&failure));
    assert!(
        failure.find(SASL, "encryption-required").is_some(),
        "{}",
        xml(&failure)
    );
}

/// RFC 6120 sections 5.4.2.3 and 5.4.3.3: what was said in the clear is not taken for what was said
/// under TLS.
#[test]
fn what_follows_the_request_in_the_clear_is_not_read() {
    let node = TestNode::start(Plaintext::Refused);
    node.add_user("alice");
    let certificate = node.path("data/certificate.pem");
    let mut stream = connect(&node);
    stream.open();
    let injected = STANDARD.encode("n,,n=mallory,r=nonce");
    let header = Stream::header();
    stream.send(format!(
        "<starttls xmlns='{TLS}'/>{header}<auth xmlns='{SASL}' \
         mechanism='SCRAM-SHA-1'>{injected}</auth>"
    ));
    stream.proceed(&certificate);
    // Were it read, a second header would break the stream, and a challenge would come unasked.
    stream.open();
    stream.send("</stream:stream>");
    assert_eq!(stream.next(), Event::Closed);
}

/// RFC 6120 section 5.4.2.2: not twice, and the stream is over.
#[test]
fn not_twice() {
    let node = TestNode::start(Plaintext::Refused);
    let mut stream = connect(&node);
    stream.open();
    stream.encrypt(&node.path("data/certificate.pem"));
    stream.open();
    stream.send(format!("<starttls xmlns='{TLS}'/>"));
    let failure = stream.element();
    assert!(failure.is(TLS, "failure"), "{}", xml(&failure));
    assert_eq!(stream.next(), Event::Closed);
    assert_eq!(stream.next(), Event::Gone);
}

/// RFC 6120 section 5.4.3.2.
#[test]
fn a_handshake_that_is_none_disturbs_nobody() {
    let node = TestNode::start(Plaintext::Refused);
    node.add_user("alice");
    let certificate = node.path("data/certificate.pem");
    let mut alice = Client::sign_in(node.address(), "alice", Some(&certificate));
    alice.bind(None);
    for noise in [
        &b"</stream:stream>"[..],
        b"\x16\x03\x01\xff\xff\x01",
        &[0; 64],
    ] {
        let mut stream = connect(&node);
        stream.open();
        stream.send(format!("<starttls xmlns='{TLS}'/>"));
        assert!(stream.element().is(TLS, "proceed"));
        stream.send(noise);
        stream.socket.end_sending();
        // Whatever TLS says of it, the connection ends.
        let deadline = crate::common::deadline::Deadline::new();
        while !matches!(stream.next_before(deadline), Ok(Event::Gone) | Err(_)) {}
        assert!(deadline.left().is_some(), "the connection stays open");
    }
    alice.round_trip();
}
