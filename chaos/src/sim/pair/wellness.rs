//! Whether all is well with a cluster: everybody connected, each group with one leader, each home
//! served, nothing owed. Says what is not.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use pollux_actors::node::Node;
use pollux_domain::ids::NodeId;
use pollux_domain::jid::BareJid;
use pollux_domain::seams::Clock;
use pollux_domain::subscription::Subscription;
use pollux_links::peers::Lane;
use pollux_raft::group::Group;
use pollux_raft::machine::Kind;

use super::acquaintance;
use super::person::Standing;
use super::plan::{self, PairPlan, SEATS};
use super::seat::Seat;
use crate::sim::history::{Fact, History};
use crate::sim::people::account;

type Nodes = Vec<(Rc<Seat>, Arc<Node>)>;

/// The first thing that is wrong with the nodes.
pub fn of_nodes(seats: &[Rc<Seat>], plan: PairPlan) -> Option<String> {
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
    for (seat, node) in &nodes {
        if node.services.down(seat.clock.now()).is_some() {
            return Some(format!("a service of {} is down", seat.name));
        }
        let topology = |id: NodeId| {
            let configuration = &node.configuration;
            configuration.read(|configuration| configuration.topology().is_drained(id))
        };
        if let Some(drained) = seats.iter().find(|seat| topology(seat.id)) {
            return Some(format!("{} knows {} as drained", seat.name, drained.name));
        }
    }
    let mut pairs = nodes.chunks(SEATS);
    let of_pairs = pairs.find_map(|pair| {
        let subcluster: Vec<_> = pair.iter().map(|(_, node)| &node.subcluster).collect();
        of_group(&subcluster, SEATS).or_else(|| of_homes(pair))
    });
    let configuration: Vec<_> = nodes.iter().map(|(_, node)| &node.configuration).collect();
    // An odd number votes (design, section 4).
    let voters = seats.len() - (seats.len() + 1) % 2;
    of_pairs
        .or_else(|| of_group(&configuration, voters))
        .or_else(|| of_users(&nodes, plan))
        .or_else(|| of_outboxes(seats))
}

/// Something waits in a group to be told to another.
pub fn of_outboxes(seats: &[Rc<Seat>]) -> Option<String> {
    seats.iter().find_map(|seat| {
        let waiting = seat.node()?.subcluster.read(|state| state.statistics());
        let lines = waiting.outbox_lines;
        (lines != 0).then(|| format!("{} has {lines} lines for others", seat.name))
    })
}

fn of_group<G: Kind>(replicas: &[&Group<G>], voters: usize) -> Option<String> {
    let name = replicas.first()?.group();
    if replicas.iter().any(|group| group.voters().len() != voters) {
        return Some(format!("{name} has not {voters} voters"));
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

fn of_homes(pair: &[(Rc<Seat>, Arc<Node>)]) -> Option<String> {
    let (seat, _) = pair.first()?;
    for home in plan::homes(seat.subcluster_id()) {
        let serves =
            |(seat, node): &&(Rc<Seat>, Arc<Node>)| node.tenures.of(home).holds(seat.clock.now());
        let serving: Vec<NodeId> = pair
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

/// Who serves that home, as the newest log of a node that is up says.
pub fn owner(seats: &[Rc<Seat>], home: NodeId) -> Option<NodeId> {
    let living = seats.iter().filter_map(|seat| seat.node());
    let known = living.filter_map(|node| node.subcluster.read(|state| state.serving(home)));
    let newest = known.max_by_key(|serving| serving.epoch);
    newest.map(|serving| serving.node)
}

/// The seat of the node of a pair that leads its group.
pub fn leader(seats: &[Rc<Seat>], pair: usize) -> Option<usize> {
    let leads = |seat: &Rc<Seat>| {
        let node = seat.node().filter(|_| seat.pair == pair);
        node.is_some_and(|node| node.subcluster.is_leading())
    };
    seats.iter().position(leads)
}

/// Whom users of a pair could not be moved to, as who leads sees it: one that has just started has
/// not been heard yet.
pub fn of_twins(seats: &[Rc<Seat>], pair: usize) -> Option<String> {
    let node = leader(seats, pair).and_then(|seat| seats[seat].node());
    let outlook = node.and_then(|node| node.duty().outlook());
    let Some(outlook) = outlook else {
        return Some("nobody leads".to_owned());
    };
    let mut behind = outlook.nodes.iter().filter(|seen| !seen.is_caught_up);
    behind
        .next()
        .map(|seen| format!("who leads does not know node {} as caught up", seen.node))
}

/// The seat of the node that may act for that home's users now.
pub fn serving(seats: &[Rc<Seat>], home: NodeId) -> Option<usize> {
    let holds = |seat: &Rc<Seat>| {
        let node = seat.node();
        node.is_some_and(|node| node.tenures.of(home).holds(seat.clock.now()))
    };
    seats.iter().position(holds)
}

/// Each group knows its own users and those of the other.
fn of_users(nodes: &Nodes, plan: PairPlan) -> Option<String> {
    nodes.iter().find_map(|(seat, node)| {
        let known = node.subcluster.read(|state| state.statistics());
        let homes = plan::homes(seat.subcluster_id());
        let (own, all) = node.configuration.read(|configuration| {
            let users = configuration.users();
            let own = users.filter(|(_, account)| homes.contains(&account.home));
            (own.count(), configuration.users().count())
        });
        let is_right = known.users == own && known.foreign_users == all - own;
        (!is_right || all < plan.people).then(|| {
            let (users, foreign) = (known.users, known.foreign_users);
            let name = seat.name;
            format!(
                "{name} knows {users} own users and {foreign} others, of {own} and {all} in all"
            )
        })
    })
}

/// Each couple sees each other.
pub fn of_contacts(seats: &[Rc<Seat>], plan: PairPlan) -> Option<String> {
    for who in 0..plan.people {
        let node = seats[plan.pair_of(who) * SEATS].node()?;
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

/// Everybody sees the acquaintance, as everybody has asked to in the end.
pub fn of_acquaintances(seats: &[Rc<Seat>], plan: PairPlan) -> Option<String> {
    for who in 0..plan.people {
        let Some(other) = acquaintance::of(plan, who) else {
            continue;
        };
        let user = acquaintance::address(who)?;
        let watched = acquaintance::address(other)?;
        for seat in &seats[plan.pair_of(who) * SEATS..][..SEATS] {
            let node = seat.node()?;
            let contacts = node.subcluster.read(|state| state.contacts(&user));
            let mut relations = contacts.iter().filter(|contact| contact.jid == watched);
            let sees = relations.any(|contact| contact.relation.to);
            if !sees {
                return Some(format!("person{who} does not see person{other}"));
            }
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

/// The users that an operator has added, as every node knows them.
pub fn added_users(seats: &[Rc<Seat>]) -> Vec<Fact> {
    let users = |seat: &Rc<Seat>| -> BTreeSet<String> {
        let Some(node) = seat.node() else {
            return BTreeSet::new();
        };
        node.configuration.read(|configuration| {
            let users = configuration.users();
            users.map(|(user, _)| user.as_str().to_owned()).collect()
        })
    };
    let everywhere = seats.iter().map(users).reduce(|one, other| &one & &other);
    let users = everywhere.unwrap_or_default().into_iter();
    users.map(|user| Fact::UserFound { user }).collect()
}

/// What the database says of each person's devices.
pub fn truths(seats: &[Rc<Seat>], plan: PairPlan) -> Vec<Fact> {
    let mut truths = Vec::new();
    for who in 0..plan.people {
        let pair = plan.pair_of(who) * SEATS..;
        let Some(node) = seats[pair].iter().take(SEATS).find_map(|seat| seat.node()) else {
            continue;
        };
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
