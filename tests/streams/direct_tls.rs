//! The port on which a stream begins with TLS (XEP-0368): who is let in, what is offered there, and
//! what becomes of those who say something else.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, HandshakeKind};

use crate::common::client::{Answers, Client, SASL};
use crate::common::deadline::{Deadline, wait_for};
use crate::common::node::{DOMAIN, Plaintext, TestNode};
use crate::common::stream::{Event, Stream, xml};
use crate::common::tls::{trust, trust_and_ask};

const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// What clients ask for (XEP-0368 section 3).
const OURS: &str = "xmpp-client";

fn certificate(node: &TestNode) -> std::path::PathBuf {
    node.path("data/certificate.pem")
}

#[test]
fn a_session_without_starttls() {
    let mut node = TestNode::start(Plaintext::Refused);
    node.add_user("alice");
    let known = trust_and_ask(&certificate(&node), &[OURS]);
    let mut stream = Stream::connect_direct(node.direct_tls_address(), &known);
    let features = stream.open();
    assert_eq!(stream.socket.protocol(), Some(OURS.as_bytes()));
    assert!(features.find(TLS, "starttls").is_none(), "{features:?}");
    assert!(features.find(SASL, "mechanisms").is_some(), "{features:?}");
    let mut alice = Client::sign_in_direct(node.direct_tls_address(), "alice", &known);
    alice.bind(Some("phone"));
    alice.enable(true, Answers::Always);
    alice.round_trip();
    // The ticket is good at the other port, and the session with it.
    node.kill();
    node.begin();
    alice.resume_with(node.address(), Some(&known));
    alice.round_trip();
    alice.close();
}

/// XEP-0368 section 3: not over TLS.
#[test]
fn starttls_is_refused() {
    let node = TestNode::start(Plaintext::Refused);
    let known = trust(&[&certificate(&node)]);
    let mut stream = Stream::connect_direct(node.direct_tls_address(), &known);
    stream.open();
    stream.send(format!("<starttls xmlns='{TLS}'/>"));
    let failure = stream.element();
    assert!(failure.is(TLS, "failure"), "{}", xml(&failure));
    assert_eq!(stream.next(), Event::Closed);
    assert_eq!(stream.next(), Event::Gone);
}

/// RFC 7301 section 3.2.
#[test]
fn who_asks_for_other_protocols_only_is_refused() {
    let node = TestNode::start(Plaintext::Refused);
    let certificate = certificate(&node);
    let open = |protocols: &[&str]| {
        let known = trust_and_ask(&certificate, protocols);
        let mut stream = Stream::connect_direct(node.direct_tls_address(), &known);
        let said = stream.socket.write_all(Stream::header().as_bytes());
        let event = said.and_then(|()| stream.next_before(Deadline::new()));
        let agreed = stream.socket.protocol().map(<[u8]>::to_vec);
        (event.map(|event| matches!(event, Event::Open(_))), agreed)
    };
    for (protocols, agreed) in [
        (&[][..], None),
        (&[OURS], Some(OURS.as_bytes().to_vec())),
        (&["h2", OURS], Some(OURS.as_bytes().to_vec())),
    ] {
        let (opened, got) = open(protocols);
        assert!(opened.is_ok_and(|opened| opened), "{protocols:?}");
        assert_eq!(got, agreed, "{protocols:?}");
    }
    for protocols in [&["h2"][..], &["xmpp-server", "http/1.1"], &["XMPP-client"]] {
        let (opened, _) = open(protocols);
        let error = opened.expect_err("nobody is served who does not want it");
        let error = error.to_string();
        assert!(error.contains("NoApplicationProtocol"), "{error}");
    }
    // By STARTTLS nobody is asked: what a client wants there is settled already.
    let mut stream = Stream::connect(node.address());
    stream.open();
    stream.encrypt_with(&trust_and_ask(&certificate, &["h2"]));
    stream.open();
}

/// A TLS of other make, with what it says.
#[track_caller]
fn openssl(node: &TestNode, protocol: &str) -> Output {
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-verify_return_error", "-alpn"])
        .args([protocol, "-servername", DOMAIN, "-CAfile"])
        .arg(certificate(node))
        .args(["-connect", &node.direct_tls_address().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    let mut stdin = client.stdin.take().expect("it is piped");
    let said = format!("{}</stream:stream>", Stream::header());
    // One that was refused reads nothing.
    let _refused = stdin.write_all(said.as_bytes());
    let output = client.wait_with_output().expect("openssl ends");
    drop(stdin);
    output
}

#[test]
fn a_tls_of_other_make() {
    let node = TestNode::start(Plaintext::Refused);
    let taken = openssl(&node, OURS);
    let out = String::from_utf8_lossy(&taken.stdout).into_owned();
    assert!(out.contains("SCRAM-SHA-256"), "{taken:?}");
    assert!(out.ends_with("</stream:stream>"), "{taken:?}");
    let refused = openssl(&node, "h2");
    let err = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(err.contains("no application protocol"), "{refused:?}");
    assert!(!refused.status.success(), "{refused:?}");
}

/// What a client would say first, in octets.
fn client_hello(node: &TestNode) -> Vec<u8> {
    let name = ServerName::try_from(DOMAIN).expect("a name");
    let known = trust_and_ask(&certificate(node), &[OURS]);
    let mut client = ClientConnection::new(known, name).expect("a TLS client");
    let mut hello = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut hello).expect("memory takes octets");
    }
    hello
}

/// Octets from a seed, some behind the head of a record so that they are looked at.
fn noise(seed: u64, hello: &[u8]) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    match seed % 4 {
        0 => (0..next() % 2_000).map(|_| next() as u8).collect(),
        1 => {
            let mut octets = vec![0x16, 0x03, next() as u8 % 5, next() as u8, next() as u8];
            octets.extend((0..next() % 2_000).map(|_| next() as u8));
            octets
        }
        2 => hello[..next() as usize % hello.len()].to_vec(),
        _ => {
            let mut octets = hello.to_vec();
            for _ in 0..1 + next() % 8 {
                let at = next() as usize % octets.len();
                octets[at] ^= next() as u8 | 1;
            }
            octets
        }
    }
}

fn strangers(node: &TestNode) -> u64 {
    let text = node.ctl_done(&["statistics", "--json"]);
    let figures: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let figure = &figures["pollux_preauth_connections"];
    figure.as_u64().expect("it is counted")
}

#[test]
fn noise_instead_of_a_handshake_disturbs_nobody() {
    let node = TestNode::start(Plaintext::Refused);
    node.add_user("alice");
    let known = trust(&[&certificate(&node)]);
    let mut alice = Client::sign_in_direct(node.direct_tls_address(), "alice", &known);
    alice.bind(None);
    // A stranger from the first octet on, as at the other port.
    let silent = Stream::connect(node.direct_tls_address());
    wait_for("the stranger to be counted", || {
        (strangers(&node) == 1).then_some(())
    });
    let hello = client_hello(&node);
    let said = [
        Stream::header().into_bytes(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ];
    let noises = (0..400).map(|seed| noise(seed, &hello));
    for (number, octets) in said.into_iter().chain(noises).enumerate() {
        let mut stream = Stream::connect(node.direct_tls_address());
        stream.send(&octets);
        stream.socket.end_sending();
        // Whatever TLS says of it, the connection ends.
        let deadline = Deadline::new();
        while !matches!(stream.next_before(deadline), Ok(Event::Gone) | Err(_)) {}
        assert!(deadline.left().is_some(), "noise {number} stays");
    }
    drop(silent);
    wait_for("all strangers to be gone", || {
        (strangers(&node) == 0).then_some(())
    });
    alice.round_trip();
}

fn listeners(node: &TestNode) -> Vec<(String, String)> {
    let text = node.ctl_done(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let rows = status["listeners"].as_array().expect("a list");
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().expect("a text").to_owned();
    let rows = rows.iter();
    rows.map(|row| (text(row, "protocol"), text(row, "address")))
        .collect()
}

/// Who is at either port is told, and both ports are there again.
#[test]
fn both_ports_stop_and_start() {
    let mut node = TestNode::start(Plaintext::Refused);
    for name in ["alice", "bob"] {
        node.add_user(name);
    }
    let known = trust(&[&certificate(&node)]);
    let mut clients = [
        Client::sign_in_direct(node.direct_tls_address(), "alice", &known),
        Client::sign_in_with(node.address(), "bob", Some(&known)),
    ];
    for client in &mut clients {
        client.bind(None);
        client.round_trip();
    }
    let ports = |node: &TestNode| {
        vec![
            ("xmpp".to_owned(), node.address().to_string()),
            ("xmpps".to_owned(), node.direct_tls_address().to_string()),
        ]
    };
    assert_eq!(listeners(&node), ports(&node));
    assert!(node.stop().success());
    for client in &mut clients {
        client.ends_with("system-shutdown");
    }
    node.begin();
    assert_eq!(listeners(&node), ports(&node));
    let again = Client::sign_in_direct(node.direct_tls_address(), "alice", &known);
    // The node is alone: its tickets went with its process.
    let handshake = again.stream.socket.handshake();
    assert_eq!(handshake, Some(HandshakeKind::Full));
}

fn change_port(node: &TestNode, port: &str) {
    let settings = std::fs::read_to_string(node.settings()).expect("settings");
    let line = "direct_tls_listen = \"127.0.0.1:0\"";
    assert!(settings.contains(line), "{settings}");
    let changed = settings.replace(line, &format!("direct_tls_listen = \"{port}\""));
    std::fs::write(node.settings(), changed).expect("settings can be written");
}

#[test]
#[expect(clippy::disallowed_types, reason = "somebody else's port")]
fn a_port_that_cannot_be_had_is_named_and_one_that_is_off_is_not_opened() {
    let mut node = TestNode::prepare(Plaintext::Refused);
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let taken = taken.local_addr().map(|address| (address, taken));
    let (address, _taken) = taken.expect("it is bound");
    change_port(&node, &address.to_string());
    node.announce("failed to run the node");
    node.launch(&[]);
    assert_eq!(node.wait().code(), Some(69));
    let named = format!("failed to listen on {address} (xmpp.direct_tls_listen): ");
    assert!(node.log().contains(&named), "{}", node.log());
    assert!(
        !node.log().contains("client port is open"),
        "{}",
        node.log()
    );

    let mut node = TestNode::prepare(Plaintext::Refused);
    change_port(&node, "off");
    node.launch(&[]);
    wait_for("the node", || {
        (node.ctl(&["status"]).code == Some(0)).then_some(())
    });
    wait_for("its port", || (listeners(&node).len() == 1).then_some(()));
    assert_eq!(listeners(&node)[0].0, "xmpp");
    assert!(node.stop().success());
}
