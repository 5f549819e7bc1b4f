//! Whether a node may take over from its twin by itself: switched on where everything that it needs
//! is there. Not for what it needs: see `domain::redundancy`.

use std::time::Duration;

use pollux_domain::ids::NodeId;
use pollux_domain::operations::{ErrorKind, OperationError, Outcome};
use pollux_domain::redundancy::{Answer, Away, Facts, Replica, unmet};
use pollux_raft::configuration::TopologyChange;

use super::replicas::{self, Question, Told};
use super::{Executor, subcluster};

/// A replica that is well answers within a round trip; one that has just been connected has this
/// long.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);

impl Executor {
    pub(super) async fn set_high_availability(&self, on: bool) -> Result<Outcome, OperationError> {
        if on {
            let unmet = unmet(&self.redundancy().await);
            if !unmet.is_empty() {
                let lines = unmet.iter().map(|unmet| format!("\n- {unmet}"));
                let text = "high availability needs two nodes and a witness that all are well, \
                            with their users at home; nothing was changed";
                let message = format!("{text}:{}", lines.collect::<String>());
                return Err(OperationError::new(ErrorKind::Invalid, message));
            }
        }
        let subcluster = self.node.settings.subcluster;
        self.change(TopologyChange::SetHighAvailability { subcluster, on })
            .await
    }

    async fn redundancy(&self) -> Facts {
        let node = &self.node;
        let members: Vec<(NodeId, String, bool, String)> =
            node.configuration.read(|configuration| {
                let topology = configuration.topology();
                let replicas = topology.replicas(node.settings.subcluster).into_iter();
                let rows = replicas.map(|(number, entry, serves)| {
                    (number, entry.name.clone(), serves, entry.build.name.clone())
                });
                rows.collect()
            });
        let wanted = node
            .configuration
            .read(|configuration| configuration.topology().voters(node.settings.subcluster));
        // Not under an older name.
        let voters = &node.subcluster.voters() & &wanted;
        let (_, committed, _) = node.subcluster.indexes();
        let mut replicas = Vec::new();
        for (number, name, serves, version) in members {
            replicas.push(Replica {
                node: number,
                name,
                serves,
                version,
                votes: voters.iter().any(|voter| voter.node == number),
                answer: self.answer_of(number).await,
            });
        }
        Facts {
            replicas,
            committed,
            drained: self.drained(),
            away: self.away(),
        }
    }

    async fn answer_of(&self, other: NodeId) -> Option<Answer> {
        if other == self.node.settings.node {
            return Some(replicas::about(&self.node));
        }
        let asking = async {
            loop {
                let told = replicas::ask(&self.node, other, Question::About).await;
                if let Some(Told::About { applied, down, .. }) = told {
                    return Answer { applied, down };
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.ok()
    }

    fn drained(&self) -> Vec<NodeId> {
        let subcluster = self.node.settings.subcluster;
        self.node.configuration.read(|configuration| {
            let topology = configuration.topology();
            let mut nodes = topology.serving_nodes(subcluster);
            nodes.retain(|node| topology.is_drained(*node));
            nodes
        })
    }

    fn away(&self) -> Vec<Away> {
        let status = subcluster::status(&self.node);
        let moves = self.node.duty().outlook().map(|outlook| outlook.moves);
        let moves = moves.unwrap_or_default();
        // A node that was removed, or is emptied, does not come home.
        let takes = self.taking_nodes();
        let homes = status.homes.iter();
        let homes = homes.filter(|row| takes.contains(&NodeId(row.home)));
        let homes = homes.map(|row| {
            let (home, by) = (NodeId(row.home), row.serving.map(NodeId));
            // What the leader has said may be older than what is committed.
            let is_moving = moves
                .iter()
                .any(|moving| moving.home == home && Some(moving.to) != by);
            Away {
                home,
                by,
                is_moving,
            }
        });
        homes
            .filter(|away| away.is_moving || away.by != Some(away.home))
            .collect()
    }
}
