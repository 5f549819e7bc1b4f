//! How the nodes of this subcluster are: gathers the facts from the group and from its leader, and
//! writes a line whenever a state changes. What follows from facts stands in `domain::node_state`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use pollux_domain::ids::{NodeId, Voter};
use pollux_domain::metrics::Sample;
use pollux_domain::node_state::{Facts, HomeFacts, NodeSeen, NodeState, derive};
use pollux_domain::operations::NodeStateRow;
use pollux_raft::lease::Outlook;

use crate::node::Node;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// For how long a process may hear nobody and count as one that starts: links are made within a
/// second, and a leader is found within another.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// Beats come twenty times in this time; while some are late, nobody has lost a vote.
const MAJORITY_PATIENCE: Duration = Duration::from_secs(1);

/// For so long nothing is said of a replica that is silent: its beats may be late.
const SILENCE_PATIENCE: Duration = Duration::from_secs(2);

/// Runs until the node stops.
pub async fn run(node: Arc<Node>) {
    let mut known: BTreeMap<u16, (NodeState, String)> = BTreeMap::new();
    while !node.is_stopping() {
        for row in rows(&node) {
            let now = (row.state, row.reason.clone());
            let before = known.insert(row.node, now.clone());
            if before.as_ref() != Some(&now) {
                let before = before.map(|(state, _)| tracing::field::display(state));
                let (state, reason) = (row.state, row.reason);
                tracing::info!(node = row.node, %state, reason, before, "node state has changed");
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Each node that serves, as an operator sees it.
pub(crate) fn rows(node: &Node) -> Vec<NodeStateRow> {
    let states = derive(&facts(node)).into_iter();
    let rows = states.map(|(number, state, reason)| NodeStateRow {
        node: number.0,
        name: name(node, number),
        state,
        number: state.number(),
        reason: reason.to_string(),
    });
    rows.collect()
}

/// The same as numbers.
pub(crate) fn samples(node: &Node) -> impl Iterator<Item = Sample> {
    rows(node).into_iter().map(|row| {
        let help = "The state of a node of the subcluster, by the numbers of the counter SRMState.";
        Sample::gauge("pollux_node_state", help, f64::from(row.number))
            .with("node", row.node.to_string())
            .with("name", row.name)
    })
}

/// A node that is alone has no name among others.
fn name(node: &Node, number: NodeId) -> String {
    let name = node.configuration.read(|configuration| {
        let entry = configuration.topology().node(number);
        entry.map(|entry| entry.name.clone())
    });
    name.unwrap_or_else(|| format!("node {number}"))
}

fn facts(node: &Node) -> Facts {
    let subcluster = node.settings.subcluster;
    let (serving, homes, high_availability) = node.configuration.read(|configuration| {
        let topology = configuration.topology();
        let entry = topology.subcluster(subcluster);
        let on = entry.is_some_and(|entry| entry.high_availability);
        (
            topology.serving_nodes(subcluster),
            topology.homes(subcluster),
            on,
        )
    });
    let or_me = |nodes: Vec<NodeId>| match nodes.is_empty() && !node.settings.is_witness {
        true => vec![node.settings.node],
        false => nodes,
    };
    let homes = node.subcluster.read(|state| {
        let homes = or_me(homes).into_iter();
        let homes = homes.map(|home| HomeFacts {
            home,
            serving: state.serving(home).map(|serving| serving.owner()),
            moved: state.takeovers().last_move(home).copied(),
        });
        homes.collect()
    });
    let outlook = node.duty().outlook();
    let heard = note_heard(node);
    let voters = node.subcluster.voters();
    let is_majority = is_majority(&voters, |voter| heard.contains(&voter.node));
    let now = node.ambient.clock.now();
    let last = last_majority(node, is_majority.then_some(now));
    let seen = or_me(serving).into_iter().map(|one| {
        let by_leader = outlook.as_ref().and_then(|outlook| of(outlook, one));
        by_leader.unwrap_or_else(|| NodeSeen {
            node: one,
            life: None,
            is_heard: one == node.settings.node || heard.contains(&one),
            is_caught_up: true,
            stands_still: false,
        })
    });
    let (moves, mut services_down) = match outlook.clone() {
        Some(outlook) => (outlook.moves, outlook.services_down),
        None => (Vec::new(), BTreeSet::new()),
    };
    // What a leader has said may be older.
    let me = node.settings.node;
    match node.services.down(now) {
        Some(_) => services_down.insert(me),
        None => services_down.remove(&me),
    };
    Facts {
        is_starting: last.is_none() && now < node.started + START_PATIENCE,
        has_majority: last.is_some_and(|last| now < last + MAJORITY_PATIENCE),
        high_availability,
        nodes: seen.collect(),
        homes,
        moves,
        services_down,
    }
}

fn note_heard(node: &Node) -> BTreeSet<NodeId> {
    let heard = node.subcluster.heard_nodes();
    let now = node.ambient.clock.now();
    let mut last = node.heard.lock().unwrap_or_else(PoisonError::into_inner);
    last.extend(heard.iter().map(|heard| (*heard, now)));
    heard
}

/// The nodes whose replicas of the subcluster's database speak, this one among them. One whose
/// replica does not open can be reached all the same.
pub(crate) fn heard_lately(node: &Node) -> BTreeSet<NodeId> {
    note_heard(node);
    let now = node.ambient.clock.now();
    let last = node.heard.lock().unwrap_or_else(PoisonError::into_inner);
    let lately = last
        .iter()
        .filter(|(_, last)| now < **last + SILENCE_PATIENCE);
    let others = lately.map(|(node, _)| *node);
    others.chain([node.settings.node]).collect()
}

/// When a majority was heard last, as far as this process knows.
fn last_majority(node: &Node, heard: Option<Duration>) -> Option<Duration> {
    let last = node.heard_majority.lock();
    let mut last = last.unwrap_or_else(PoisonError::into_inner);
    *last = heard.or(*last);
    *last
}

fn of(outlook: &Outlook, node: NodeId) -> Option<NodeSeen> {
    let mut nodes = outlook.nodes.iter();
    nodes.find(|seen| seen.node == node).copied()
}

/// Whether those decide. A group that has not begun has no voters, and nobody decides.
fn is_majority<'a>(
    voters: impl IntoIterator<Item = &'a Voter>,
    is_heard: impl Fn(&Voter) -> bool,
) -> bool {
    let (mut all, mut heard) = (0, 0);
    for voter in voters {
        all += 1;
        heard += usize::from(is_heard(voter));
    }
    all < 2 * heard
}

#[cfg(test)]
mod tests {
    use pollux_domain::ids::Incarnation;

    use super::*;

    #[test]
    fn more_than_half_of_the_votes_decide() {
        let voter = |node| Voter {
            node: NodeId(node),
            incarnation: Incarnation(1),
        };
        for (voters, heard, decides) in [(0, 0, false), (1, 1, true), (2, 1, false), (3, 2, true)] {
            let voters: Vec<Voter> = (1..=voters).map(voter).collect();
            let found = is_majority(&voters, |voter| voter.node.0 <= heard);
            assert_eq!(found, decides, "{heard} of {}", voters.len());
        }
    }
}
