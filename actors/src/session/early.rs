//! `deliver = early` (design, section 5, "Modes"; decision 0026): a message is written to its
//! receiver before its commit, at a place that the sender is told. Not for what is committed first:
//! see `outgoing`.

use std::collections::VecDeque;
use std::sync::Arc;

use pollux_domain::contract::{Action, Command, Parcel, Place};
use pollux_domain::delivery::Deliver;

use super::Session;
use crate::inbox::Early;

/// How a stanza reaches its receivers.
pub(super) enum Way {
    /// By an entry, whose slots have these places.
    Entry(Vec<Place>),
    /// It is handed over, and nobody is owed an acknowledgement.
    HandedOver,
}

/// What came early to a session, until its socket has it.
#[derive(Debug, Default)]
pub(super) struct EarlyQueue {
    pub(super) waiting: VecDeque<Early>,
    /// In the write queue, and with nobody else.
    unlogged: Vec<Arc<Parcel>>,
    filled_bytes: usize,
}

impl EarlyQueue {
    fn note_filled(&mut self, early: Early) {
        self.filled_bytes += early.parcel.bytes.len();
        if !early.logged {
            self.unlogged.push(early.parcel);
        }
    }

    /// The socket has everything that was filled. Returns how many bytes of that came early.
    pub(super) fn all_written(&mut self) -> usize {
        self.unlogged.clear();
        std::mem::take(&mut self.filled_bytes)
    }

    /// What the socket did not take, and what nobody has but this queue.
    pub(super) fn take_unwritten(&mut self) -> Vec<Arc<Parcel>> {
        let mut unwritten = std::mem::take(&mut self.unlogged);
        let waiting = self.waiting.drain(..).filter(|early| !early.logged);
        unwritten.extend(waiting.map(|early| early.parcel));
        unwritten
    }
}

impl Session {
    /// Hands a message to its receivers early where that is the mode, and where it overtakes nothing
    /// that this session has said before.
    pub(super) fn way(&mut self, action: &Action) -> Way {
        if self.node.settings.deliver != Deliver::Early {
            return Way::Entry(self.places(action));
        }
        let n = self.proposed + 1;
        let Action::Send(parcel) = action else {
            self.unordered = n;
            return Way::Entry(self.places(action));
        };
        if !parcel.kind.may_go_early() {
            self.unordered = n;
            return Way::Entry(self.places(action));
        }
        let targets = self
            .node
            .subcluster
            .read(|state| state.early_targets(parcel));
        // Whatever stands in no inbox may come to one later.
        let in_order = self.unordered <= self.handled;
        let needs_entry = match targets.as_slice() {
            [only] => only.managed || self.managed.is_some(),
            _ => true,
        };
        let mut places = Vec::with_capacity(targets.len());
        for target in &targets {
            let Some(inbox) = self.node.directory.inbox(target.session) else {
                continue;
            };
            let early = match in_order {
                true => inbox.put_early(target, parcel, needs_entry),
                false => None,
            };
            if early.is_some() && !needs_entry {
                return Way::HandedOver;
            }
            places.push(early.unwrap_or_else(|| inbox.reserve_in_order()));
        }
        if places.is_empty() || places.len() < targets.len() {
            self.unordered = n;
        }
        Way::Entry(places)
    }

    /// What came early to this connection waits for its turn; what came to an older one has a slot,
    /// or gets one.
    pub(super) fn take_early(&mut self, mail: VecDeque<Early>) {
        let connection = self.speaker().connection;
        let mut unwritten = Vec::new();
        for early in mail {
            if early.connection == connection {
                self.guard.early.waiting.push_back(early);
            } else if !early.logged {
                unwritten.push(early.parcel);
            }
        }
        self.keep_unwritten(unwritten);
    }

    /// Counting begins afresh: nothing that came before has a place any more.
    pub(super) fn forget_places(&mut self) {
        let waiting = std::mem::take(&mut self.guard.early.waiting);
        let unlogged = waiting.into_iter().filter(|early| !early.logged);
        let unwritten = unlogged.map(|early| early.parcel).collect();
        self.keep_unwritten(unwritten);
    }

    fn keep_unwritten(&mut self, parcels: Vec<Arc<Parcel>>) {
        if !parcels.is_empty() {
            let session = self.speaker();
            self.propose(Command::Unwritten { session, parcels });
        }
    }

    /// Whether what came early stands before the next slot.
    pub(super) fn is_early_next(&self) -> bool {
        let Some(early) = self.guard.early.waiting.front() else {
            return false;
        };
        self.slots
            .front()
            .is_none_or(|slot| early.at.seq < slot.seq)
    }

    pub(super) fn fill_early(&mut self) {
        let Some(early) = self.guard.early.waiting.pop_front() else {
            return;
        };
        self.stream
            .write_queue
            .extend_from_slice(&early.parcel.bytes);
        self.written = early.at;
        self.sent += 1;
        self.guard.early.note_filled(early);
    }
}
