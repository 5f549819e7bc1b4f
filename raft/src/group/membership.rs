//! Who has a group's log and who votes in it, and how that changes: one member at a time, each
//! caught up before it votes. Asked of the leader only.

use std::collections::BTreeSet;
use std::time::Duration;

use openraft::impls::EmptyNode;
use openraft::{ChangeMembers, ServerState};
use pollux_domain::ids::Voter;
use tokio::time::sleep;

use super::Group;
use crate::machine::Kind;

/// Between two looks at how far a newcomer is.
const LOOK: Duration = Duration::from_millis(20);

/// Why the membership does not change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    #[error("this node does not lead the group; {}", leader(.0))]
    NotLeader(Option<Voter>),
    #[error("voter {0} is not newer than voter {1}, which the group knows")]
    Stale(Voter, Voter),
    #[error("a group keeps at least one voter")]
    Last,
    #[error("the group did not change: {0}")]
    Failed(String),
}

fn leader(voter: &Option<Voter>) -> String {
    match voter {
        Some(voter) => format!("node {} does", voter.node),
        None => "nobody does".to_owned(),
    }
}

/// One member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    pub voter: Voter,
    pub votes: bool,
    /// The last entry that it is known to have; only the leader knows.
    pub matched: Option<u64>,
}

impl<G: Kind> Group<G> {
    /// Whether this node leads.
    pub fn leads(&self) -> bool {
        let metrics = self.raft.server_metrics();
        metrics.borrow().state == ServerState::Leader
    }

    pub fn leader(&self) -> Option<Voter> {
        let metrics = self.raft.server_metrics();
        let leader = metrics.borrow().current_leader;
        leader.map(Voter::from_number)
    }

    pub fn term(&self) -> u64 {
        self.mind.with(|_, _, facts| facts.term)
    }

    pub fn members(&self) -> Vec<MemberRow> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let membership = metrics.membership_config.membership();
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let rows = membership.nodes().map(|(id, _)| MemberRow {
            voter: Voter::from_number(*id),
            votes: voters.contains(id),
            matched: metrics
                .replication
                .as_ref()
                .and_then(|replication| replication.get(id)?.map(|id| id.index)),
        });
        rows.collect()
    }

    /// The voters, as the newest membership in the log names them.
    pub fn voters(&self) -> BTreeSet<Voter> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow();
        let voters = metrics.membership_config.voter_ids();
        voters.map(Voter::from_number).collect()
    }

    /// Whether nobody of that name has the log any more, for certain: so it is in an entry that is
    /// committed.
    pub fn is_without(&self, voter: Voter) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let stored = &metrics.membership_config;
        let is_committed = stored.log_id().as_ref() <= metrics.last_applied.as_ref();
        let membership = stored.membership();
        let mut known = membership.nodes().map(|(id, _)| *id);
        let is_one_set = membership.get_joint_config().len() == 1;
        is_committed && is_one_set && known.all(|id| id != voter.number())
    }

    /// Takes a voter in: it is brought up to date first. An older incarnation of its node goes with
    /// the same change (design, section 4, "Voters"), and so does `instead`: at no moment more
    /// votes are needed than of three.
    pub async fn admit(&self, voter: Voter, instead: Option<Voter>) -> Result<(), MembershipError> {
        let known: Vec<Voter> = self.members().into_iter().map(|row| row.voter).collect();
        let old: Vec<Voter> = known
            .into_iter()
            .filter(|known| known.node == voter.node && *known != voter)
            .collect();
        if let Some(newer) = old.iter().find(|old| voter.incarnation < old.incarnation) {
            return Err(MembershipError::Stale(voter, *newer));
        }
        if self.voters().contains(&voter) {
            return Ok(());
        }
        self.raft
            .add_learner(voter.number(), EmptyNode {}, true)
            .await
            .map_err(|error| self.failed(&error))?;
        self.catches_up(voter).await?;
        let mut voters: BTreeSet<u64> = self.voters().iter().map(|voter| voter.number()).collect();
        voters.insert(voter.number());
        for old in old.into_iter().chain(instead) {
            voters.remove(&old.number());
        }
        self.change(ChangeMembers::ReplaceAllVoters(voters), false)
            .await
    }

    /// Resolves when a member has an entry that is made now. openraft calls one caught up that
    /// lacks some thousand entries, which may be all of them: it may not have begun. And what it is
    /// known to have it may have had before it went away.
    async fn catches_up(&self, member: Voter) -> Result<(), MembershipError> {
        let made = self.catch_up().await;
        made.map_err(|error| self.failed(&error))?;
        let wanted = self.facts.last().index;
        let has_all = |row: &MemberRow| row.voter == member && Some(wanted) <= row.matched;
        while !self.members().iter().any(has_all) {
            if !self.leads() {
                return Err(MembershipError::NotLeader(self.leader()));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Gives a member the log without a vote; does not wait until it has it.
    pub async fn teach(&self, member: Voter) -> Result<(), MembershipError> {
        self.raft
            .add_learner(member.number(), EmptyNode {}, false)
            .await
            .map_err(|error| self.failed(&error))?;
        Ok(())
    }

    /// Takes a member's vote; it has the log on.
    pub async fn unseat(&self, voter: Voter) -> Result<(), MembershipError> {
        let voters = self.voters();
        let rest = voters.iter().filter(|other| **other != voter);
        let rest: BTreeSet<u64> = rest.map(|voter| voter.number()).collect();
        if rest.is_empty() {
            return Err(MembershipError::Last);
        }
        self.change(ChangeMembers::ReplaceAllVoters(rest), true)
            .await
    }

    /// Gives a member up, with its vote if it has one.
    pub async fn expel(&self, member: Voter) -> Result<(), MembershipError> {
        if self.voters().contains(&member) {
            self.unseat(member).await?;
        }
        let gone = BTreeSet::from([member.number()]);
        self.change(ChangeMembers::RemoveNodes(gone), false).await
    }

    /// `retain`: whoever loses its vote has the log on.
    async fn change(
        &self,
        change: ChangeMembers<u64, EmptyNode>,
        retain: bool,
    ) -> Result<(), MembershipError> {
        self.raft
            .change_membership(change, retain)
            .await
            .map_err(|error| self.failed(&error))?;
        Ok(())
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> MembershipError {
        match self.leads() {
            true => MembershipError::Failed(error.to_string()),
            false => MembershipError::NotLeader(self.leader()),
        }
    }
}
