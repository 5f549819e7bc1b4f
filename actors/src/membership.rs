//! The groups have the members that the topology names: done by whoever leads a group, one change
//! at a time. A node that was admitted is brought up to date and then votes; one that was removed
//! goes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pollux_domain::ids::{NodeId, Voter};
use pollux_raft::configuration::{Change, NodeEntry, TopologyChange};
use pollux_raft::group::{Group, MembershipError};
use pollux_raft::machine::Kind;

use crate::node::Node;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long a newcomer may take to be brought up to date, before another try.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs until the node stops.
pub async fn run(node: Arc<Node>) {
    while !node.is_stopping() {
        let (all, own) = node.configuration.read(|configuration| {
            let topology = configuration.topology();
            let all = topology.nodes().filter(|(_, entry)| !entry.removed);
            let own = topology.members(node.settings.subcluster);
            (all.map(voter).collect(), own.map(voter).collect())
        });
        attend(&node.configuration, odd(all)).await;
        attend(&node.subcluster, own).await;
        tokio::time::sleep(INTERVAL).await;
    }
}

/// What this node has to say of the topology before anybody else, alone in its groups: that it
/// founds a cluster, or that it goes on alone.
pub(crate) async fn say_first(node: &Node) {
    let Some(first) = &node.first_word else {
        return;
    };
    let said = node.configuration.read(|configuration| {
        let topology = configuration.topology();
        match first {
            TopologyChange::Reform { node, incarnation } => topology
                .node(*node)
                .is_some_and(|entry| *incarnation <= entry.incarnation),
            _ => topology.nodes().next().is_some(),
        }
    });
    if said {
        return;
    }
    let change = Change::Topology(first.clone());
    if let Err(error) = node.configuration.execute(change).await {
        tracing::warn!(%error, "topology does not change yet");
    }
}

fn voter((node, entry): (NodeId, &NodeEntry)) -> Voter {
    Voter {
        node,
        incarnation: entry.incarnation,
    }
}

/// An even number of voters stands no more losses than one less (design, section 4): two nodes are
/// kept, since each is to have the configuration.
fn odd(mut voters: BTreeSet<Voter>) -> BTreeSet<Voter> {
    if voters.len() > 2 && voters.len().is_multiple_of(2) {
        voters.pop_last();
    }
    voters
}

async fn attend<G: Kind>(group: &Group<G>, wanted: BTreeSet<Voter>) {
    if !group.is_leading() || wanted.is_empty() {
        return;
    }
    let voters = group.voters();
    let changed = if let Some(newcomer) = wanted.difference(&voters).next() {
        tracing::info!(group = %group.group(), voter = %newcomer, "voter is taken in");
        let admitted = tokio::time::timeout(PATIENCE, group.admit(*newcomer)).await;
        admitted.unwrap_or_else(|_| Err(MembershipError::Failed("it took too long".to_owned())))
    } else if let Some(leaver) = voters.difference(&wanted).next() {
        tracing::info!(group = %group.group(), voter = %leaver, "voter goes");
        group.expel(leaver.node).await
    } else {
        return;
    };
    if let Err(error) = changed {
        tracing::warn!(group = %group.group(), %error, "membership does not change yet");
    }
}
