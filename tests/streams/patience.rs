//! Connections that never become sessions end after their time, thirty seconds (RFC 6120 section
//! 4.9.3.4); nobody else waits.

use std::time::Duration;

use crate::common::client::{Client, SASL};
use crate::common::deadline::Deadline;
use crate::common::node::{Plaintext, TestNode};
use crate::common::stream::{Event, Stream, shown, stream_condition};
use crate::connect;

/// Twice the time, so that a loaded machine makes no difference.
const PATIENCE: Duration = Duration::from_secs(60);

#[track_caller]
fn ends_in_time(stream: &mut Stream, deadline: Deadline) {
    loop {
        match stream
            .next_before(deadline)
            .expect("the stream ends in time")
        {
            Event::Element(error) if error.name() == "error" => {
                assert_eq!(stream_condition(&error), "connection-timeout");
                return;
            }
            Event::Element(_) | Event::Open(_) => {}
            other => panic!("waited for the error: {}", shown(&other)),
        }
    }
}

/// Half-open in each phase at once: the test takes the time of one.
#[test]
fn half_open_streams_end() {
    let node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    let mut silent = connect(&node);
    let mut cut_short = connect(&node);
    cut_short.send("<?xml version='1.0'?><stream:stream to='local");
    let mut undecided = connect(&node);
    undecided.open();
    let mut challenged = connect(&node);
    challenged.open();
    challenged.send(format!(
        "<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>biwsbj1hbGljZSxyPW5vbmNl</auth>"
    ));
    let mut handshake = Stream::connect(node.direct_tls_address());
    let mut half_handshake = Stream::connect(node.direct_tls_address());
    // A record of 512 octets, as a ClientHello is, of which only the head comes.
    half_handshake.send(b"\x16\x03\x01\x02\x00\x01");
    let mut unbound = Client::sign_in(node.address(), "alice", None);

    let deadline = Deadline::after(PATIENCE);
    for stream in [&mut silent, &mut cut_short, &mut undecided, &mut challenged] {
        ends_in_time(stream, deadline);
    }
    ends_in_time(&mut unbound.stream, deadline);
    // Who has not shaken hands understands no word of XMPP.
    for stream in [&mut handshake, &mut half_handshake] {
        let end = stream.next_before(deadline);
        assert_eq!(end.expect("the stream ends in time"), Event::Gone);
    }
    // A session stays for as long as it likes, and the door is open.
    let mut alice = Client::connect(node.address(), "alice", None);
    alice.round_trip();
}
