//! A node that is told to stop says so on every stream (RFC 6120 section 4.9.3.20) and is gone
//! soon, whether its clients read or not. What becomes of their sessions: see the plays and the
//! pairs.

use crate::common::client::{Answers, Client};
use crate::common::node::{Plaintext, TestNode};
use crate::common::tls::{Tcp, trust};

/// More than sockets and the node's own queue take of what is not read.
const MESSAGES: usize = 3_000;

fn node() -> TestNode {
    let node = TestNode::start(Plaintext::Allowed);
    for user in ["alice", "bob", "carol"] {
        node.add_user(user);
    }
    node
}

#[test]
fn each_stream_ends_with_the_reason() {
    let mut node = node();
    let certificate = node.path("data/certificate.pem");
    let mut managed = Client::connect(node.address(), "alice", Some("phone"));
    managed.enable(true, Answers::Always);
    let mut plain = Client::connect(node.address(), "bob", Some("desk"));
    let mut encrypted = Client::sign_in(node.address(), "carol", Some(&certificate));
    encrypted.bind(Some("garden"));
    let trust = trust(&[&certificate]);
    let mut direct = Client::sign_in_direct(node.direct_tls_address(), "carol", &trust);
    direct.bind(Some("attic"));
    let status = node.stop();
    assert!(status.success(), "{status}");
    for client in [&mut managed, &mut plain, &mut encrypted, &mut direct] {
        client.ends_with("system-shutdown");
    }
    for address in [node.address(), node.direct_tls_address()] {
        assert!(Tcp::connect(address).is_err(), "nobody new comes in");
    }
}

/// `stop` waits for the process for less long than a client may stand.
#[test]
fn a_client_that_does_not_read_holds_nobody_up() {
    let mut node = node();
    let mut reader = Client::connect(node.address(), "bob", Some("desk"));
    reader.send("<presence/>");
    reader.round_trip();
    let mut alice = Client::connect(node.address(), "alice", Some("phone"));
    let body = "x".repeat(1_000);
    for number in 0..MESSAGES {
        alice.send(&format!(
            "<message to='bob@localhost/desk' id='{number}'><body>{body}</body></message>"
        ));
        if number % 100 == 99 {
            alice.round_trip();
        }
    }
    let mut carol = Client::connect(node.address(), "carol", Some("garden"));
    let status = node.stop();
    assert!(status.success(), "{status}");
    carol.ends_with("system-shutdown");
}
