//! Links and visits under mutual TLS.

use std::sync::Arc;

use super::common::raw::Raw;
use super::common::{Ca, Node, TOPIC, build, identity, loopback, pair, run, until};
use bytes::Bytes;
use pollux_domain::ids::NodeId;
use pollux_links::PeerAddress;
use pollux_links::net::{Net, Socket, SystemNet};
use pollux_links::peers::{Lane, Peers};
use pollux_links::refusal::Reason;
use pollux_links::security::Security;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::LocalSet;

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);

#[test]
fn two_nodes_of_one_authority_talk() {
    run(async {
        let ca = Ca::make();
        let (one, two) = pair(|node| ca.security(node)).await;
        for lane in Lane::ALL {
            let body = Bytes::from(vec![b'x'; 60_000]);
            let answer = one.links.ask(TWO, lane, TOPIC, body.clone()).await.unwrap();
            assert_eq!(answer.len(), body.len() + 4);
            let answer = two
                .links
                .ask(ONE, lane, TOPIC, Bytes::from_static(b"a"))
                .await;
            assert_eq!(answer, Ok(Bytes::from_static(b"re: a")));
        }
    });
}

/// Starts a node whose lanes run on two threads, for good.
fn on_two_threads(
    node: u16,
    security: Security,
) -> (pollux_links::links::Links, std::net::SocketAddr) {
    let (links, _, _) = build(identity(node), security);
    let (found, address) = std::sync::mpsc::sync_channel(1);
    let (control, bulk) = (links.clone(), links.clone());
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    std::thread::spawn(move || LocalSet::new().block_on(&runtime(), control.run_control()));
    std::thread::spawn(move || {
        LocalSet::new().block_on(&runtime(), async move {
            let listener = SystemNet.listen(loopback()).await.unwrap();
            found.send(listener.local_address().unwrap()).unwrap();
            bulk.run_bulk(listener).await;
        })
    });
    (links, address.recv().unwrap())
}

#[test]
fn lanes_live_on_threads_of_their_own() {
    let ca = Ca::make();
    let (one, one_address) = on_two_threads(1, ca.security(1));
    let (two, two_address) = on_two_threads(2, ca.security(2));
    let topology = |node: u16, address: std::net::SocketAddr| PeerAddress {
        node: NodeId(node),
        incarnation: None,
        address: address.to_string(),
    };
    for links in [&one, &two] {
        links.set_peers(vec![topology(1, one_address), topology(2, two_address)]);
    }
    run(async move {
        for lane in Lane::ALL {
            until(|| one.is_connected(TWO, lane) && two.is_connected(ONE, lane)).await;
            let answer = one.ask(TWO, lane, TOPIC, Bytes::from_static(b"a")).await;
            assert_eq!(answer, Ok(Bytes::from_static(b"re: a")));
            let answer = two.ask(ONE, lane, TOPIC, Bytes::from_static(b"b")).await;
            assert_eq!(answer, Ok(Bytes::from_static(b"re: b")));
        }
    });
}

async fn two_nodes(one: Security, two: Security) -> (Node, Node) {
    let one = Node::with(identity(1), one, loopback()).await;
    let two = Node::with(identity(2), two, loopback()).await;
    one.knows(&[(2, two.address)]);
    two.knows(&[(1, one.address)]);
    (one, two)
}

#[test]
fn another_authority_is_not_accepted() {
    run(async {
        let (one, two) = two_nodes(Ca::make().security(1), Ca::make().security(2)).await;
        one.refused(2, Reason::Certificate).await;
        assert!(!two.links.is_connected(ONE, Lane::Bulk));
    });
}

#[test]
fn the_certificate_of_another_node_is_refused_on_both_sides() {
    run(async {
        let ca = Ca::make();
        // Node 1 shows the certificate of node 3.
        let (one, two) = two_nodes(ca.security(3), ca.security(2)).await;
        one.refused(2, Reason::WrongCertificateName).await;
        two.refused(1, Reason::WrongCertificateName).await;
        // Node 2 shows the certificate of node 3.
        let (one, _two) = two_nodes(ca.security(1), ca.security(3)).await;
        one.refused(2, Reason::WrongCertificateName).await;
    });
}

#[test]
fn without_a_certificate_nobody_says_hello() {
    run(async {
        let ca = Ca::make();
        let node = Node::with(identity(2), ca.security(2), loopback()).await;
        let mut raw = Raw::connect(node.address).await;
        raw.write(b"\x01\x01 and no TLS at all").await;
        raw.socket.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _cut = raw.socket.read_to_end(&mut rest).await;
        assert!(rest.len() < 17, "an alert at most, no frame: {rest:?}");
    });
}

// === visits ===

async fn visit_both_ways(one: &Node, two: &Node) {
    let header = Bytes::from_static(b"for alice");
    let mut here = one.links.visit(TWO, header.clone()).await.unwrap();
    until(|| !two.guests.0.lock().unwrap().is_empty()).await;
    let (from, heard, travelling) = two.guests.0.lock().unwrap().remove(0);
    assert_eq!((from, heard), (ONE, header));
    assert_eq!(two.links.visit_count(), 1);
    let mut there: Box<dyn Socket> = travelling.arrive().unwrap();

    here.write_all(b"ping").await.unwrap();
    here.flush().await.unwrap();
    let mut four = [0; 4];
    there.read_exact(&mut four).await.unwrap();
    assert_eq!(&four, b"ping");
    // One half closes; the other goes on.
    here.shutdown().await.unwrap();
    assert_eq!(there.read(&mut four).await.unwrap(), 0);
    let long = Arc::new(vec![7; 1_000_000]);
    let sent = long.clone();
    let writing = tokio::task::spawn_local(async move {
        there.write_all(&sent).await.unwrap();
        there.shutdown().await.unwrap();
    });
    let mut heard = Vec::new();
    here.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, *long);
    writing.await.unwrap();
    until(|| two.links.visit_count() == 0).await;
}

#[test]
fn a_visit_passes_bytes_both_ways_and_closes_by_halves() {
    run(async {
        let (one, two) = pair(|_| Security::Plain).await;
        visit_both_ways(&one, &two).await;
    });
}

#[test]
fn visits_are_encrypted_and_may_go_against_the_ids() {
    run(async {
        let ca = Ca::make();
        let (one, two) = pair(|node| ca.security(node)).await;
        for _ in 0..3 {
            visit_both_ways(&one, &two).await;
        }
        let _back = two.links.visit(ONE, Bytes::new()).await.unwrap();
        until(|| one.guests.0.lock().unwrap().len() == 1).await;
    });
}

#[test]
fn a_visit_to_where_one_may_not_go_says_why() {
    run(async {
        let (one, two) = pair(|_| Security::Plain).await;
        let nobody = one
            .links
            .visit(NodeId(7), Bytes::new())
            .await
            .err()
            .unwrap();
        assert_eq!(nobody.kind(), std::io::ErrorKind::NotFound);
        let long = Bytes::from(vec![0; 64 * 1024 + 1]);
        let refused = one.links.visit(TWO, long).await.err().unwrap();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
        two.knows(&[]);
        let refused = one.links.visit(TWO, Bytes::new()).await.err().unwrap();
        let refusal = refused
            .get_ref()
            .and_then(|cause| cause.downcast_ref::<pollux_links::refusal::Refusal>());
        assert_eq!(refusal.unwrap().reason, Reason::UnknownNode);
    });
}

#[test]
fn a_visit_breaks_when_its_node_is_removed() {
    run(async {
        let (one, two) = pair(|_| Security::Plain).await;
        let mut here = one.links.visit(TWO, Bytes::new()).await.unwrap();
        until(|| two.guests.0.lock().unwrap().len() == 1).await;
        let (_, _, travelling) = two.guests.0.lock().unwrap().remove(0);
        let mut there = travelling.arrive().unwrap();
        two.knows(&[]);
        let broken = there.write_all(b"x").await.unwrap_err();
        assert_eq!(broken.kind(), std::io::ErrorKind::ConnectionReset);
        drop(there);
        assert_eq!(here.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(two.links.visit_count(), 0);
    });
}
