//! What one may say who has not signed in: little, and nothing but the negotiation (RFC 6120
//! sections 4.9.3.12, 4.9.3.14 and 13.12), and no more of them than there is room for.

use pollux_domain::limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::common::client::{Client, SASL};
use crate::common::deadline::wait_for;
use crate::common::node::{Plaintext, TestNode};
use crate::common::stream::{Event, Stream, xml};
use crate::{Delivery, case, connect};

#[track_caller]
fn check(node: &TestNode, said: &str, condition: &str) {
    for delivery in Delivery::EACH {
        case(&said[..said.len().min(80)], delivery);
        let mut stream = connect(node);
        stream.open();
        delivery.send(&mut stream, said.as_bytes());
        stream.ends_with(condition);
    }
}

#[test]
fn nothing_but_the_negotiation() {
    let node = TestNode::start(Plaintext::Allowed);
    check(
        &node,
        "<message to='alice@localhost'><body>Hello</body></message>",
        "not-authorized",
    );
    check(
        &node,
        "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
        "not-authorized",
    );
    check(
        &node,
        "<resume xmlns='urn:xmpp:sm:3' previd='1-0' h='0'/>",
        "not-authorized",
    );
    check(
        &node,
        "<unheard-of xmlns='urn:example:unheard-of'/>",
        "not-authorized",
    );
    check(&node, "hello", "bad-format");
    check(&node, "<!-- hello -->", "restricted-xml");
}

/// XEP-0138 and what TLS once had: an attacker's kilobyte would become a gigabyte here.
#[test]
fn nothing_is_compressed() {
    let node = TestNode::start(Plaintext::Allowed);
    let mut stream = connect(&node);
    let features = xml(&stream.open());
    assert!(!features.contains("compress"), "{features}");
    check(
        &node,
        "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>",
        "not-authorized",
    );
}

#[test]
fn at_most_eight_kibibytes() {
    let node = TestNode::start(Plaintext::Allowed);
    // One element that never ends, many small ones, and whitespace without end.
    let long = format!("<auth xmlns='{SASL}'>{}", "A".repeat(8 * 1024));
    check(&node, &long, "policy-violation");
    check(&node, &" ".repeat(8 * 1024), "policy-violation");
    check(
        &node,
        &format!("<auth xmlns='{}'/>", "n".repeat(9_000)),
        "policy-violation",
    );
}

#[test]
fn at_most_thirty_two_elements() {
    let node = TestNode::start(Plaintext::Allowed);
    let many = format!("<auth xmlns='{SASL}'>{}", "<a/>".repeat(32));
    check(&node, &many, "policy-violation");
}

/// RFC 6120 section 4.4.
#[test]
fn a_stream_may_be_closed_at_once() {
    let node = TestNode::start(Plaintext::Allowed);
    for delivery in Delivery::EACH {
        let mut stream = connect(&node);
        stream.open();
        delivery.send(&mut stream, b"</stream:stream>");
        assert_eq!(stream.next(), Event::Closed);
        assert_eq!(stream.next(), Event::Gone);
    }
}

/// RFC 6120 section 4.9.3.17: who comes to a full house is told so, and who comes when somebody has
/// left comes in.
#[test]
fn who_comes_to_a_full_house_is_told_so() {
    let node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    let mut alice = Client::connect(node.address(), "alice", Some("phone"));
    let most = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: most.maximum,
        ..most
    };
    setrlimit(Resource::Nofile, raised).expect("as many sockets as may be");
    let inside: Vec<Stream> = (0..limits::PREAUTH_CONNECTIONS_MAX)
        .map(|_| connect(&node))
        .collect();
    connect(&node).ends_with("resource-constraint");
    // Nobody else notices.
    alice.round_trip();
    drop(inside);
    wait_for("a place for one more", || {
        let mut stream = connect(&node);
        stream.send(Stream::header());
        let Event::Open(_) = stream.next() else {
            return None;
        };
        let is_in = matches!(stream.next(), Event::Element(first) if first.name() == "features");
        is_in.then_some(())
    });
}

/// Those who break off at any octet of a sign-in leave nothing behind.
#[test]
fn who_breaks_off_disturbs_nobody() {
    let node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    let mut alice = Client::connect(node.address(), "alice", Some("phone"));
    let said = format!(
        "{}<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>",
        Stream::header()
    );
    for end in 0..said.len() {
        let mut stream = connect(&node);
        stream.send(&said[..end]);
        stream.socket.cut();
    }
    alice.round_trip();
    assert!(alice.waiting().is_empty());
}
