//! Whether all is well with a pair: everybody connected, one leader, both homes served, nothing
//! owed. Says what is not.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pollux_actors::node::Node;
use pollux_domain::ids::NodeId;
use pollux_domain::jid::BareJid;
use pollux_domain::subscription::Subscription;
use pollux_links::peers::Lane;
use pollux_raft::group::Group;
use pollux_raft::machine::Kind;

use super::person::Standing;
use super::seat::Seat;
use super::watch::HOMES;
use super::world::PairPlan;
use crate::sim::history::{Fact, History};
use crate::sim::people::account;

type Nodes = Vec<(Rc<Seat>, Arc<Node>)>;

/// The first thing that is wrong with the nodes.
pub fn of_nodes(seats: &[Rc<Seat>], elapsed: Duration, plan: PairPlan) -> Option<String> {
    let living = seats
        .iter()
        .filter_map(|seat| Some((seat.clone(), seat.node()?)));
    let nodes: Nodes = living.collect();
    if nodes.len() < seats.len() {
        return Some("not all nodes live".to_owned());
    }
    for (seat, node) in &nodes {
        for other in seats.iter().filter(|other| other.id != seat.id) {
            for lane in [Lane::Control, Lane::Bulk] {
                if !node.peers.is_connected(other.id, lane) {
                    return Some(format!("{} has no {lane:?} to {}", seat.name, other.name));
                }
            }
        }
    }
    let subcluster: Vec<_> = nodes.iter().map(|(_, node)| &node.subcluster).collect();
    let configuration: Vec<_> = nodes.iter().map(|(_, node)| &node.configuration).collect();
    of_group(&subcluster)
        .or_else(|| of_group(&configuration))
        .or_else(|| of_homes(&nodes, elapsed))
        .or_else(|| of_contacts(&nodes, plan))
}

fn of_group<G: Kind>(replicas: &[&Group<G>]) -> Option<String> {
    let name = G::NAME;
    if replicas.iter().any(|group| group.voters().len() < 3) {
        return Some(format!("{name} has not three voters"));
    }
    let leaders = replicas.iter().filter(|group| group.is_leading()).count();
    if leaders != 1 {
        return Some(format!("{name} has {leaders} leaders"));
    }
    let applied: Vec<u64> = replicas.iter().map(|group| group.indexes().1).collect();
    if applied.iter().any(|index| *index != applied[0]) {
        return Some(format!("{name} is applied to {applied:?}"));
    }
    None
}

fn of_homes(nodes: &Nodes, elapsed: Duration) -> Option<String> {
    for home in HOMES {
        let serves =
            |(seat, node): &&(Rc<Seat>, Arc<Node>)| node.tenures.of(home).holds(seat.now(elapsed));
        let serving: Vec<NodeId> = nodes
            .iter()
            .filter(serves)
            .map(|(seat, _)| seat.id)
            .collect();
        if serving.len() != 1 {
            return Some(format!("home {home} is served by {serving:?}"));
        }
    }
    None
}

/// Each pair of partners sees each other.
fn of_contacts(nodes: &Nodes, plan: PairPlan) -> Option<String> {
    let (_, node) = nodes.first()?;
    for who in 0..plan.people {
        let user = BareJid::parse(&account(who).bare_jid()).ok()?;
        let contacts = node.subcluster.read(|state| state.contacts(&user));
        let partner = account(who ^ 1).bare_jid();
        let both = contacts.iter().any(|contact| {
            contact.jid.as_str() == partner && contact.relation.subscription() == Subscription::Both
        });
        if !both {
            return Some(format!("person{who} and the partner are no contacts"));
        }
    }
    None
}

/// The first thing that is wrong with the people.
pub fn of_people(standings: &[Rc<Standing>], history: &History) -> Option<String> {
    for (who, standing) in standings.iter().enumerate() {
        if !standing.connected.get() {
            return Some(format!("person{who} is not connected"));
        }
        if standing.unacknowledged.get() != 0 {
            return Some(format!("person{who} waits for acknowledgements"));
        }
    }
    let missing = history.missing();
    missing.first().map(|id| format!("{id} has not arrived"))
}

/// What the database says of each person's devices.
pub fn truths(seats: &[Rc<Seat>], plan: PairPlan) -> Vec<Fact> {
    let Some(node) = seats.iter().find_map(|seat| seat.node()) else {
        return Vec::new();
    };
    let mut truths = Vec::new();
    for who in 0..plan.people {
        let Ok(user) = BareJid::parse(&account(who).bare_jid()) else {
            continue;
        };
        let rows = node
            .subcluster
            .read(|state| state.session_rows(Some(&user)));
        truths.extend(rows.iter().map(|row| Fact::Truth {
            who,
            jid: row.jid.as_str().to_owned(),
            available: row.availability.is_some(),
        }));
    }
    truths
}
