//! Who serves a user at this moment: this node, another one, or nobody yet. Reads the assignment
//! and the serving table; decides nothing.

use std::sync::Arc;

use pollux_domain::ids::NodeId;
use pollux_domain::jid::BareJid;
use pollux_links::peers::Lane;
use pollux_raft::duty::Tenure;

use crate::node::Node;

/// See the module.
#[derive(Debug, Clone)]
pub enum ServedBy {
    /// This node, which holds the lease.
    Here(Arc<Tenure>),
    There(NodeId),
    /// Nobody holds the lease, as far as this node knows: whoever waits listens to
    /// [`crate::directory::Directory::serving`].
    Nobody,
}

/// Who serves the users of `home` now.
pub fn served_by(node: &Node, home: NodeId) -> ServedBy {
    if let Some(elsewhere) = elsewhere(node, home) {
        return ServedBy::There(elsewhere);
    }
    let serving = node.subcluster.read(|state| state.serving(home));
    let Some(serving) = serving else {
        return ServedBy::Nobody;
    };
    if serving.node != node.settings.node {
        return ServedBy::There(serving.node);
    }
    let tenure = node.tenures.of(home);
    let now = node.ambient.clock.now();
    match tenure.epoch() == Some(serving.epoch) && tenure.holds(now) {
        true => ServedBy::Here(tenure),
        false => ServedBy::Nobody,
    }
}

/// For a home of another subcluster: a node of it that can be reached, the home itself first. It
/// knows who serves.
pub fn elsewhere(node: &Node, home: NodeId) -> Option<NodeId> {
    let homes = node.configuration.read(|configuration| {
        let topology = configuration.topology();
        let subcluster = topology.node(home)?.subcluster;
        (subcluster != node.settings.subcluster).then(|| topology.serving_nodes(subcluster))
    })?;
    let twins = homes.into_iter().filter(|other| *other != home);
    let mut tried = std::iter::once(home).chain(twins);
    let reached = tried.find(|other| node.peers.is_connected(*other, Lane::Bulk));
    Some(reached.unwrap_or(home))
}

/// The home of a user: as the configuration assigns it, which every node of the cluster knows.
pub fn home_of(node: &Node, user: &BareJid) -> Option<NodeId> {
    node.configuration
        .read(|state| state.account(user).map(|account| account.home))
}
