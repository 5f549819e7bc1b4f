//! `deliver = early` (design, section 5, "Modes"; decision 0026): a message is written to its
//! receiver before its commit, at a place that the sender is told. Not for what is committed first:
//! see `outgoing`.

use std::collections::VecDeque;

use pollux_domain::contract::{self, Action, Command, Place, Position};
use pollux_domain::delivery::Deliver;
use pollux_raft::state::EarlyTarget;

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
    /// In the write queue: how many bytes, and up to where.
    filled: usize,
    through: Position,
}

impl Session {
    /// Hands a message to its receivers early where that is the mode, and where it overtakes
    /// nothing that this session has said before.
    pub(super) fn way(&mut self, action: &Action) -> Way {
        if self.node.settings.deliver != Deliver::Early {
            return Way::Entry(self.places(action));
        }
        let n = self.proposed + 1;
        let Action::Send(parcel) = action else {
            self.unordered = n;
            return Way::Entry(self.places(action));
        };
        let id = self.speaker().id;
        let (targets, between_two) = self.node.subcluster.read(|state| {
            let targets = state.early_targets(parcel);
            let between_two = state.is_between_two(id, parcel, &targets);
            (targets, between_two)
        });
        // Whatever stands in no inbox may come to one later.
        let in_order = self.unordered <= self.handled && parcel.kind.may_go_early();
        self.forget_committed_places();
        let needs_entry = match targets.as_slice() {
            [only] => only.managed || self.managed.is_some() || !between_two,
            _ => true,
        };
        let mut places = Vec::with_capacity(targets.len());
        for target in &targets {
            let Some(inbox) = self.node.directory.inbox(target.session) else {
                continue;
            };
            let early = match in_order && !self.is_astray(target) {
                true => inbox.put_early(target, parcel, needs_entry),
                false => None,
            };
            if early.is_some() && !needs_entry {
                return Way::HandedOver;
            }
            let place = early.unwrap_or_else(|| {
                inbox.reserve_in_order(|parcels| {
                    let session = contract::Session {
                        id: target.session,
                        epoch: target.epoch,
                        connection: target.connection,
                    };
                    let command = Command::Unwritten { session, parcels };
                    self.node.subcluster.propose(command).is_ok()
                })
            });
            self.placed.push_back((n, place.session, place.connection));
            places.push(place);
        }
        // A copy is not written before its commit, and nothing may overtake it.
        if places.is_empty() || places.len() < targets.len() || !between_two {
            self.unordered = n;
        }
        Way::Entry(places)
    }

    /// Of what is committed, the place is not asked for any more.
    fn forget_committed_places(&mut self) {
        let handled = self.handled;
        while self.placed.front().is_some_and(|(n, ..)| *n <= handled) {
            self.placed.pop_front();
        }
    }

    /// Something is under way with a place of an older stream of the target: it gets a slot like
    /// any other, which nothing may overtake.
    fn is_astray(&self, target: &EarlyTarget) -> bool {
        self.placed.iter().any(|(_, session, connection)| {
            *session == target.session && *connection != target.connection
        })
    }

    /// What came early to this connection waits for its turn; what came to an older one has a slot.
    pub(super) fn take_early(&mut self, mail: VecDeque<Early>) {
        let connection = self.speaker().connection;
        let current = mail
            .into_iter()
            .filter(|early| early.connection == connection);
        self.early.waiting.extend(current);
    }

    /// Nothing comes early any more, and all that has no entry gets one: the stream is about to
    /// begin a new count.
    pub(super) fn end_early(&mut self) {
        let (session, parcels) = (self.speaker(), self.inbox.close());
        if !parcels.is_empty() {
            self.propose(Command::Unwritten { session, parcels });
        }
    }

    /// Whether what came early stands before the next slot.
    pub(super) fn is_early_next(&self) -> bool {
        let Some(early) = self.early.waiting.front() else {
            return false;
        };
        self.slots
            .front()
            .is_none_or(|slot| early.at.seq < slot.seq)
    }

    pub(super) fn fill_early(&mut self) {
        let Some(early) = self.early.waiting.pop_front() else {
            return;
        };
        self.stream
            .write_queue
            .extend_from_slice(&early.parcel.bytes);
        self.written = early.at;
        self.sent += 1;
        self.early.filled += early.weight();
        self.early.through = early.at;
    }

    /// The socket has all that was filled.
    pub(super) fn early_written(&mut self) {
        let bytes = std::mem::take(&mut self.early.filled);
        if bytes != 0 {
            self.inbox.early_done(self.early.through, bytes);
        }
    }
}
