//! When a node may be removed or emptied, and what is to be done first where it may not. Not for
//! doing it.

use crate::ids::{NodeId, SubclusterId};

/// What is known of a node that somebody wants to remove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    pub node: NodeId,
    /// It is the node that was asked.
    pub is_asked: bool,
    /// It serves users, or could; else it is a witness process.
    pub is_serving: bool,
    pub is_reached: bool,
    pub is_drained: bool,
    /// Homes whose users it serves; none: outside of its subcluster nobody knows.
    pub serves: Option<Vec<NodeId>>,
    pub twin: Option<NodeId>,
    /// Subclusters that get another witness soon, and still vote with this one.
    pub witness_of: Vec<SubclusterId>,
}

/// Why a node is not removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Kept {
    #[error("a node does not remove itself; ask another one")]
    Itself,
    #[error(
        "node {0} serves users: empty it first with `pollux ctl node drain {0}`, then remove it; \
         one that is dead is removed as it is"
    )]
    Serves(NodeId),
    #[error(
        "node {0} serves users and has no twin that could: invite one first with `pollux ctl \
         cluster invite --subcluster {1}` and drain node {0}; or stop it, and its users are served \
         by nobody"
    )]
    ServesAlone(NodeId, SubclusterId),
    #[error(
        "whether node {0} still serves users is known in its subcluster alone, and its twin cannot \
         be reached from here: ask the twin, or stop node {0}"
    )]
    Unknown(NodeId),
    #[error(
        "node {0} is still the witness of subcluster {1}, which gets another one: wait until \
         `pollux ctl cluster nodes` does not say so any more"
    )]
    Witness(NodeId, SubclusterId),
}

/// Whether it may be removed. One that cannot be reached may: nothing can be asked of it.
pub fn check_removal(facts: &Facts, subcluster: SubclusterId) -> Result<(), Kept> {
    let node = facts.node;
    if facts.is_asked {
        return Err(Kept::Itself);
    }
    if !facts.is_reached || !facts.is_serving {
        return Ok(());
    }
    match (facts.is_drained, &facts.serves, facts.twin) {
        (true, Some(serves), _) if serves.is_empty() => {}
        (true, None, _) => return Err(Kept::Unknown(node)),
        (_, _, Some(_)) => return Err(Kept::Serves(node)),
        (_, _, None) => return Err(Kept::ServesAlone(node, subcluster)),
    }
    match facts.witness_of.first() {
        Some(subcluster) => Err(Kept::Witness(node, *subcluster)),
        None => Ok(()),
    }
}

/// What is known of a node that somebody wants to empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DrainFacts {
    pub node: NodeId,
    pub is_serving: bool,
    pub twin: Option<NodeId>,
    pub is_twin_drained: bool,
    pub is_twin_reached: bool,
}

/// Why a node is not emptied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error(
        "node {0} is a witness process, which serves nobody: `pollux ctl cluster remove {0}` takes \
         it away as it is"
    )]
    Witness(NodeId),
    #[error(
        "node {0} has no twin that could serve its users: invite one first with `pollux ctl \
         cluster invite --subcluster {1}`"
    )]
    NoTwin(NodeId, SubclusterId),
    #[error(
        "its twin, node {0}, is drained itself: take that back first with `pollux ctl node undrain \
         {0}`"
    )]
    TwinDrained(NodeId),
    #[error(
        "its twin, node {0}, cannot be reached, and would have to serve its users: start it, or \
         look at the wire between"
    )]
    TwinAway(NodeId),
}

/// Whether it may be emptied.
pub fn check_drain(facts: &DrainFacts, subcluster: SubclusterId) -> Result<(), Full> {
    match facts.twin {
        _ if !facts.is_serving => Err(Full::Witness(facts.node)),
        None => Err(Full::NoTwin(facts.node, subcluster)),
        Some(twin) if facts.is_twin_drained => Err(Full::TwinDrained(twin)),
        Some(twin) if !facts.is_twin_reached => Err(Full::TwinAway(twin)),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: SubclusterId = SubclusterId(1);

    fn drained() -> Facts {
        Facts {
            node: NodeId(1),
            is_asked: false,
            is_serving: true,
            is_reached: true,
            is_drained: true,
            serves: Some(Vec::new()),
            twin: Some(NodeId(2)),
            witness_of: Vec::new(),
        }
    }

    #[track_caller]
    fn removal(change: fn(&mut Facts), want: Option<&str>) {
        let mut facts = drained();
        change(&mut facts);
        let said = check_removal(&facts, PAIR).err();
        let said = said.map(|kept| kept.to_string()).unwrap_or_default();
        match want {
            Some(part) => assert!(said.contains(part), "{part}: {said}"),
            None => assert_eq!(said, ""),
        }
    }

    #[test]
    fn one_that_is_empty_or_dead_is_removed_and_no_other() {
        removal(|_| {}, None);
        removal(|facts| facts.is_asked = true, Some("ask another one"));
        removal(|facts| facts.is_drained = false, Some("node drain 1"));
        let serves = |facts: &mut Facts| facts.serves = Some(vec![NodeId(1)]);
        removal(serves, Some("node drain 1"));
        removal(
            |facts| facts.serves = None,
            Some("its twin cannot be reached"),
        );
        removal(
            |facts| {
                facts.is_drained = false;
                facts.twin = None;
            },
            Some("invite one first"),
        );
        removal(
            |facts| facts.witness_of.push(SubclusterId(2)),
            Some("witness of subcluster 2"),
        );
        removal(
            |facts| {
                facts.is_drained = false;
                facts.is_reached = false;
                facts.serves = None;
                facts.witness_of.push(SubclusterId(2));
            },
            None,
        );
        removal(
            |facts| {
                facts.is_drained = false;
                facts.is_serving = false;
            },
            None,
        );
    }

    #[test]
    fn one_is_emptied_into_a_twin_that_is_well() {
        let facts = DrainFacts {
            node: NodeId(1),
            is_serving: true,
            twin: Some(NodeId(2)),
            is_twin_drained: false,
            is_twin_reached: true,
        };
        let check = |facts: DrainFacts, want: &str| {
            let said = check_drain(&facts, PAIR).err();
            let said = said.map(|full| full.to_string()).unwrap_or_default();
            assert!(
                said.contains(want) && said.is_empty() == want.is_empty(),
                "{said}"
            );
        };
        check(facts, "");
        check(
            DrainFacts {
                is_serving: false,
                ..facts
            },
            "serves nobody",
        );
        check(
            DrainFacts {
                twin: None,
                ..facts
            },
            "--subcluster 1",
        );
        check(
            DrainFacts {
                is_twin_drained: true,
                ..facts
            },
            "node undrain 2",
        );
        check(
            DrainFacts {
                is_twin_reached: false,
                ..facts
            },
            "cannot be reached",
        );
    }
}
