//! Session tickets of TLS over a takeover (RFC 7590 section 3.3): what one node of a cluster gave
//! is good at its twin, and nowhere else.

use rustls::HandshakeKind;

use super::common::client::{Answers, Client};
use super::common::stream::Stream;
use super::common::tls::trust;
use super::site::{Member, hear, pair, say};

#[test]
fn a_ticket_of_a_dead_node_is_good_at_its_twin() {
    let [mut castor, pollux, _witness] = pair();
    castor.add_user("alice");
    castor.add_user("carol");
    pollux.add_user("bob");
    let stranger = Member::first("stranger");
    let certificates = [&castor, &pollux, &stranger].map(Member::certificate);
    let [one, two, other] = &certificates;
    let known = trust(&[one, two, other]);
    let mut alice = Client::sign_in_with(castor.clients(), "alice", Some(&known));
    assert_eq!(alice.stream.socket.handshake(), Some(HandshakeKind::Full));
    alice.bind(Some("desk"));
    alice.enable(true, Answers::Always);
    alice.send("<presence/>");
    alice.round_trip();
    let direct = trust(&[one, two]);
    let carol = Client::sign_in_direct(castor.direct_tls(), "carol", &direct);
    assert_eq!(carol.stream.socket.handshake(), Some(HandshakeKind::Full));
    let mut bob = pollux.client("bob");
    castor.kill();
    pollux.wait_served(&[(1, 2), (2, 2)]);
    say(&mut bob, "alice", "m1");
    alice.resume_with(pollux.clients(), Some(&known));
    assert_eq!(
        alice.stream.socket.handshake(),
        Some(HandshakeKind::Resumed)
    );
    hear(&mut alice, "m1");
    say(&mut alice, "bob", "m2");
    hear(&mut bob, "m2");

    // So is one of the other port.
    let carol = Client::sign_in_direct(pollux.direct_tls(), "carol", &direct);
    let handshake = carol.stream.socket.handshake();
    assert_eq!(handshake, Some(HandshakeKind::Resumed));

    // A node of another cluster has the same name, and another secret.
    let mut elsewhere = Stream::connect(stranger.clients());
    elsewhere.open();
    elsewhere.encrypt_with(&known);
    elsewhere.open();
    assert_eq!(elsewhere.socket.handshake(), Some(HandshakeKind::Full));
}
