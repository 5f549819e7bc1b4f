//! The groups have the members that the topology names: done by whoever leads a group, one change
//! at a time. A node that was admitted is brought up to date and then votes, or has the log without
//! a vote; one that was removed goes. Not for which node is a witness: see `witnesses`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pollux_domain::ids::{NodeId, Voter};
use pollux_raft::configuration::{Change, NodeEntry, TopologyChange};
use pollux_raft::group::{Group, MemberRow, MembershipError};
use pollux_raft::machine::Kind;

use crate::node::Node;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long a newcomer may take to be brought up to date, before another try.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs until the node stops. A newcomer that one group waits for does not keep the other from its
/// own.
pub async fn run(node: Arc<Node>) {
    tokio::join!(configuration(&node), subcluster(&node));
}

async fn configuration(node: &Node) {
    while !node.is_stopping() {
        let all: BTreeSet<Voter> = node.configuration.read(|configuration| {
            let nodes = configuration.topology().nodes();
            let present = nodes.filter(|(_, entry)| !entry.removed);
            present.map(voter).collect()
        });
        attend(&node.configuration, &odd(all.clone()), &all).await;
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn subcluster(node: &Node) {
    let id = node.settings.subcluster;
    while !node.is_stopping() {
        let own = node
            .configuration
            .read(|configuration| configuration.topology().voters(id));
        attend(&node.subcluster, &own, &own).await;
        relieve(node).await;
        tokio::time::sleep(INTERVAL).await;
    }
}

/// A witness that the group votes without may drop its replica. Said by the group's leader, who
/// knows it for certain.
async fn relieve(node: &Node) {
    let subcluster = node.settings.subcluster;
    if !node.subcluster.is_leading() {
        return;
    }
    let leaving = node
        .configuration
        .read(|configuration| configuration.topology().leaving(subcluster));
    for voter in leaving {
        if !node.subcluster.is_without(voter) {
            continue;
        }
        let relieve = Change::Topology(TopologyChange::Relieve { subcluster, voter });
        match node.configuration.execute(relieve).await {
            Ok(_) => tracing::info!(%subcluster, %voter, "witness is relieved"),
            Err(error) => tracing::debug!(%voter, %error, "witness is not relieved yet"),
        }
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

/// What a group has to change next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Admit(Voter),
    /// Admits the one instead of the other, in one change.
    Replace(Voter, Voter),
    /// It has the log, and no vote.
    Teach(Voter),
    Unseat(Voter),
    Expel(Voter),
}

/// `wanted` are to vote, and are among `members`, who all are to have the log: whoever has no
/// configuration knows neither users nor its own place. A newcomer votes when it has begun to
/// learn; one that never comes keeps nobody else waiting. Who leaves votes until a newcomer does
/// instead.
fn next_step(
    rows: &[MemberRow],
    wanted: &BTreeSet<Voter>,
    members: &BTreeSet<Voter>,
) -> Option<Step> {
    let known: BTreeSet<Voter> = rows.iter().map(|row| row.voter).collect();
    let voters = rows.iter().filter(|row| row.votes);
    let voters: BTreeSet<Voter> = voters.map(|row| row.voter).collect();
    let learning = rows.iter().filter(|row| row.matched.is_some());
    let learning: BTreeSet<Voter> = learning.map(|row| row.voter).collect();
    let listener = members.difference(&known).next().copied();
    let newcomers: BTreeSet<Voter> = wanted.difference(&voters).copied().collect();
    let leaving: BTreeSet<Voter> = voters.difference(members).copied().collect();
    let ready = || newcomers.intersection(&learning).next().copied();
    let admit = |newcomer| match leaving.first() {
        Some(old) => Step::Replace(newcomer, *old),
        None => Step::Admit(newcomer),
    };
    let is_awaited = |leaver: &Voter| leaving.contains(leaver) && leaving.len() <= newcomers.len();
    let leaver = || {
        let mut leavers = known.difference(members);
        leavers.find(|leaver| !is_awaited(leaver)).copied()
    };
    let extra = || {
        voters
            .difference(wanted)
            .find(|voter| members.contains(voter))
    };
    listener
        .map(Step::Teach)
        .or_else(|| ready().map(admit))
        .or_else(|| leaver().map(Step::Expel))
        .or_else(|| extra().copied().map(Step::Unseat))
}

async fn attend<G: Kind>(group: &Group<G>, wanted: &BTreeSet<Voter>, members: &BTreeSet<Voter>) {
    if !group.is_leading() || wanted.is_empty() {
        return;
    }
    let Some(step) = next_step(&group.members(), wanted, members) else {
        return;
    };
    tracing::info!(group = %group.group(), ?step, "membership changes");
    let changed = match step {
        Step::Admit(newcomer) => admit(group, newcomer, None).await,
        Step::Replace(newcomer, old) => admit(group, newcomer, Some(old)).await,
        Step::Teach(listener) => group.teach(listener).await,
        Step::Unseat(voter) => group.unseat(voter).await,
        Step::Expel(leaver) => group.expel(leaver).await,
    };
    if let Err(error) = changed {
        tracing::warn!(group = %group.group(), %error, "membership does not change yet");
    }
}

async fn admit<G: Kind>(
    group: &Group<G>,
    newcomer: Voter,
    instead: Option<Voter>,
) -> Result<(), MembershipError> {
    let admitted = tokio::time::timeout(PATIENCE, group.admit(newcomer, instead)).await;
    admitted.unwrap_or_else(|_| Err(MembershipError::Failed("it took too long".to_owned())))
}

#[cfg(test)]
mod tests {
    use pollux_domain::ids::Incarnation;

    use super::*;

    fn voters(nodes: &[u16]) -> BTreeSet<Voter> {
        let voter = |node: &u16| Voter {
            node: NodeId(*node),
            incarnation: Incarnation(1),
        };
        nodes.iter().map(voter).collect()
    }

    /// Follows the steps until there is none: who votes, and who only has the log. `away`: nothing
    /// is known of what they have.
    fn settled(
        topology: &[u16],
        (voting, learning): (&[u16], &[u16]),
        away: &[u16],
    ) -> (String, String) {
        let members = voters(topology);
        let wanted = odd(members.clone());
        let (mut votes, mut known) = (voters(voting), voters(voting));
        known.extend(voters(learning));
        let mut steps = 0;
        loop {
            let row = |voter: &Voter| MemberRow {
                voter: *voter,
                votes: votes.contains(voter),
                matched: (!away.contains(&voter.node.0)).then_some(7),
            };
            let rows: Vec<MemberRow> = known.iter().map(row).collect();
            match next_step(&rows, &wanted, &members) {
                None => break,
                Some(Step::Admit(voter)) => {
                    known.insert(voter);
                    votes.insert(voter);
                }
                Some(Step::Replace(voter, old)) => {
                    known.insert(voter);
                    assert!(votes.insert(voter));
                    assert!(known.remove(&old) && votes.remove(&old));
                }
                Some(Step::Teach(voter)) => assert!(known.insert(voter)),
                Some(Step::Unseat(voter)) => assert!(votes.remove(&voter)),
                Some(Step::Expel(voter)) => {
                    known.remove(&voter);
                    votes.remove(&voter);
                }
            }
            steps += 1;
            assert!(steps < 20, "it comes to an end");
        }
        let listeners = known.difference(&votes);
        let numbers = |nodes: Vec<Voter>| {
            let numbers = nodes.iter().map(|voter| voter.node.to_string());
            numbers.collect::<Vec<_>>().join(" ")
        };
        (
            numbers(votes.iter().copied().collect()),
            numbers(listeners.copied().collect()),
        )
    }

    /// The topology; who votes and who only has the log before, and after.
    type Case = (
        &'static [u16],
        (&'static [u16], &'static [u16]),
        &'static str,
        &'static str,
    );

    #[test]
    fn one_that_never_comes_keeps_nobody_waiting_and_nobody_leaves_for_it() {
        let votes = |topology, before, away| settled(topology, before, away).0;
        assert_eq!(votes(&[1, 2, 4, 5, 6], (&[1, 2], &[]), &[4]), "1 2 5 6");
        assert_eq!(votes(&[1, 2, 4], (&[1, 2, 3], &[]), &[4]), "1 2 3");
        assert_eq!(votes(&[1, 2, 5], (&[1, 2, 3, 4], &[]), &[5]), "1 2 4");
        assert_eq!(votes(&[1, 2], (&[1, 2, 3], &[]), &[3]), "1 2");
    }

    #[test]
    fn an_odd_number_votes_and_everybody_has_the_log() {
        let cases: [Case; 7] = [
            (&[1, 2], (&[1], &[]), "1 2", ""),
            (&[1, 2, 3, 4], (&[1, 2, 3], &[]), "1 2 3", "4"),
            (&[1, 2, 3, 4, 5], (&[1, 2, 3], &[4]), "1 2 3 4 5", ""),
            (&[1, 2, 3, 4, 5, 6], (&[1], &[]), "1 2 3 4 5", "6"),
            (&[1, 2, 3, 5], (&[1, 2, 3, 4, 5], &[6]), "1 2 3", "5"),
            (&[1, 2, 3], (&[1, 2, 3], &[4]), "1 2 3", ""),
            (&[1, 2, 4], (&[1, 2, 3], &[]), "1 2 4", ""),
        ];
        for (topology, before, votes, learns) in cases {
            let (voting, learning) = settled(topology, before, &[]);
            assert_eq!((&*voting, &*learning), (votes, learns), "{topology:?}");
        }
    }
}
