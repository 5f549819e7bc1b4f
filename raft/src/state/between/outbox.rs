//! What this group has to tell others, in order, and its limits (design, section 5, rule 2;
//! decision 0021). What is taken from others stands in `take`.
//!
//! A line has its number for good: it is never changed once it may have travelled, so that a name
//! and a number always mean the same. Availability that finds no room is not a line but a *debt*:
//! who is owed a word, not which. It is paid with the latest value when there is room.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use pollux_domain::contract::{OutboxLine, Parcel, ParcelKind, Refusal};
use pollux_domain::ids::{GroupMs, Incarnation, SubclusterId};
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::limits;
use pollux_domain::stanza_error::Condition;
use serde::{Deserialize, Serialize};

use crate::state::{Outcome, State};

/// Walks must reach the limits, so that tests have small ones.
const fn limit(real: usize, small: usize) -> usize {
    if cfg!(test) { small } else { real }
}

pub(in crate::state) const LINES_MAX: usize = limit(limits::OUTBOX_LINES_MAX, 40);
/// See [`limits::FOREIGN_PRESENCE_BYTES_MAX`].
pub(in crate::state) const PRESENCE_BYTES_MAX: usize =
    limit(limits::FOREIGN_PRESENCE_BYTES_MAX, 12);
pub(in crate::state) const HARD_LINES_MAX: usize = limit(limits::OUTBOX_HARD_LINES_MAX, 48);

/// The lines for one other group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Outbox {
    /// The number of the newest line in this life of the group.
    pub(in crate::state) last: u64,
    /// Up to which line the target has said that it took them, and in which life that was numbered.
    pub(in crate::state) told: (Incarnation, u64),
    pub(in crate::state) lines: VecDeque<Line>,
    /// The sum of the lines' weights.
    pub(in crate::state) bytes: usize,
    pub(in crate::state) owed: BTreeSet<Debt>,
}

/// One line that waits, or travels, or has been taken without our knowing it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(in crate::state) incarnation: Incarnation,
    pub(in crate::state) number: u64,
    pub(in crate::state) since: GroupMs,
    pub(in crate::state) line: Arc<OutboxLine>,
}

/// What the target is to be told as soon as there is room. Bounded by the users and sessions that
/// there are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Debt {
    /// All about one of our users.
    View(BareJid),
    /// A question about one of theirs.
    Probe(BareJid),
    /// Directed presence of this device to that address is over.
    Gone(Jid, Jid),
}

impl Outbox {
    /// Lines and bytes are below the limit that holds for what clients send.
    fn is_below_limit(&self) -> bool {
        self.lines.len() < LINES_MAX && self.bytes < limits::OUTBOX_BYTES_MAX
    }

    fn is_at_hard_limit(&self) -> bool {
        HARD_LINES_MAX <= self.lines.len() || limits::OUTBOX_HARD_BYTES_MAX <= self.bytes
    }
}

impl State {
    /// One more line may be written on a client's behalf.
    pub(in crate::state) fn has_outbox_room(&self, target: SubclusterId) -> bool {
        let outbox = self.outboxes.get(&target);
        outbox.is_none_or(|outbox| outbox.is_below_limit() && outbox.owed.is_empty())
    }

    /// Not even a bounce or an answer has room.
    pub(in crate::state) fn is_outbox_spent(&self, target: SubclusterId) -> bool {
        let outbox = self.outboxes.get(&target);
        outbox.is_some_and(Outbox::is_at_hard_limit)
    }

    /// Writes a line, whatever the limits say: who writes on a client's behalf has asked before.
    pub(in crate::state) fn tell(
        &mut self,
        target: SubclusterId,
        line: OutboxLine,
        out: &mut Outcome,
    ) {
        self.begin(target, out);
        self.append(target, line, out);
    }

    /// The first line for a group in this life says that it is one.
    pub(in crate::state) fn begin(&mut self, target: SubclusterId, out: &mut Outcome) {
        if self.outboxes.entry(target).or_default().last == 0 {
            self.append(target, OutboxLine::Began, out);
        }
    }

    fn append(&mut self, target: SubclusterId, line: OutboxLine, out: &mut Outcome) {
        let incarnation = self.incarnation();
        let outbox = self.outboxes.entry(target).or_default();
        outbox.last += 1;
        outbox.bytes += line.weight();
        outbox.lines.push_back(Line {
            incarnation,
            number: outbox.last,
            since: self.stamp.group,
            line: Arc::new(line),
        });
        out.grew.insert(target);
    }

    /// What may be said later as well, by its latest value.
    pub(in crate::state) fn tell_or_owe(
        &mut self,
        target: SubclusterId,
        line: OutboxLine,
        debt: Debt,
        out: &mut Outcome,
    ) {
        if self.has_outbox_room(target) {
            self.tell(target, line, out);
        } else {
            self.owe(target, debt, out);
        }
    }

    pub(in crate::state) fn owe(&mut self, target: SubclusterId, debt: Debt, out: &mut Outcome) {
        self.outboxes.entry(target).or_default().owed.insert(debt);
        self.pay(target, out);
    }

    /// Debts become lines while there is room.
    fn pay(&mut self, target: SubclusterId, out: &mut Outcome) {
        loop {
            let Some(outbox) = self.outboxes.get_mut(&target) else {
                return;
            };
            if !outbox.is_below_limit() {
                return;
            }
            let Some(debt) = outbox.owed.pop_first() else {
                return;
            };
            let line = match debt {
                Debt::View(user) => self.view_of(&user, target),
                Debt::Probe(user) => OutboxLine::Probe { user },
                Debt::Gone(from, to) => OutboxLine::Availability {
                    from,
                    available: false,
                    bytes: None,
                    watchers: false,
                    directed: vec![to],
                },
            };
            self.tell(target, line, out);
        }
    }

    /// A parcel of a session of this group for a user of another.
    pub(in crate::state) fn send_abroad(
        &mut self,
        target: SubclusterId,
        parcel: Arc<Parcel>,
        out: &mut Outcome,
    ) {
        // Answers may use the reserve: nobody may be told that they were refused (RFC 6120 section
        // 8.2.3). `answer_has_no_place` has seen to the end of the reserve.
        let answers = is_answer(parcel.kind);
        if answers || self.has_outbox_room(target) {
            self.tell(target, OutboxLine::Parcel(parcel), out);
        } else {
            self.bounce(&parcel, Condition::ResourceConstraint, out);
        }
    }

    /// An answer that can neither be passed on nor be refused. Its session ends before the answer
    /// is acknowledged, as one that holds too much does.
    pub(in crate::state) fn answer_has_no_place(&self, parcel: &Parcel) -> bool {
        let target = self.foreign_home(parcel.to.bare_str());
        is_answer(parcel.kind) && target.is_some_and(|target| self.is_outbox_spent(target))
    }

    /// The target has taken lines. What it refused goes back to its sender here.
    pub(in crate::state) fn told(
        &mut self,
        target: SubclusterId,
        incarnation: Incarnation,
        through: u64,
        refused: &[u64],
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        let present = self.incarnation();
        let outbox = self.outboxes.get_mut(&target).ok_or(Refusal::AheadOfSent)?;
        // Of an older life the target may know more than this one remembers.
        if present < incarnation || (incarnation == present && outbox.last < through) {
            return Err(Refusal::AheadOfSent);
        }
        if (incarnation, through) <= outbox.told {
            return Ok(());
        }
        // Lines of the life before come first, in any life.
        if outbox
            .lines
            .front()
            .is_some_and(|line| line.incarnation < incarnation)
        {
            return Err(Refusal::OutOfTurn);
        }
        outbox.told = (incarnation, through);
        let taken = |line: &Line| line.incarnation == incarnation && line.number <= through;
        let count = outbox.lines.iter().take_while(|line| taken(line)).count();
        let done: Vec<Line> = outbox.lines.drain(..count).collect();
        outbox.bytes -= done.iter().map(|line| line.line.weight()).sum::<usize>();
        for line in done {
            if let OutboxLine::Parcel(parcel) = line.line.as_ref()
                && refused.contains(&line.number)
            {
                self.come_back(parcel, Condition::ResourceConstraint, out);
            }
        }
        self.pay(target, out);
        Ok(())
    }

    /// An operator gives a line up. It keeps its number, so that those behind it keep theirs.
    pub(in crate::state) fn drop_line(
        &mut self,
        target: SubclusterId,
        incarnation: Incarnation,
        number: u64,
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        let outbox = self.outboxes.get_mut(&target).ok_or(Refusal::NoSuchLine)?;
        let line = outbox
            .lines
            .iter_mut()
            .find(|line| line.incarnation == incarnation && line.number == number)
            .ok_or(Refusal::NoSuchLine)?;
        let removed = std::mem::replace(&mut line.line, Arc::new(OutboxLine::Removed));
        outbox.bytes = outbox.bytes + line.line.weight() - removed.weight();
        match removed.as_ref() {
            OutboxLine::Parcel(parcel) => {
                self.come_back(parcel, Condition::ServiceUnavailable, out);
            }
            OutboxLine::Availability { from, .. } => {
                self.owe(target, Debt::View(from.to_bare()), out);
            }
            OutboxLine::Watch { user, .. } | OutboxLine::View { user, .. } => {
                self.owe(target, Debt::View(user.clone()), out);
            }
            OutboxLine::Probe { .. }
            | OutboxLine::Bounce(..)
            | OutboxLine::Began
            | OutboxLine::Removed => {}
        }
        self.pay(target, out);
        Ok(())
    }
}

/// What answers something and is never answered itself.
fn is_answer(kind: ParcelKind) -> bool {
    matches!(kind, ParcelKind::IqResponse | ParcelKind::MessageError)
}
