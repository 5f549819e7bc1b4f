//! What is said on the lanes: order, answers, and what happens when the connection goes.

use super::common::raw::{Raw, hello};
use super::common::{Node, TOPIC, by_node, identity, loopback, pair, run, until};
use bytes::Bytes;
use pollux_domain::ids::{GroupId, NodeId, SubclusterId};
use pollux_domain::limits;
use pollux_links::frame::Kind;
use pollux_links::net::{Net, SystemNet};
use pollux_links::peers::{Lane, LinkError, Peers, Topic};
use pollux_links::security::Security;

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);

#[test]
fn what_is_told_arrives_in_order_both_ways_on_both_lanes() {
    run(async {
        let (one, two) = pair(|_| Security::Plain).await;
        let say = |count: u32| Bytes::copy_from_slice(&count.to_le_bytes());
        for lane in Lane::ALL {
            for count in 0..1_000 {
                one.links.tell(TWO, lane, TOPIC, say(count)).unwrap();
                two.links.tell(ONE, lane, TOPIC, say(count)).unwrap();
            }
            until(|| one.told().len() == 1_000 && two.told().len() == 1_000).await;
            let expected: Vec<Bytes> = (0..1_000).map(say).collect();
            assert_eq!(by_node(&one.notes)[&TWO], expected);
            assert_eq!(by_node(&two.notes)[&ONE], expected);
            one.notes.told.lock().unwrap().clear();
            two.notes.told.lock().unwrap().clear();
        }
    });
}

#[test]
fn a_question_has_one_of_four_answers() {
    run(async {
        let (one, two) = pair(|_| Security::Plain).await;
        for (links, to) in [(&one.links, TWO), (&two.links, ONE)] {
            for lane in Lane::ALL {
                let ask = |body: &'static [u8]| links.ask(to, lane, TOPIC, body.into());
                // A question without answer delays no other.
                let hanging = ask(b"hang");
                assert_eq!(ask(b"a").await, Ok(Bytes::from_static(b"re: a")));
                assert_eq!(
                    ask(b"bad").await,
                    Err(LinkError::Refused(to, "no".to_owned()))
                );
                let nobody = Topic {
                    group: GroupId::Subcluster(SubclusterId(77)),
                    ..TOPIC
                };
                let unknown = links.ask(to, lane, nobody, Bytes::new()).await;
                assert_eq!(unknown, Err(LinkError::NoSuchTopic(to)));
                drop(hanging);
            }
        }
        let nobody = one
            .links
            .ask(NodeId(3), Lane::Bulk, TOPIC, Bytes::new())
            .await;
        assert_eq!(nobody, Err(LinkError::NotConnected(NodeId(3))));
    });
}

#[test]
fn the_largest_messages_pass() {
    run(async {
        let (one, _two) = pair(|_| Security::Plain).await;
        for (lane, max) in [
            (Lane::Control, limits::LINK_CONTROL_BYTES_MAX),
            (Lane::Bulk, limits::LINK_BULK_BYTES_MAX),
        ] {
            // The answer is longer than the question by four bytes.
            let body = Bytes::from(vec![7; max - 4]);
            let answer = one.links.ask(TWO, lane, TOPIC, body).await.unwrap();
            assert_eq!(answer.len(), max);
            let body = Bytes::from(vec![7; max]);
            let refused = one.links.ask(TWO, lane, TOPIC, body).await;
            assert!(
                matches!(refused, Err(LinkError::Refused(TWO, _))),
                "{refused:?}"
            );
            let body = Bytes::from(vec![7; max + 1]);
            let refused = one.links.tell(TWO, lane, TOPIC, body);
            assert_eq!(refused, Err(LinkError::TooLong(max + 1)));
        }
    });
}

#[test]
fn a_node_that_dies_loses_its_questions_and_is_found_again() {
    run(async {
        let (one, two) = pair(|_| Security::Plain).await;
        let address = two.address;
        let lost = one
            .links
            .ask(TWO, Lane::Bulk, TOPIC, Bytes::from_static(b"hang"));
        until(|| two.told().len() == 1).await;
        drop(two);
        assert_eq!(lost.await, Err(LinkError::Lost(TWO)));
        until(|| !one.links.is_connected(TWO, Lane::Control)).await;
        let refused = one.links.tell(TWO, Lane::Control, TOPIC, Bytes::new());
        assert_eq!(refused, Err(LinkError::NotConnected(TWO)));

        let again = Node::with(identity(2), Security::Plain, address).await;
        again.knows(&[(1, one.address)]);
        one.connected(2).await;
        let answer = one
            .links
            .ask(TWO, Lane::Bulk, TOPIC, Bytes::from_static(b"b"))
            .await;
        assert_eq!(answer, Ok(Bytes::from_static(b"re: b")));
        let rows = one.links.rows();
        assert!(
            rows[0].lanes.iter().all(|lane| lane.connections == 2),
            "{rows:?}"
        );
    });
}

#[test]
fn a_node_that_reads_nothing_fills_a_queue_and_a_silent_one_is_dead() {
    run(async {
        let mut listener = SystemNet.listen(loopback()).await.unwrap();
        let one = Node::start(1).await;
        one.knows(&[(2, listener.local_address().unwrap())]);
        let mut open = Vec::new();
        while open.len() < 2 {
            let mut raw = Raw::accept(&mut listener).await;
            let frame = raw.frame().await.unwrap();
            let called = pollux_links::hello::Hello::read(&frame.body).unwrap();
            let mut answer = hello(2, 1, Lane::Control);
            (answer.purpose, answer.to) = (called.purpose, ONE);
            raw.send(Kind::Welcome, answer.write()).await;
            open.push(raw);
        }
        one.connected(2).await;
        let body = Bytes::from(vec![0; limits::LINK_BULK_BYTES_MAX]);
        let refused = loop {
            match one.links.tell(TWO, Lane::Bulk, TOPIC, body.clone()) {
                Ok(()) => tokio::task::yield_now().await,
                Err(error) => break error,
            }
        };
        assert_eq!(refused, LinkError::Full(TWO));
        let rows = one.links.rows();
        assert!(limits::LINK_BULK_BYTES_MAX < rows[0].lanes[1].queued_bytes);
        // Both connections stand for TCP, and are found dead all the same.
        for lane in Lane::ALL {
            until(|| !one.links.is_connected(TWO, lane)).await;
        }
    });
}

#[test]
fn a_desk_that_breaks_costs_one_connection() {
    run(async {
        let (one, two) = pair(|_| Security::Plain).await;
        for (node, other, to) in [(&one, &two, TWO), (&two, &one, ONE)] {
            let before = other.links.rows()[0].lanes[1].connections;
            let body = Bytes::from_static(b"break");
            node.links.tell(to, Lane::Bulk, TOPIC, body).unwrap();
            until(|| other.links.rows()[0].lanes[1].connections == before + 1).await;
            node.connected(to.0).await;
            let answer = node
                .links
                .ask(to, Lane::Bulk, TOPIC, Bytes::from_static(b"a"));
            assert_eq!(answer.await, Ok(Bytes::from_static(b"re: a")));
        }
    });
}

#[test]
fn rows_say_what_passed_and_how_far_away_the_other_is() {
    run(async {
        let (one, two) = pair(|_| Security::Plain).await;
        one.links
            .ask(TWO, Lane::Bulk, TOPIC, Bytes::from_static(b"a"))
            .await
            .unwrap();
        until(|| one.links.rows()[0].lanes[0].round_trip_us.is_some()).await;
        for node in [&one, &two] {
            let rows = node.links.rows();
            assert_eq!(rows.len(), 1);
            for lane in &rows[0].lanes {
                assert!(lane.connected_ms.is_some() && lane.connections == 1);
            }
            assert!(0 < rows[0].lanes[1].bytes_in && 0 < rows[0].lanes[1].bytes_out);
        }
    });
}
