//! What the courier between groups and an operator read of outboxes. Reads only.

use std::collections::BTreeMap;
use std::sync::Arc;

use pollux_domain::contract::{GroupName, OutboxLine};
use pollux_domain::ids::{Incarnation, SubclusterId};
use pollux_domain::jid::BareJid;

use crate::state::State;

/// Lines as they travel: the contents of a `Take`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipment {
    /// The life of this group under which they are numbered.
    pub source: GroupName,
    pub told: u64,
    pub first: u64,
    pub lines: Vec<Arc<OutboxLine>>,
}

/// One outbox as an operator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxRow {
    pub target: SubclusterId,
    pub lines: usize,
    pub bytes: usize,
    /// The oldest line that may or may not have been taken.
    pub oldest: Option<(Incarnation, u64)>,
    /// How long it has waited; what an alarm looks at.
    pub oldest_age_ms: u64,
    /// Users and devices whose availability is told when there is room.
    pub owed: usize,
}

impl State {
    pub fn group_name(&self) -> Option<GroupName> {
        self.name
    }

    /// Users of other groups, and which.
    pub fn foreign_users(&self) -> BTreeMap<BareJid, SubclusterId> {
        let foreign = self.foreign.iter();
        foreign
            .map(|(user, group)| (user.clone(), *group))
            .collect()
    }

    /// Groups for which lines wait.
    pub fn outbox_targets(&self) -> Vec<SubclusterId> {
        let waiting = self
            .outboxes
            .iter()
            .filter(|(_, outbox)| !outbox.lines.is_empty());
        waiting.map(|(target, _)| *target).collect()
    }

    /// The lines for a group from a number on, at least one if there is one. Lines of an older life
    /// come first and alone, under their old name: those of the present are shown when the target
    /// has taken all of them, so that their order holds.
    pub fn outbox_lines(
        &self,
        target: SubclusterId,
        from: u64,
        count_max: usize,
        bytes_max: usize,
    ) -> Option<Shipment> {
        let outbox = self.outboxes.get(&target)?;
        let oldest = outbox.lines.front()?;
        let incarnation = oldest.incarnation;
        // Within one life numbers have no gaps.
        let skipped = usize::try_from(from.saturating_sub(oldest.number)).ok()?;
        let waiting = outbox.lines.range(skipped.min(outbox.lines.len())..);
        let mut waiting = waiting
            .take_while(|line| line.incarnation == incarnation)
            .peekable();
        let first = waiting.peek()?.number;
        let mut bytes = 0;
        let mut lines = Vec::new();
        for line in waiting.take(count_max) {
            bytes += line.line.weight();
            if bytes_max < bytes && !lines.is_empty() {
                break;
            }
            lines.push(line.line.clone());
        }
        let (life, told) = outbox.told;
        let source = GroupName {
            incarnation,
            ..self.name?
        };
        Some(Shipment {
            source,
            told: if life == incarnation { told } else { 0 },
            first,
            lines,
        })
    }

    /// How far the lines of another group have been taken, in its newest life.
    pub fn taken_through(&self, source: SubclusterId) -> Option<(Incarnation, u64)> {
        let taken = self.taken.get(&source)?;
        Some((taken.incarnation, taken.through))
    }

    pub fn outbox_rows(&self) -> Vec<OutboxRow> {
        let rows = self.outboxes.iter().map(|(target, outbox)| {
            let oldest = outbox.lines.front();
            let age = oldest.map_or(0, |line| self.stamp.group.0.saturating_sub(line.since.0));
            OutboxRow {
                target: *target,
                lines: outbox.lines.len(),
                bytes: outbox.bytes,
                oldest: oldest.map(|line| (line.incarnation, line.number)),
                oldest_age_ms: age,
                owed: outbox.owed.len(),
            }
        });
        rows.collect()
    }
}
