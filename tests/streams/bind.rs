//! Resources that cannot be bound (RFC 6120 sections 7.6.2.1 and 7.7.2.1): the client is told, and
//! may ask for another on the same stream (RFC 6120 section 7.7.3).

use pollux_xml::Element;

use crate::common::client::{BIND, Client};
use crate::common::node::{Plaintext, TestNode};
use crate::common::stream::xml;

/// As many as a user may have.
const SESSIONS: usize = 10;

#[track_caller]
fn asked(client: &mut Client, resource: &str) -> Element {
    client.stream.send(format!(
        "<iq type='set' id='asked'><bind xmlns='{BIND}'><resource>{resource}</resource></bind></iq>"
    ));
    client.stream.element()
}

#[track_caller]
fn refused(answer: &Element, condition: &str) {
    const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
    assert_eq!(answer.attribute("type"), Some("error"), "{}", xml(answer));
    assert_eq!(answer.attribute("id"), Some("asked"));
    let error = answer.find("jabber:client", "error").expect("an error");
    assert!(error.find(STANZAS, condition).is_some(), "{}", xml(answer));
}

#[test]
fn a_resource_that_cannot_be_one() {
    let node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    let mut alice = Client::sign_in(node.address(), "alice", None);
    let long = "x".repeat(1_024);
    for resource in [long.as_str(), "a&#x9;b", "\u{fdd0}"] {
        refused(&asked(&mut alice, resource), "bad-request");
    }
    alice.bind(Some("phone"));
    alice.round_trip();
}

#[test]
fn a_session_too_many() {
    let node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    let names = (0..SESSIONS).map(|number| format!("device-{number}"));
    let mut there: Vec<Client> = names
        .map(|name| Client::connect(node.address(), "alice", Some(&name)))
        .collect();
    let mut more = Client::sign_in(node.address(), "alice", None);
    refused(&asked(&mut more, "one-more"), "resource-constraint");
    there[0].close();
    more.bind(Some("one-more"));
    more.round_trip();
}
