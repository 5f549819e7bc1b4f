//! What other nodes have handed to this one for the log, while it leads: bounded, in the order of
//! each process. Not for whether a command is taken: `apply` decides that.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pollux_domain::limits;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::entry::{Origin, Part};

/// What the leader says to one who hands over a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Receipt {
    /// All up to here waits for the log, or is in it.
    Through(u64),
    /// Too much waits: once more, later.
    Full,
    /// This node does not lead, or leads no longer.
    NotLeader,
}

/// See the module.
pub(super) struct Intake<C> {
    contents: Mutex<Contents<C>>,
    pub(super) grown: Notify,
}

struct Contents<C> {
    open: bool,
    parts: VecDeque<Part<C>>,
    items: usize,
    through: BTreeMap<Origin, u64>,
}

impl<C> Intake<C> {
    pub(super) fn new() -> Intake<C> {
        Intake {
            contents: Mutex::new(Contents {
                open: false,
                parts: VecDeque::new(),
                items: 0,
                through: BTreeMap::new(),
            }),
            grown: Notify::new(),
        }
    }

    fn contents(&self) -> MutexGuard<'_, Contents<C>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This node leads from now on, or no longer. What waited is forgotten: its origins have it.
    pub(super) fn set_open(&self, open: bool) {
        let mut contents = self.contents();
        contents.open = open;
        contents.parts.clear();
        contents.items = 0;
        contents.through.clear();
    }

    /// `afresh`: the origin begins again from what it has seen applied.
    pub(super) fn offer(&self, mut part: Part<C>, afresh: bool) -> Receipt {
        let mut contents = self.contents();
        if !contents.open {
            return Receipt::NotLeader;
        }
        if afresh {
            contents.through.remove(&part.origin);
        }
        let known = contents.through.get(&part.origin).copied();
        if let Some(through) = known {
            if through + 1 < part.first || part.items.is_empty() || part.last() <= through {
                return Receipt::Through(through);
            }
            let skipped = (through + 1).saturating_sub(part.first) as usize;
            let Some(rest) = part.items.behind(skipped) else {
                return Receipt::Through(through);
            };
            part.items = rest;
            part.first = through + 1;
        }
        if part.items.is_empty() {
            return Receipt::Through(part.first.saturating_sub(1));
        }
        if limits::INTAKE_COMMANDS_MAX < contents.items + part.items.len() {
            return Receipt::Full;
        }
        let last = part.last();
        contents.items += part.items.len();
        contents.through.insert(part.origin, last);
        contents.parts.push_back(part);
        drop(contents);
        self.grown.notify_one();
        Receipt::Through(last)
    }

    /// Parts for the next entry, in the order of their coming: as many as fit.
    pub(super) fn next_parts(
        &self,
        mut items_max: usize,
        mut bytes_max: usize,
        weight: impl Fn(&C) -> usize,
    ) -> Vec<Part<C>> {
        let mut contents = self.contents();
        let mut taken = Vec::new();
        while let Some(part) = contents.parts.front() {
            let bytes = part.weight(&weight);
            let fits = part.items.len() <= items_max && bytes <= bytes_max;
            // Alone in its entry a part always fits: its sender keeps to the limits of one.
            let alone = taken.is_empty() && items_max == limits::BATCH_COMMANDS_MAX;
            if !fits && !alone {
                break;
            }
            items_max = items_max.saturating_sub(part.items.len());
            bytes_max = bytes_max.saturating_sub(bytes);
            contents.items -= part.items.len();
            taken.extend(contents.parts.pop_front());
        }
        taken
    }

    pub(super) fn is_empty(&self) -> bool {
        self.contents().parts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::entry::Item;
    use pollux_domain::ids::{Life, NodeId};

    fn part(first: u64, count: usize) -> Part<()> {
        let origin = Origin {
            node: NodeId(2),
            life: Life(1),
        };
        Part {
            origin,
            first,
            items: Vec::from_iter((0..count).map(|_| Item::Barrier)).into(),
        }
    }

    #[test]
    fn repetitions_are_cut_off_and_gaps_refused() {
        let intake = Intake::new();
        assert_eq!(intake.offer(part(1, 2), false), Receipt::NotLeader);
        intake.set_open(true);
        assert_eq!(intake.offer(part(4, 2), false), Receipt::Through(5));
        assert_eq!(intake.offer(part(7, 2), false), Receipt::Through(5));
        assert_eq!(intake.offer(part(4, 3), false), Receipt::Through(6));
        assert_eq!(intake.offer(part(3, 2), true), Receipt::Through(4));
        let firsts = intake.next_parts(512, 1 << 20, |()| 1);
        let firsts: Vec<(u64, usize)> = firsts.iter().map(|p| (p.first, p.items.len())).collect();
        assert_eq!(firsts, [(4, 2), (6, 1), (3, 2)]);
        assert!(intake.is_empty());
    }

    #[test]
    fn a_full_intake_says_so() {
        let intake = Intake::new();
        intake.set_open(true);
        let most = limits::INTAKE_COMMANDS_MAX;
        assert_eq!(
            intake.offer(part(1, most), false),
            Receipt::Through(most as u64)
        );
        assert_eq!(intake.offer(part(most as u64 + 1, 1), false), Receipt::Full);
        intake.set_open(false);
        assert_eq!(intake.offer(part(1, 1), false), Receipt::NotLeader);
    }
}
