//! What a node has to say of itself in the configuration: what it runs, and where it is. Said when
//! it is otherwise than what stands there, after every start and as long as it takes. Not for what
//! others make of it.

use std::sync::Arc;
use std::time::Duration;

use pollux_raft::configuration::{Change, Topology, TopologyChange};
use pollux_raft::version;

use crate::node::Node;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Runs until the node stops.
pub async fn run(node: Arc<Node>) {
    // A replica that is behind knows of itself what was said long ago.
    if node.configuration.catch_up().await.is_err() {
        return;
    }
    while !node.is_stopping() {
        let due = node
            .configuration
            .read(|configuration| due(&node, configuration.topology()));
        if let Some(change) = due
            && let Err(error) = node.configuration.execute(Change::Topology(change)).await
        {
            tracing::warn!(%error, "the cluster has not heard what this node is");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// What has to be said next.
fn due(node: &Node, topology: &Topology) -> Option<TopologyChange> {
    let me = node.settings.node;
    let entry = topology.node(me).filter(|entry| !entry.removed)?;
    let build = version::build();
    if entry.build != build {
        return Some(TopologyChange::SetBuild { node: me, build });
    }
    let addresses = node.settings.addresses.as_ref()?;
    let clients = Some(addresses.clients.clone()).filter(|address| !address.is_empty());
    let is_there = entry.address == addresses.nodes && entry.client_address == clients;
    (!is_there).then(|| TopologyChange::SetAddress {
        node: me,
        address: addresses.nodes.clone(),
        client_address: clients,
    })
}

/// Whoever is alone with an empty configuration says in which format it is written: the newest, as
/// nobody else has to read it. What was written before stays as it is until an operator says.
pub(crate) async fn say_format(node: &Node) {
    let format = node
        .configuration
        .read(|configuration| configuration.topology().format());
    if format != 0 {
        return;
    }
    let change = TopologyChange::UseFormat(version::FORMATS.newest);
    if let Err(error) = node.configuration.execute(Change::Topology(change)).await {
        tracing::warn!(%error, "the format of the configuration is not written down yet");
    }
}
