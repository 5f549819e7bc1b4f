//! The operations on the cluster and on this node's subcluster: who belongs to it, and who is to
//! serve whom. Who does at present: see `subcluster`.

use pollux_domain::ids::{NodeId, SubclusterId};
use pollux_domain::operations::{ClusterNodeRow, ErrorKind, OperationError, Outcome, TakeoverRow};
use pollux_links::peers::Lane;
use pollux_raft::configuration::{Change, ChangeReply, Role, TopologyChange, TopologyReply};
use pollux_raft::duty::WishError;
use pollux_raft::lease::Wisher;
use pollux_xmpp::delay::format_timestamp;

use super::{Executor, subcluster};
use crate::admission::{self, InviteError};
use crate::users::UserError;

impl Executor {
    pub(super) async fn cluster_invite(
        &self,
        witness: bool,
        subcluster: Option<u16>,
        replaces: Option<u16>,
    ) -> Result<Outcome, OperationError> {
        let role = match witness {
            true => Role::Witness,
            false => Role::Node,
        };
        let own = self.node.settings.subcluster;
        let subcluster = subcluster.map_or(own, SubclusterId);
        if subcluster == SubclusterId(0) {
            let message = "subclusters are numbered from 1";
            return Err(OperationError::new(ErrorKind::Invalid, message));
        }
        let token = admission::invite(&self.node, role, subcluster, replaces.map(NodeId)).await?;
        Ok(Outcome::Token(token.to_string()))
    }

    pub(super) fn cluster_nodes(&self) -> Vec<ClusterNodeRow> {
        let me = self.node.settings.node;
        self.node.configuration.read(|configuration| {
            let topology = configuration.topology();
            let rows = topology.nodes().map(|(node, entry)| ClusterNodeRow {
                node: node.0,
                name: entry.name.clone(),
                role: match entry.role {
                    Role::Node => "node",
                    Role::Witness => "witness",
                }
                .to_owned(),
                subcluster: entry.subcluster.0,
                incarnation: entry.incarnation.0,
                address: entry.address.clone(),
                version: entry.build.name.clone(),
                formats: entry.build.formats,
                format: configuration.topology().format(),
                site: entry.site.clone(),
                witness_of: topology.hosted_by(node).keys().map(|id| id.0).collect(),
                is_drained: entry.drained,
                state: match (entry.removed, node == me) {
                    (true, _) => "removed",
                    (false, true) => "this node",
                    (false, false) if self.node.peers.is_connected(node, Lane::Control) => {
                        "connected"
                    }
                    (false, false) => "not connected",
                }
                .to_owned(),
            });
            rows.collect()
        })
    }

    pub(super) async fn change(&self, change: TopologyChange) -> Result<Outcome, OperationError> {
        let changed = self.node.configuration.execute(Change::Topology(change));
        match changed.await.map_err(UserError::from)? {
            ChangeReply::Topology(TopologyReply::Done) => Ok(Outcome::Done),
            ChangeReply::Topology(TopologyReply::Rotating) => Err(OperationError::new(
                ErrorKind::Invalid,
                "the certificates are being rotated already; `pollux ctl cluster certificates` \
                 says how far that is, and for whom it waits",
            )),
            ChangeReply::Topology(TopologyReply::NotSpoken) => Err(OperationError::new(
                ErrorKind::Invalid,
                "not every node speaks that format any more; see `pollux ctl cluster nodes`",
            )),
            ChangeReply::Topology(TopologyReply::NoSuchNode) => Err(OperationError::new(
                ErrorKind::NotFound,
                "there is no such node",
            )),
            ChangeReply::Topology(TopologyReply::Stale | TopologyReply::Unfit) => {
                Err(OperationError::new(
                    ErrorKind::Unavailable,
                    "something else was changed at the same moment: look, and try again",
                ))
            }
            other => Err(OperationError::new(
                ErrorKind::Invalid,
                format!("the configuration refused it: {other:?}"),
            )),
        }
    }

    pub(super) fn takeovers(&self) -> Vec<TakeoverRow> {
        self.node.subcluster.read(|state| {
            let rows = state.takeovers().newest_first().map(|row| TakeoverRow {
                home: row.home.0,
                from: row.from.map(|from| from.node.0),
                to: row.to.node.0,
                epoch: row.epoch.0,
                cause: row.cause,
                reason: row.cause.to_string(),
                at: format_timestamp(row.at.wall.0),
                wall_ms: row.at.wall.0,
                group_ms: row.at.group.0,
            });
            rows.collect()
        })
    }

    /// The nodes that may be given users: neither removed nor drained.
    pub(super) fn taking_nodes(&self) -> Vec<NodeId> {
        let subcluster = self.node.settings.subcluster;
        let configuration = &self.node.configuration;
        configuration.read(|configuration| {
            let topology = configuration.topology();
            match topology.serving_nodes(subcluster).is_empty() {
                true => vec![self.node.settings.node],
                false => topology.taking_nodes(subcluster),
            }
        })
    }

    fn serving_nodes(&self) -> Vec<NodeId> {
        let subcluster = self.node.settings.subcluster;
        self.node
            .configuration
            .read(|configuration| configuration.topology().serving_nodes(subcluster))
    }

    pub(super) async fn failover(&self, from: u16) -> Result<Outcome, OperationError> {
        let from = NodeId(from);
        let status = subcluster::status(&self.node);
        let nodes = self.serving_nodes();
        let twin = nodes.iter().find(|node| **node != from).copied();
        let Some(to) = twin.filter(|_| nodes.contains(&from)) else {
            let message = format!("node {from} has no twin in this subcluster");
            return Err(OperationError::new(ErrorKind::NotFound, message));
        };
        let served = status
            .homes
            .iter()
            .filter(|row| row.serving == Some(from.0));
        let moved: Vec<(NodeId, NodeId)> = served.map(|row| (NodeId(row.home), to)).collect();
        self.move_homes(moved).await
    }

    pub(super) async fn fallback(&self) -> Result<Outcome, OperationError> {
        let status = subcluster::status(&self.node);
        let takes = self.taking_nodes();
        let away = status
            .homes
            .iter()
            .filter(|row| row.serving != Some(row.home) && takes.contains(&NodeId(row.home)));
        let moved = away
            .map(|row| (NodeId(row.home), NodeId(row.home)))
            .collect();
        self.move_homes(moved).await
    }

    /// Asks for each, and waits until it is so.
    async fn move_homes(&self, homes: Vec<(NodeId, NodeId)>) -> Result<Outcome, OperationError> {
        let is_so = |home, to| {
            let serving = self.node.subcluster.read(|state| state.serving(home));
            serving.is_some_and(|serving| serving.node == to)
        };
        let duty = self.node.duty();
        let moved = duty.bring_about(&homes, Wisher::Operator, is_so);
        match tokio::time::timeout(MOVE_PATIENCE, moved).await {
            Ok(Ok(())) => Ok(Outcome::Done),
            Ok(Err(error)) => {
                let kind = match &error {
                    WishError::Unable(_) => ErrorKind::Invalid,
                    WishError::NoLeader => ErrorKind::Unavailable,
                };
                Err(OperationError::new(kind, error.to_string()))
            }
            Err(_) => Err(OperationError::new(
                ErrorKind::Unavailable,
                "the move was asked for and has not come about yet; see `subcluster status`",
            )),
        }
    }
}

/// A move gives clients two seconds to hear of it.
const MOVE_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

impl From<InviteError> for OperationError {
    fn from(error: InviteError) -> OperationError {
        let kind = match &error {
            InviteError::Alone | InviteError::Refused(_) => ErrorKind::Invalid,
            InviteError::Group(_) => ErrorKind::Unavailable,
        };
        OperationError::new(kind, error.to_string())
    }
}
