//! The operations by which a node leaves: it is emptied, comes back from that, or is removed. When
//! they are refused stands in `domain::removal`; that users go to the twin of a node that is
//! emptied is decided by the leader of their group, also when whoever asked for it is gone.

use std::time::Duration;

use pollux_domain::ids::{NodeId, SubclusterId};
use pollux_domain::operations::{ErrorKind, Operation, OperationError, Outcome};
use pollux_domain::removal::{DrainFacts, Facts, check_drain, check_removal};
use pollux_raft::configuration::{Role, TopologyChange};

use super::{Executor, subcluster};
use crate::witnesses;

/// A move gives clients two seconds to hear of it; another witness is taught first.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);

/// A node as the topology has it.
struct Found {
    subcluster: SubclusterId,
    role: Role,
    is_drained: bool,
    twin: Option<NodeId>,
}

impl Executor {
    /// Who is to do it, where that is not this node: nobody outside of a subcluster knows whose
    /// users its nodes serve, and one of them is told to be empty when it is.
    pub(super) fn who_knows(&self, operation: &Operation) -> Option<NodeId> {
        let node = match operation {
            Operation::NodeDrain { node } | Operation::ClusterRemove { node } => NodeId(*node),
            _ => return None,
        };
        let reachable = witnesses::reachable(&self.node);
        self.node.configuration.read(|configuration| {
            let topology = configuration.topology();
            let subcluster = topology.node(node)?.subcluster;
            let nodes = topology.serving_nodes(subcluster).into_iter();
            let mut others = nodes.filter(|other| *other != node && reachable.contains(other));
            let twin = others.next()?;
            (subcluster != self.node.settings.subcluster).then_some(twin)
        })
    }

    pub(super) async fn node_drain(&self, node: u16) -> Result<Outcome, OperationError> {
        let node = NodeId(node);
        let found = self.found(node)?;
        let facts = DrainFacts {
            node,
            is_serving: found.role == Role::Node,
            twin: found.twin,
            is_twin_drained: found.twin.is_some_and(|twin| {
                let configuration = &self.node.configuration;
                configuration.read(|configuration| configuration.topology().is_drained(twin))
            }),
            is_twin_reached: found.twin.is_some_and(|twin| self.is_reached(twin)),
        };
        check_drain(&facts, found.subcluster).map_err(refused)?;
        self.change(TopologyChange::SetDrained {
            node,
            drained: true,
        })
        .await?;
        let emptied = async {
            while !self.is_empty(node).await {
                tokio::time::sleep(PAUSE).await;
            }
        };
        match tokio::time::timeout(PATIENCE, emptied).await {
            Ok(()) => Ok(Outcome::Done),
            Err(_late) => Err(OperationError::new(
                ErrorKind::Unavailable,
                "the node is being emptied and is not empty yet: it goes on by itself; see \
                 `subcluster status` and `cluster nodes`",
            )),
        }
    }

    pub(super) async fn node_undrain(&self, node: u16) -> Result<Outcome, OperationError> {
        let node = NodeId(node);
        if !self.found(node)?.is_drained {
            let message = format!("node {node} is not drained");
            return Err(OperationError::new(ErrorKind::Invalid, message));
        }
        let drained = false;
        self.change(TopologyChange::SetDrained { node, drained })
            .await
    }

    pub(super) async fn cluster_remove(&self, node: u16) -> Result<Outcome, OperationError> {
        let node = NodeId(node);
        let is_asked = node == self.node.settings.node;
        let found = self.found(node)?;
        let facts = Facts {
            node,
            is_asked,
            is_serving: found.role == Role::Node,
            is_reached: self.is_reached(node),
            is_drained: found.is_drained,
            serves: (found.subcluster == self.node.settings.subcluster).then(|| self.serves(node)),
            twin: found.twin,
            witness_of: self.duties(node),
        };
        check_removal(&facts, found.subcluster).map_err(refused)?;
        self.change(TopologyChange::Remove { node }).await
    }

    fn found(&self, node: NodeId) -> Result<Found, OperationError> {
        let found = self.node.configuration.read(|configuration| {
            let topology = configuration.topology();
            let entry = topology.node(node).filter(|entry| !entry.removed)?;
            let nodes = topology.serving_nodes(entry.subcluster);
            Some(Found {
                subcluster: entry.subcluster,
                role: entry.role,
                is_drained: entry.drained,
                twin: nodes.into_iter().find(|other| *other != node),
            })
        });
        found.ok_or_else(|| {
            let message = format!(
                "there is no node {node}; `pollux ctl cluster nodes` lists those there are"
            );
            OperationError::new(ErrorKind::NotFound, message)
        })
    }

    pub(super) fn is_reached(&self, node: NodeId) -> bool {
        witnesses::reachable(&self.node).contains(&node)
    }

    /// Whether a drained node serves nobody, and is given nobody: the leader has heard of the
    /// drain, and what it had decided before is known here.
    async fn is_empty(&self, node: NodeId) -> bool {
        let outlook = self.node.duty().outlook();
        let is_heard = outlook.is_some_and(|outlook| outlook.drained.contains(&node));
        is_heard
            && self.node.subcluster.catch_up().await.is_ok()
            && self.serves(node).is_empty()
            && self.duties(node).is_empty()
    }

    /// The homes whose users it serves. Of another subcluster nothing is known here.
    fn serves(&self, node: NodeId) -> Vec<NodeId> {
        let homes = subcluster::status(&self.node).homes.into_iter();
        let served = homes.filter(|home| home.serving == Some(node.0));
        served.map(|home| NodeId(home.home)).collect()
    }

    /// The subclusters that vote with it still and will not.
    fn duties(&self, node: NodeId) -> Vec<SubclusterId> {
        let choices = witnesses::choices(&self.node);
        self.node.configuration.read(|configuration| {
            let topology = configuration.topology();
            let subclusters = topology.subclusters().filter(|id| {
                let is_to_leave = topology.hosted_witness(*id).map(|voter| voter.node)
                    == Some(node)
                    && choices.iter().any(|choice| choice.subcluster == *id);
                let leaving = topology.leaving(*id);
                is_to_leave || leaving.iter().any(|voter| voter.node == node)
            });
            subclusters.collect()
        })
    }
}

fn refused(why: impl std::fmt::Display) -> OperationError {
    OperationError::new(ErrorKind::Invalid, why.to_string())
}
