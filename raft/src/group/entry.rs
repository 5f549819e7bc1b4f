//! What one entry of the log carries: the commands of one batch with the leader's stamp, in parts,
//! each from one process. Each process's commands are taken in its order and once, however often
//! they are sent. Not for what a command does.

use std::collections::BTreeMap;
use std::sync::Arc;

use pollux_domain::contract::Stamp;
use pollux_domain::ids::{Life, NodeId};
use serde::{Deserialize, Serialize};

use super::items::Items;
use crate::version::Written;

/// Who proposes: one process of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    pub node: NodeId,
    pub life: Life,
}

/// One thing that a process wants in the log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "C: Serialize", deserialize = "C: Deserialize<'de>"))]
pub enum Item<C> {
    Command(Arc<C>),
    /// Nothing: the origin wants to know that it has applied all that was committed before.
    Barrier,
    /// Every replica keeps the state after this entry for a digest.
    Digest,
    /// What a leader has decided as such: nothing, in the entry of any other leadership.
    Decision(Leadership, Arc<C>),
}

/// A term that a voter leads. The log's core knows several leaders to a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leadership {
    pub term: u64,
    /// As a voter's number.
    pub leader: u64,
}

/// Whatever a command is: it is shared.
impl<C> Clone for Item<C> {
    fn clone(&self) -> Item<C> {
        match self {
            Item::Command(command) => Item::Command(command.clone()),
            Item::Barrier => Item::Barrier,
            Item::Digest => Item::Digest,
            Item::Decision(decided, command) => Item::Decision(*decided, command.clone()),
        }
    }
}

impl<C> Item<C> {
    pub fn command(&self) -> Option<&C> {
        match self {
            Item::Command(command) | Item::Decision(_, command) => Some(command),
            Item::Barrier | Item::Digest => None,
        }
    }

    /// What is to be applied of an entry that was written under `written`.
    pub fn command_under(&self, written: Leadership) -> Option<&C> {
        match self {
            Item::Decision(decided, _) if *decided != written => None,
            item => item.command(),
        }
    }
}

/// Consecutive items of one origin.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound(serialize = "C: Serialize", deserialize = ""))]
pub struct Part<C> {
    pub origin: Origin,
    /// The number of the first; an origin's first command ever is 1.
    pub first: u64,
    pub items: Items<C>,
}

impl<C> Part<C> {
    /// Bytes in the log, about.
    pub fn weight(&self, weight: impl Fn(&C) -> usize) -> usize {
        match self.items.present() {
            Some(items) => items.iter().filter_map(Item::command).map(weight).sum(),
            None => self.items.length().unwrap_or_default(),
        }
    }

    /// The number of the last item.
    pub fn last(&self) -> u64 {
        (self.first + self.items.len() as u64).saturating_sub(1)
    }
}

/// One entry of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound(serialize = "C: Serialize", deserialize = ""))]
pub struct Batch<C> {
    pub(crate) written: Written,
    pub stamp: Stamp,
    pub parts: Vec<Part<C>>,
}

/// How far each node's commands are taken. Part of the replicated state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken(BTreeMap<NodeId, (Life, u64)>);

impl Taken {
    /// How many commands at the front of a part are to be passed over, and notes the rest as
    /// taken. None: nothing of it may be taken (an older life, or a gap).
    pub fn take<C>(&mut self, part: &Part<C>) -> Option<usize> {
        let (life, through) = self.0.get(&part.origin.node).copied().unwrap_or_default();
        let through = match part.origin.life {
            newer if life < newer => 0,
            same if life == same => through,
            _ => return None,
        };
        if part.items.is_empty() || through + 1 < part.first || part.last() <= through {
            return None;
        }
        self.0
            .insert(part.origin.node, (part.origin.life, part.last()));
        Some((through + 1 - part.first) as usize)
    }

    /// The number of the origin's last command that was taken.
    pub fn through(&self, origin: Origin) -> u64 {
        match self.0.get(&origin.node) {
            Some((life, through)) if *life == origin.life => *through,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(life: u64, first: u64, count: usize) -> Part<()> {
        let origin = Origin {
            node: NodeId(1),
            life: Life(life),
        };
        Part {
            origin,
            first,
            items: Vec::from_iter((0..count).map(|_| Item::Barrier)).into(),
        }
    }

    #[test]
    fn what_a_leader_decided_is_nothing_under_another_leadership() {
        let under = |term, leader| Leadership { term, leader };
        let decided = Item::Decision(under(5, 1), Arc::new(()));
        for (written, counts) in [
            (under(5, 1), true),
            (under(6, 1), false),
            (under(5, 2), false),
        ] {
            assert_eq!(decided.command_under(written).is_some(), counts);
            assert!(Item::Command(Arc::new(())).command_under(written).is_some());
        }
    }

    #[test]
    fn each_command_of_a_process_is_taken_once_and_in_order() {
        let mut taken = Taken::default();
        for (life, first, count, want) in [
            (5, 2, 1, None),
            (5, 1, 3, Some(0)),
            (5, 1, 3, None),
            (5, 2, 4, Some(2)),
            (5, 7, 1, None),
            (5, 6, 0, None),
            (5, 6, 1, Some(0)),
            (6, 2, 2, None),
            (5, 7, 1, Some(0)),
            (6, 1, 1, Some(0)),
            (5, 8, 1, None),
            (6, 2, 1, Some(0)),
        ] {
            let found = taken.take(&part(life, first, count));
            assert_eq!(found, want, "life {life}: {count} from {first}");
        }
        assert_eq!(taken.through(part(6, 1, 1).origin), 2);
        assert_eq!(taken.through(part(5, 1, 1).origin), 0);
    }
}
