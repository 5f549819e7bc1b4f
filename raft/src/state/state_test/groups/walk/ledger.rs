//! What became of every message: the oracle of the walk between groups. A message is known by the
//! number in its bytes, which is one for all groups.

use std::collections::{BTreeMap, BTreeSet};

use pollux_domain::contract::{
    Action, Command, Effect, Fate, OutboxLine, Parcel, Reply, Slot, SlotBody,
};
use pollux_domain::ids::{Incarnation, SessionId, SubclusterId};
use pollux_domain::jid::BareJid;

use super::Table;
use crate::state::state_test::walk::ledger::{fate, handed_on};
use crate::state::{SessionState, State};

/// A session and its group.
pub(super) type Place = (usize, SessionId);

#[derive(Default)]
pub(super) struct Ledger {
    messages: BTreeMap<u64, Message>,
    given: BTreeSet<(Place, u64)>,
    last: BTreeMap<(Place, String), u64>,
}

struct Message {
    sender: Place,
    to: BareJid,
    fate: Fate,
    received: BTreeSet<Place>,
    /// A slot of its sender says that it was refused.
    bounced: bool,
    /// Its sender has that slot.
    refused: bool,
    /// Came back to its group from another, whether its sender is still there or not.
    returned: bool,
    /// An operator removed its line, which may have been taken.
    given_up: bool,
    /// Waited in a session that ended, so that it may come after younger ones.
    handed_on: bool,
    removed: bool,
    /// By the server, for the user whom it is about.
    answered: bool,
}

/// The number of a message, which only messages and requests have.
pub(super) fn number(parcel: &Parcel) -> Option<u64> {
    std::str::from_utf8(&parcel.bytes).ok()?.parse().ok()
}

impl Ledger {
    pub(super) fn command(
        &mut self,
        group: usize,
        command: &Command,
        reply: &Reply,
        effects: &[Effect],
    ) {
        match (command, reply) {
            (
                Command::Stanza {
                    session,
                    action: Action::Send(parcel),
                    ..
                },
                Reply::Done,
            ) => {
                // What is not counted was not accepted.
                let handled = |effect: &Effect| matches!(effect, Effect::Handled { .. });
                if effects.iter().any(handled) {
                    self.accepted((group, session.id), parcel);
                }
            }
            (Command::Take { lines, .. }, Reply::Taken { .. }) => {
                for line in lines {
                    if let OutboxLine::Bounce(parcel, _) = line.as_ref() {
                        self.returned(parcel);
                    }
                }
            }
            _ => {}
        }
    }

    fn message(&mut self, parcel: &Parcel) -> Option<&mut Message> {
        self.messages.get_mut(&number(parcel)?)
    }

    pub(super) fn returned(&mut self, parcel: &Parcel) {
        if let Some(message) = self.message(parcel) {
            message.returned = true;
        }
    }

    fn accepted(&mut self, sender: Place, parcel: &Parcel) {
        let Some(number) = number(parcel) else { return };
        let message = Message {
            sender,
            to: parcel.to.to_bare(),
            fate: fate(parcel),
            received: BTreeSet::new(),
            bounced: false,
            refused: false,
            returned: false,
            given_up: false,
            handed_on: false,
            removed: false,
            answered: false,
        };
        let twice = self.messages.insert(number, message).is_some();
        assert!(!twice, "message {number} was accepted twice");
    }

    /// A slot was made. Nothing is given to a session twice.
    pub(super) fn slot(&mut self, group: usize, session: SessionId, slot: &Slot, table: &Table) {
        if let SlotBody::Bounce(parcel, _) = &slot.body
            && let Some(message) = self.message(parcel)
        {
            let first = !message.bounced || message.given_up;
            assert!(first, "refused twice: {slot:?}");
            message.bounced = true;
        }
        if let Some(number) = handed_on(slot, table).and_then(|parcel| number(parcel)) {
            let first = self.given.insert(((group, session), number));
            assert!(
                first,
                "message {number} is given to {group}/{session} twice"
            );
        }
    }

    pub(super) fn session_ended(&mut self, session: &SessionState, table: &Table) {
        for slot in &session.slots {
            let handed = handed_on(slot, table);
            if let Some(message) = handed.and_then(|parcel| self.message(parcel)) {
                message.handed_on = true;
            }
        }
    }

    pub(super) fn user_removed(&mut self, user: &BareJid) {
        for message in self.messages.values_mut() {
            message.removed |= message.to == *user;
        }
    }

    pub(super) fn given_up(
        &mut self,
        state: &State,
        target: SubclusterId,
        incarnation: Incarnation,
        number: u64,
    ) {
        let lines = state.outboxes.get(&target).map(|outbox| &outbox.lines);
        let line = lines
            .into_iter()
            .flatten()
            .find(|line| line.incarnation == incarnation && line.number == number);
        let Some(line) = line else { return };
        if let OutboxLine::Parcel(parcel) | OutboxLine::Bounce(parcel, _) = line.line.as_ref()
            && let Some(message) = self.message(parcel)
        {
            message.given_up = true;
        }
    }

    /// Messages of one sender to one address come in the order in which they were sent (RFC 6120
    /// section 10.1), except where one had waited in a session that ended.
    pub(super) fn received(&mut self, place: Place, parcel: &Parcel) {
        let Some(number) = number(parcel) else { return };
        let message = self
            .messages
            .get_mut(&number)
            .expect("a message that was accepted");
        assert!(message.received.insert(place), "{number} received twice");
        if message.handed_on {
            return;
        }
        let fate = message.fate;
        let pair = format!("{} {} {fate:?}", parcel.from.as_str(), parcel.to.as_str());
        let last = self.last.insert((place, pair), number).unwrap_or_default();
        assert!(last < number, "{number} after {last}: {parcel:?}");
    }

    /// The server has answered a request about a user.
    pub(super) fn answered(&mut self, parcel: &Parcel) {
        if let Some(message) = self.message(parcel) {
            assert!(!message.answered, "answered twice: {parcel:?}");
            message.answered = true;
        }
    }

    pub(super) fn refused(&mut self, parcel: &Parcel) {
        if let Some(message) = self.message(parcel) {
            message.refused = true;
        }
    }

    /// Design, section 5: "delivered exactly once, stored, or refused with an error that arrives".
    /// `kept`: what a slot or a row holds. `there`: the session is.
    pub(super) fn check(&self, kept: &BTreeSet<u64>, there: impl Fn(Place) -> bool) {
        for (number, message) in &self.messages {
            let unanswerable = !there(message.sender)
                && (message.bounced || message.returned || message.fate == Fate::Bounce);
            let over = !message.received.is_empty()
                || message.refused
                || message.removed
                || message.answered
                || message.given_up
                || message.fate == Fate::Drop
                || unanswerable
                || kept.contains(number);
            let (group, session) = message.sender;
            assert!(
                over,
                "{number} of {group}/{session} to {} is lost",
                message.to
            );
            let both = message.refused && !message.received.is_empty();
            let excused = message.handed_on || message.given_up;
            assert!(!both || excused, "{number} was delivered and refused");
        }
    }
}
