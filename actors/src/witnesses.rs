//! Who is the witness of which pair: the choice of `domain::witnesses` is carried out by whoever
//! leads the cluster's configuration; and what a node has to say of where it stands. Not for the
//! votes themselves: see `membership`, nor for the replicas: see `hosting`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pollux_domain::ids::NodeId;
use pollux_domain::witnesses::{Choice, choose};
use pollux_links::peers::Lane;
use pollux_raft::configuration::{Change, ChangeReply, TopologyChange, TopologyReply};

use crate::node::Node;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Runs until the node stops.
pub async fn run(node: Arc<Node>) {
    while !node.is_stopping() {
        say_site(&node).await;
        if node.configuration.is_leading() {
            for choice in choices(&node) {
                appoint(&node, choice).await;
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// The nodes that can be reached from here, this one among them.
pub(crate) fn reachable(node: &Node) -> BTreeSet<NodeId> {
    let me = node.settings.node;
    node.configuration.read(|configuration| {
        let nodes = configuration.topology().nodes();
        let heard = nodes.filter(|(other, entry)| {
            let is_heard = *other == me || node.peers.is_connected(*other, Lane::Control);
            !entry.removed && is_heard
        });
        heard.map(|(other, _)| other).collect()
    })
}

/// What is to change, as far as this node knows.
pub(crate) fn choices(node: &Node) -> Vec<Choice> {
    let reachable = reachable(node);
    node.configuration.read(|configuration| {
        let topology = configuration.topology();
        choose(&topology.places(), &topology.wards(), &reachable)
    })
}

async fn appoint(node: &Node, choice: Choice) {
    let Choice {
        subcluster,
        witness,
    } = choice;
    let instead_of = node
        .configuration
        .read(|configuration| configuration.topology().hosted_witness(subcluster));
    let change = Change::Topology(TopologyChange::Appoint {
        subcluster,
        witness,
        instead_of,
        is_pinned: false,
    });
    match node.configuration.execute(change).await {
        Ok(ChangeReply::Topology(TopologyReply::Done)) => {
            let witness = witness.map_or("none".to_owned(), |node| format!("node {node}"));
            tracing::info!(%subcluster, witness, "witness is chosen");
        }
        Ok(reply) => tracing::debug!(%subcluster, ?reply, "witness is not chosen yet"),
        Err(error) => tracing::debug!(%subcluster, %error, "witness is not chosen yet"),
    }
}

/// Where this node stands is written in its own file.
async fn say_site(node: &Node) {
    let me = node.settings.node;
    let site = node.settings.site.clone();
    let known = node.configuration.read(|configuration| {
        let entry = configuration.topology().node(me);
        entry.map(|entry| entry.site.clone())
    });
    if known.is_none_or(|known| known == site) {
        return;
    }
    let change = Change::Topology(TopologyChange::SetSite { node: me, site });
    if let Err(error) = node.configuration.execute(change).await {
        tracing::debug!(%error, "site is not said yet");
    }
}
