//! The operation that gives a pair another witness among the nodes of other subclusters. Not for
//! the choice of the cluster: see `domain::witnesses`.

use std::time::Duration;

use pollux_domain::ids::{NodeId, SubclusterId};
use pollux_domain::operations::{ErrorKind, OperationError, Outcome};
use pollux_domain::witnesses::{Ward, check, choose};
use pollux_raft::configuration::{Role, TopologyChange};

use super::Executor;
use crate::witnesses;

/// The new one is given the database first, which may be a large one.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

fn refused(kind: ErrorKind, message: String) -> OperationError {
    OperationError::new(kind, message)
}

impl Executor {
    pub(super) async fn move_witness(
        &self,
        subcluster: Option<u16>,
        to: Option<u16>,
    ) -> Result<Outcome, OperationError> {
        let own = self.node.settings.subcluster;
        let subcluster = subcluster.map_or(own, SubclusterId);
        let ward = self
            .node
            .configuration
            .read(|configuration| configuration.topology().ward(subcluster));
        let Some(ward) = ward else {
            let message = format!("there is no subcluster {subcluster}");
            return Err(refused(ErrorKind::NotFound, message));
        };
        let witness = match to {
            Some(to) => self.wanted(&ward, NodeId(to))?,
            None => self.chosen(&ward)?,
        };
        let instead_of = self
            .node
            .configuration
            .read(|configuration| configuration.topology().hosted_witness(subcluster));
        self.change(TopologyChange::Appoint {
            subcluster,
            witness: Some(witness),
            instead_of,
            is_pinned: to.is_some(),
        })
        .await?;
        let moved = async {
            while !self.is_moved(subcluster) {
                tokio::time::sleep(PAUSE).await;
            }
        };
        match tokio::time::timeout(PATIENCE, moved).await {
            Ok(()) => Ok(Outcome::Done),
            Err(_late) => Err(refused(
                ErrorKind::Unavailable,
                "the witness is being moved and does not vote yet: it goes on by itself; see \
                 `subcluster status`"
                    .to_owned(),
            )),
        }
    }

    /// The node that somebody has named.
    fn wanted(&self, ward: &Ward, to: NodeId) -> Result<NodeId, OperationError> {
        let checked = self.node.configuration.read(|configuration| {
            let topology = configuration.topology();
            let entry = topology.node(to);
            if entry.is_some_and(|entry| entry.removed) {
                return Err(format!("node {to} was removed, and does not come back"));
            }
            if entry.is_some_and(|entry| entry.role == Role::Witness) {
                return Err(format!(
                    "node {to} is a witness process, which votes in its own subcluster only"
                ));
            }
            check(&topology.places(), ward, to).map_err(|unfit| unfit.to_string())
        });
        checked.map_err(|message| refused(ErrorKind::Invalid, message))?;
        if ward.witness == Some(to) {
            let message = format!("node {to} is the witness already");
            return Err(refused(ErrorKind::AlreadyExists, message));
        }
        if !self.is_reached(to) {
            let message = format!(
                "node {to} cannot be reached from here: start it, or look at the wire between"
            );
            return Err(refused(ErrorKind::Unavailable, message));
        }
        Ok(to)
    }

    /// What the cluster would choose, whatever an operator has chosen.
    fn chosen(&self, ward: &Ward) -> Result<NodeId, OperationError> {
        let ward = Ward {
            is_pinned: false,
            ..*ward
        };
        let reachable = witnesses::reachable(&self.node);
        let choices = self.node.configuration.read(|configuration| {
            let topology = configuration.topology();
            let mut wards = topology.wards();
            let others = wards
                .iter_mut()
                .filter(|other| other.subcluster == ward.subcluster);
            others.for_each(|other| *other = ward);
            choose(&topology.places(), &wards, &reachable)
        });
        let mut choices = choices.into_iter();
        let choice = choices.find(|choice| choice.subcluster == ward.subcluster);
        let witness = choice.map_or(ward.witness, |choice| choice.witness);
        witness.ok_or_else(|| {
            let message = format!(
                "no node can be the witness of subcluster {}: it wants two nodes, no witness \
                 process, and a node of another subcluster that can be reached",
                ward.subcluster
            );
            refused(ErrorKind::Invalid, message)
        })
    }

    /// Who left has left, and who came votes. Of another subcluster only the former is known here.
    fn is_moved(&self, subcluster: SubclusterId) -> bool {
        let (leaving, voters) = self.node.configuration.read(|configuration| {
            let topology = configuration.topology();
            (topology.leaving(subcluster), topology.voters(subcluster))
        });
        let is_own = subcluster == self.node.settings.subcluster;
        leaving.is_empty() && (!is_own || self.node.subcluster.voters() == voters)
    }
}
