//! What became of every message: the oracle of the walk. A message is known by the number in its
//! bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pollux_domain::contract::{Action, Copied, Fate, Parcel, ParcelKind, Slot, SlotBody};
use pollux_domain::ids::{SessionId, StanzaId};
use pollux_domain::jid::BareJid;

use super::Table;
use crate::state::SessionState;

#[derive(Default)]
pub(super) struct Ledger {
    messages: BTreeMap<u64, Message>,
    /// Stanzas that a session has acknowledged, which nobody may be given any more.
    done: BTreeSet<StanzaId>,
    given: BTreeSet<(SessionId, StanzaId)>,
    /// The last message that a session got of one sender to one address.
    last: BTreeMap<(SessionId, String), u64>,
    /// Messages that came to a session before their commit.
    early: BTreeSet<u64>,
    /// What a session has got.
    got: BTreeSet<(SessionId, u64)>,
    /// Users whose offline store has been full.
    crowded: BTreeSet<BareJid>,
}

struct Message {
    sender: SessionId,
    to: BareJid,
    fate: Fate,
    received: bool,
    bounced: bool,
    /// Waited in a session that ended, so that it may come after younger ones.
    handed_on: bool,
    /// Its user was removed with everything kept for it.
    removed: bool,
}

/// The number of a message, which only messages and requests have.
pub(super) fn number(parcel: &Parcel) -> Option<u64> {
    std::str::from_utf8(&parcel.bytes).ok()?.parse().ok()
}

/// A headline for nobody in particular is for those who are there (RFC 6121 section 8.5.2.2.1).
pub(in crate::state::state_test) fn fate(parcel: &Parcel) -> Fate {
    match parcel.kind {
        ParcelKind::Headline if parcel.to.is_bare() => Fate::Drop,
        kind => kind.fate(),
    }
}

impl Ledger {
    /// The group took a stanza. It takes none twice (design, section 5, rule 1).
    pub(super) fn accepted(&mut self, sender: SessionId, action: &Action) {
        let Action::Send(parcel) = action else { return };
        let Some(number) = number(parcel) else { return };
        let message = Message {
            sender,
            to: parcel.to.to_bare(),
            fate: fate(parcel),
            received: self.early.contains(&number),
            bounced: false,
            handed_on: false,
            removed: false,
        };
        let twice = self.messages.insert(number, message).is_some();
        assert!(!twice, "message {number} was accepted twice");
    }

    /// A slot was made. No stanza comes to a session twice, nor to anybody after it was
    /// acknowledged.
    pub(super) fn slot(&mut self, session: SessionId, slot: &Slot) {
        let again = !self.given.insert((session, slot.stanza));
        assert!(!again, "{session} is given {} twice", slot.stanza);
        assert!(
            !self.done.contains(&slot.stanza),
            "{} was acknowledged",
            slot.stanza
        );
        if let SlotBody::Bounce(parcel, _) = &slot.body
            && let Some(message) = number(parcel).and_then(|number| self.messages.get_mut(&number))
        {
            assert!(!message.bounced, "refused twice: {slot:?}");
            message.bounced = true;
        }
    }

    pub(super) fn acknowledged(&mut self, session: SessionId, slot: &Slot) {
        assert!(self.given.contains(&(session, slot.stanza)));
        self.done.insert(slot.stanza);
    }

    pub(super) fn session_ended(&mut self, session: &SessionState, table: &Table) {
        for slot in &session.slots {
            let number = handed_on(slot, table).and_then(|parcel| number(parcel));
            if let Some(message) = number.and_then(|number| self.messages.get_mut(&number)) {
                message.handed_on = true;
            }
        }
    }

    pub(super) fn user_removed(&mut self, user: &BareJid) {
        for message in self
            .messages
            .values_mut()
            .filter(|message| message.to == *user)
        {
            message.removed = true;
        }
    }

    pub(super) fn store_full(&mut self, user: &BareJid) {
        if !self.crowded.contains(user) {
            self.crowded.insert(user.clone());
        }
    }

    /// A client has a message. Messages of one sender to one address come in the order in which
    /// they were sent (RFC 6120 section 10.1), except where one had waited in a session that ended.
    /// What is never stored may pass what is.
    pub(super) fn received(&mut self, session: SessionId, parcel: &Parcel) {
        let Some(number) = number(parcel) else { return };
        let message = self
            .messages
            .get_mut(&number)
            .expect("a message that was accepted");
        message.received = true;
        if message.handed_on {
            self.got.insert((session, number));
            return;
        }
        self.in_order(session, number, parcel);
    }

    /// A client has a message that may not be committed yet, and may never be.
    pub(super) fn received_early(&mut self, session: SessionId, parcel: &Parcel) {
        let Some(number) = number(parcel) else { return };
        self.early.insert(number);
        if let Some(message) = self.messages.get_mut(&number) {
            message.received = true;
        }
        self.in_order(session, number, parcel);
    }

    fn in_order(&mut self, session: SessionId, number: u64, parcel: &Parcel) {
        if !self.got.insert((session, number)) {
            // Said again: early, and after a fault in full.
            assert!(self.early.contains(&number), "{number} came twice");
            return;
        }
        let fate = parcel.kind.fate();
        let pair = format!("{} {} {fate:?}", parcel.from.as_str(), parcel.to.as_str());
        let pair = (session, pair);
        let last = self.last.insert(pair, number).unwrap_or_default();
        assert!(
            last < number,
            "{number} after {last} in {session}: {parcel:?}"
        );
    }

    /// A client has its own message back as an error.
    pub(super) fn refused(&mut self, parcel: &Parcel) {
        if let Some(message) = number(parcel).and_then(|number| self.messages.get_mut(&number)) {
            assert!(message.bounced);
            message.received = true;
        }
    }

    /// `kept`: what a slot or a row holds. All else has been received, or was refused to a sender
    /// that is gone.
    pub(super) fn check(&self, kept: &BTreeSet<u64>, there: impl Fn(SessionId) -> bool) {
        for (number, message) in &self.messages {
            let unanswerable = !there(message.sender)
                && (message.bounced
                    || self.crowded.contains(&message.to)
                    || message.fate == Fate::Bounce);
            let over = message.received
                || message.removed
                || message.fate == Fate::Drop
                || unanswerable
                || kept.contains(number);
            assert!(
                over,
                "message {number} of {} to {} is lost",
                message.sender, message.to
            );
        }
    }
}

/// The parcel that a slot hands on to its session, while it is there: a row may go with its user in
/// the same entry.
pub(in crate::state::state_test) fn handed_on<'a>(
    slot: &'a Slot,
    table: &'a Table,
) -> Option<&'a Arc<Parcel>> {
    match &slot.body {
        SlotBody::Parcel(parcel) | SlotBody::Carbon(parcel, Copied::Received) => Some(parcel),
        SlotBody::Stored { .. } => table.get(&slot.stanza),
        _ => None,
    }
}
