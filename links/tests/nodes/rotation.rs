//! Credentials that are replaced while nodes talk, and an address that a node says itself.

use std::sync::Arc;
use std::time::Duration;

use super::common::{Ca, Node, TOPIC, ambient, identity, loopback, pair, run, until, version};
use bytes::Bytes;
use pollux_domain::ids::NodeId;
use pollux_links::credentials::Credentials;
use pollux_links::in_use::InUse;
use pollux_links::links::{LinkParts, Links};
use pollux_links::net::{Net, SystemNet};
use pollux_links::peers::{Desks, Lane, Peers};
use pollux_links::refusal::Reason;
use pollux_links::security::Security;

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);

async fn talk(one: &Node, lane: Lane) {
    let answer = one.links.ask(TWO, lane, TOPIC, Bytes::from_static(b"a"));
    assert_eq!(answer.await, Ok(Bytes::from_static(b"re: a")), "{lane:?}");
}

fn connections(node: &Node, other: u16) -> [u64; 2] {
    let rows = node.links.rows();
    let row = rows.into_iter().find(|row| row.node.0 == other).unwrap();
    row.lanes.map(|lane| lane.connections)
}

#[test]
fn lanes_stand_until_the_old_authority_is_given_up_and_are_then_made_anew() {
    run(async {
        let (old, new) = (Ca::make(), Ca::make());
        let (one, two) = pair(|node| old.security(node)).await;
        let both = |by: &Ca, other: &Ca, node: u16| Credentials {
            also: Some(other.0.certificate().clone()),
            ..by.credentials(node)
        };
        let before = connections(&one, 2);
        for (by, other) in [(&old, &new), (&new, &old)] {
            one.links.hold(&both(by, other, 1)).unwrap();
            two.links.hold(&both(by, other, 2)).unwrap();
            talk(&one, Lane::Control).await;
            talk(&one, Lane::Bulk).await;
        }
        assert_eq!(connections(&one, 2), before, "the same connections");
        two.links.hold(&new.credentials(2)).unwrap();
        one.links.hold(&new.credentials(1)).unwrap();
        for (index, lane) in Lane::ALL.into_iter().enumerate() {
            until(|| before[index] < connections(&one, 2)[index]).await;
            until(|| before[index] < connections(&two, 1)[index]).await;
            // The older one is hung up only when the newer one stands.
            talk(&one, lane).await;
        }
        let held = two.links.held().unwrap();
        assert_eq!(held.trusts, [held.authority]);
        assert_eq!(held.authority, new.credentials(2).held().authority);
    });
}

#[test]
fn who_shows_nothing_newer_is_hung_up_and_refused_also_with_a_ticket() {
    run(async {
        let (old, new) = (Ca::make(), Ca::make());
        // Node 1 has a ticket of node 2, and is not told of anything.
        let (one, two) = pair(|node| old.security(node)).await;
        talk(&one, Lane::Bulk).await;
        two.links.hold(&new.credentials(2)).unwrap();
        until(|| one.reason(2).is_some()).await;
        assert_eq!(one.reason(2), Some(Reason::Certificate));
        for lane in Lane::ALL {
            until(|| !two.links.is_connected(ONE, lane)).await;
        }
    });
}

/// A node that says where it is.
async fn at_another_place(node: u16) -> (Links, std::net::SocketAddr) {
    let listener = SystemNet.listen(loopback()).await.unwrap();
    let address = listener.local_address().unwrap();
    let desks = Arc::new(Desks::default());
    desks.open(TOPIC, Arc::<super::common::Notes>::default());
    let links = Links::new(LinkParts {
        identity: identity(node),
        build: version(),
        in_use: InUse::default(),
        address: Some(address.to_string()),
        security: Security::Plain,
        net: Arc::new(SystemNet),
        ambient: ambient(),
        desks,
        visitors: Arc::<super::common::Guests>::default(),
    });
    let (control, bulk) = (links.clone(), links.clone());
    tokio::task::spawn_local(async move { control.run_control().await });
    tokio::task::spawn_local(async move { bulk.run_bulk(listener).await });
    (links, address)
}

#[test]
fn a_node_that_has_moved_says_so_to_who_calls_it() {
    run(async {
        let one = Node::start(1).await;
        let nowhere = SystemNet.listen(loopback()).await.unwrap();
        let nowhere = nowhere.local_address().unwrap();
        one.knows(&[(2, nowhere)]);
        let (two, address) = at_another_place(2).await;
        two.set_peers(vec![pollux_links::PeerAddress {
            node: ONE,
            incarnation: None,
            address: one.address.to_string(),
        }]);
        one.connected(2).await;
        talk(&one, Lane::Control).await;
        let before = connections(&one, 2);
        // The topology hears of it, and changes nothing that stands.
        one.knows(&[(2, address)]);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(connections(&one, 2), before);
        assert_eq!(one.links.rows()[0].address, address.to_string());
    });
}
