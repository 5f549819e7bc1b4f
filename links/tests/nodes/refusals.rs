//! Who is refused, with which reason, on both sides.

use std::net::SocketAddr;

use super::common::raw::{
    Raw, for_node, hello, of_cluster, of_format, of_incarnation, of_node, refusal_of,
};
use super::common::{CLUSTER, Node, TOPIC, identity, loopback, pair, run, until};
use bytes::Bytes;
use pollux_domain::ids::{ClusterId, Incarnation, NodeId};
use pollux_links::PeerAddress;
use pollux_links::frame::{Frame, Kind};
use pollux_links::hello::Identity;
use pollux_links::peers::{Lane, Peers};
use pollux_links::refusal::{Reason, Refusal};
use pollux_links::security::Security;

/// Node 9, which knows nodes 1 and 2 at an address where nobody is.
async fn nine() -> Node {
    let node = Node::start(9).await;
    node.knows(&[(1, nowhere()), (2, nowhere())]);
    node
}

fn nowhere() -> SocketAddr {
    ([127, 0, 0, 1], 1).into()
}

#[test]
fn each_wrong_hello_hears_its_reason() {
    run(async {
        let node = nine().await;
        node.links.set_peers(vec![PeerAddress {
            node: NodeId(1),
            incarnation: Some(Incarnation(3)),
            address: nowhere().to_string(),
        }]);
        let right = of_incarnation(hello(1, 1, Lane::Control), 3);
        for (wrong, reason) in [
            (of_cluster(right.clone(), 0xee), Reason::WrongCluster),
            (of_node(right.clone(), 4), Reason::UnknownNode),
            (for_node(right.clone(), 8), Reason::OtherNode),
            (of_node(right.clone(), 9), Reason::OwnId),
            (of_format(right.clone(), 2), Reason::Format),
            (of_incarnation(right.clone(), 2), Reason::OldIncarnation),
        ] {
            assert_eq!(refusal_of(node.address, wrong).await, reason);
        }
        assert_eq!(node.reason(1), Some(Reason::OldIncarnation));
        Raw::greeted(node.address, right).await;
    });
}

#[test]
fn the_larger_id_does_not_dial() {
    run(async {
        let node = Node::start(3).await;
        node.knows(&[(4, nowhere())]);
        let reason = refusal_of(node.address, for_node(hello(4, 1, Lane::Bulk), 3)).await;
        assert_eq!(reason, Reason::WrongDirection);
    });
}

#[test]
fn another_version_is_told_so() {
    run(async {
        let node = nine().await;
        let mut raw = Raw::connect(node.address).await;
        raw.write(&[2, 1, 0, 0]).await;
        let frame = raw.frame().await.unwrap();
        let refusal = Refusal::read(&frame.body);
        assert_eq!(refusal.reason, Reason::ProtocolVersion);
        assert!(refusal.text.contains("version 1") && refusal.text.contains("version 2"));
    });
}

#[test]
fn a_second_process_is_refused_while_the_first_lives() {
    run(async {
        let node = nine().await;
        // Both lanes belong to one life, and so does the last word.
        let first = Raw::greeted(node.address, hello(1, 1, Lane::Control)).await;
        let alive = tokio::task::spawn_local(async move {
            let mut first = first;
            while let Some(frame) = first.frame().await {
                if frame.kind == Kind::Ping {
                    first.send(Kind::Pong, Bytes::new()).await;
                }
            }
        });
        for lane in Lane::ALL {
            let reason = refusal_of(node.address, hello(1, 2, lane)).await;
            assert_eq!(reason, Reason::DuplicateId);
        }
        assert_eq!(node.reason(1), Some(Reason::DuplicateId));
        alive.abort();
        Raw::greeted(node.address, hello(1, 2, Lane::Control)).await;
    });
}

#[test]
fn a_second_life_waits_until_the_first_is_found_dead() {
    run(async {
        let node = nine().await;
        // It stands for TCP, and says nothing any more.
        let first = Raw::greeted(node.address, hello(1, 1, Lane::Control)).await;
        let _second = Raw::greeted(node.address, hello(1, 2, Lane::Control)).await;
        first.closed().await;
        assert_eq!(node.reason(1), None);
    });
}

#[test]
fn a_newer_connection_of_one_life_takes_the_lane() {
    run(async {
        let node = nine().await;
        let first = Raw::greeted(node.address, hello(1, 1, Lane::Bulk)).await;
        let mut second = Raw::greeted(node.address, hello(1, 1, Lane::Bulk)).await;
        first.closed().await;
        node.links
            .tell(NodeId(1), Lane::Bulk, TOPIC, Bytes::from_static(b"x"))
            .unwrap();
        let frame = second.frame().await.unwrap();
        assert_eq!((frame.kind, &frame.body[..]), (Kind::Tell, &b"x"[..]));
    });
}

#[test]
fn who_is_removed_is_hung_up_and_refused() {
    run(async {
        let (one, two) = pair(|_| Security::Plain).await;
        two.knows(&[]);
        until(|| two.links.rows().is_empty() && !two.links.is_connected(NodeId(1), Lane::Bulk))
            .await;
        one.refused(2, Reason::UnknownNode).await;
        for lane in Lane::ALL {
            until(|| !one.links.is_connected(NodeId(2), lane)).await;
        }
        two.knows(&[(1, one.address)]);
        one.connected(2).await;
    });
}

#[test]
fn two_nodes_hear_of_wrong_clusters_and_ids() {
    run(async {
        let one = Node::start(1).await;
        let other = Identity {
            cluster: ClusterId([0xee; 16]),
            ..identity(2)
        };
        assert_ne!(other.cluster, CLUSTER);
        let two = Node::with(other, Security::Plain, loopback()).await;
        two.knows(&[(1, one.address)]);
        // Node 3 is where node 4 answers, and node 5 is this node itself.
        let four = Node::start(4).await;
        four.knows(&[(1, one.address)]);
        one.knows(&[(2, two.address), (3, four.address), (5, one.address)]);
        one.refused(2, Reason::WrongCluster).await;
        one.refused(3, Reason::OtherNode).await;
        one.refused(5, Reason::OwnId).await;
        until(|| two.reason(1) == Some(Reason::WrongCluster)).await;
    });
}

// === what is not understood ===

#[test]
fn garbage_before_the_hello_is_answered_and_disturbs_nobody() {
    run(async {
        let (one, two) = pair(|_| Security::Plain).await;
        let mut damaged = super::common::raw::bytes(&Frame::plain(
            Kind::Hello,
            0,
            hello(1, 1, Lane::Bulk).write(),
        ));
        damaged[20] ^= 1;
        for (bytes, reason) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], Reason::NotUnderstood),
            (
                &[1, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
                Reason::NotUnderstood,
            ),
            (
                &[1, 1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0][..],
                Reason::NotUnderstood,
            ),
            (&damaged[..], Reason::NotUnderstood),
        ] {
            let mut raw = Raw::connect(two.address).await;
            raw.write(bytes).await;
            assert_eq!(raw.refused().await, reason);
        }
        let mut raw = Raw::connect(two.address).await;
        raw.send(Kind::Ping, Bytes::new()).await;
        assert_eq!(raw.refused().await, Reason::NotUnderstood);
        let answer = one
            .links
            .ask(NodeId(2), Lane::Control, TOPIC, Bytes::from_static(b"a"))
            .await;
        assert_eq!(answer, Ok(Bytes::from_static(b"re: a")));
        assert!(
            one.links.rows()[0]
                .lanes
                .iter()
                .all(|lane| lane.connections == 1)
        );
    });
}

#[test]
fn garbage_after_the_hello_ends_the_connection_and_is_counted() {
    run(async {
        let node = nine().await;
        let tell = super::common::raw::bytes(&Frame {
            kind: Kind::Tell,
            subject: TOPIC.subject as u8,
            group: 0,
            id: 0,
            body: Bytes::from_static(b"right"),
        });
        let mut checksum = tell.to_vec();
        checksum[18] ^= 1;
        let mut oversize = tell.to_vec();
        oversize[9..13].copy_from_slice(&65_537u32.to_le_bytes());
        let hello_again = super::common::raw::bytes(&Frame::plain(Kind::Hello, 0, Bytes::new()));
        let wrong: [&[u8]; 4] = [
            &checksum,
            &oversize,
            &hello_again,
            &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ];
        for (index, bytes) in wrong.into_iter().enumerate() {
            let mut raw = Raw::greeted(node.address, hello(1, 1, Lane::Control)).await;
            raw.write(&tell).await;
            raw.write(bytes).await;
            raw.closed().await;
            until(|| node.links.rows()[0].lanes[0].garbage == index as u64 + 1).await;
        }
        // A frame that is cut is no garbage, and is not delivered.
        let mut raw = Raw::greeted(node.address, hello(1, 1, Lane::Control)).await;
        raw.write(&tell[..tell.len() - 1]).await;
        drop(raw);
        until(|| !node.links.is_connected(NodeId(1), Lane::Control)).await;
        assert_eq!(node.links.rows()[0].lanes[0].garbage, 4);
        assert_eq!(node.told(), vec![Bytes::from_static(b"right"); 4]);
    });
}
