//! Whether the loss of one node of a subcluster is outlived, and why not: what an operator reads
//! beside its name. Not for what high availability needs when it is turned on: see `redundancy`.

use std::fmt;

use crate::ids::NodeId;

/// One replica of the subcluster's database, as it is configured and as it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replica {
    pub node: NodeId,
    /// Serves users; else it is a witness.
    pub serves: bool,
    /// It is being emptied.
    pub is_drained: bool,
    pub votes: bool,
    pub is_reached: bool,
    /// The replica itself is heard: one that does not open is silent on a node that is reached.
    pub is_heard: bool,
}

/// Why the loss of a node is not outlived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    NoTwin,
    NoWitness,
    Drained(NodeId),
    NoVote(NodeId),
    NotReached(NodeId),
    Silent(NodeId),
}

/// The first reason; none: one node may be lost.
pub fn exposure(replicas: &[Replica]) -> Option<Exposure> {
    let first = |wrong: fn(&Replica) -> bool, why: fn(NodeId) -> Exposure| {
        let found = replicas.iter().find(|replica| wrong(replica));
        found.map(|replica| why(replica.node))
    };
    let serving = replicas.iter().filter(|replica| replica.serves).count();
    if serving < 2 {
        return Some(Exposure::NoTwin);
    }
    if serving == replicas.len() {
        return Some(Exposure::NoWitness);
    }
    first(
        |replica| replica.is_drained && replica.serves,
        Exposure::Drained,
    )
    .or_else(|| first(|replica| !replica.votes, Exposure::NoVote))
    .or_else(|| first(|replica| !replica.is_reached, Exposure::NotReached))
    .or_else(|| first(|replica| !replica.is_heard, Exposure::Silent))
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exposure::NoTwin => f.write_str("it has one node"),
            Exposure::NoWitness => f.write_str("it has no witness"),
            Exposure::Drained(node) => write!(f, "node {node} is drained"),
            Exposure::NoVote(node) => write!(f, "node {node} does not vote yet"),
            Exposure::NotReached(node) => write!(f, "node {node} cannot be reached"),
            Exposure::Silent(node) => write!(f, "the replica at node {node} is silent"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Vec<Replica> {
        let replica = |node| Replica {
            node: NodeId(node),
            serves: node < 3,
            is_drained: false,
            votes: true,
            is_reached: true,
            is_heard: true,
        };
        (1..=3).map(replica).collect()
    }

    #[test]
    fn the_first_reason_is_named() {
        type Change = fn(&mut Vec<Replica>);
        let cases: [(Change, Option<&str>); 9] = [
            (|_| {}, None),
            (|all| _ = all.remove(0), Some("it has one node")),
            (|all| all.clear(), Some("it has one node")),
            (|all| _ = all.pop(), Some("it has no witness")),
            (|all| all[1].is_drained = true, Some("node 2 is drained")),
            // A drained node of another subcluster is a witness as long as nobody else is.
            (|all| all[2].is_drained = true, None),
            (|all| all[2].votes = false, Some("node 3 does not vote yet")),
            (
                |all| all[0].is_reached = false,
                Some("node 1 cannot be reached"),
            ),
            (
                |all| all[2].is_heard = false,
                Some("the replica at node 3 is silent"),
            ),
        ];
        for (index, (change, want)) in cases.into_iter().enumerate() {
            let mut replicas = whole();
            change(&mut replicas);
            let said = exposure(&replicas).map(|exposure| exposure.to_string());
            assert_eq!(said.as_deref(), want, "{index}");
        }
    }
}
