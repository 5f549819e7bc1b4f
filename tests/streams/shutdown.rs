//! A node that is told to stop says so on every stream (RFC 6120 section 4.9.3.20) and is gone
//! soon, whether its clients read or not. What becomes of their sessions: see the plays and the
//! pairs.

use std::io::{Read, Write};

use crate::common::client::{Answers, Client, SASL};
use crate::common::node::{Plaintext, TestNode};
use crate::common::stream::Stream;
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

/// However far it has come: who has said nothing, who has begun a stream, who is encrypted, who is
/// about to prove who it is, and who has and binds no resource. To one in the middle of a handshake
/// nothing can be said.
#[test]
fn a_stream_without_a_session_ends_with_the_reason_too() {
    let mut node = node();
    let certificate = node.path("data/certificate.pem");
    let silent = Stream::connect(node.address());
    let mut begun = Stream::connect(node.address());
    begun.open();
    let mut encrypted = Stream::connect(node.address());
    encrypted.open();
    encrypted.encrypt(&certificate);
    encrypted.open();
    let mut proving = Stream::connect_direct(node.direct_tls_address(), &trust(&[&certificate]));
    proving.open();
    proving.send(format!(
        "<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>biwsbj1hbGljZSxyPWFiYw==</auth>"
    ));
    let challenge = proving.element();
    assert!(challenge.is(SASL, "challenge"), "{challenge:?}");
    let known = Client::sign_in(node.address(), "alice", Some(&certificate));
    let mut shaking = Tcp::connect(node.direct_tls_address()).expect("a connection");
    // The head of a record of TLS, whose rest does not come.
    shaking.write_all(&[22, 3, 1, 2, 0]).expect("a few octets");
    let status = node.stop();
    assert!(status.success(), "{status}");
    for mut stream in [silent, begun, encrypted, proving, known.stream] {
        stream.ends_with("system-shutdown");
    }
    let mut said = Vec::new();
    let _reset = shaking.read_to_end(&mut said);
    assert!(said.is_empty(), "{said:?}");
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
