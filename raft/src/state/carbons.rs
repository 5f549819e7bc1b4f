//! XEP-0280: Message Carbons: which devices of a user get a copy of what goes to another, or comes
//! from it. Whether a message is copied at all says the contract ([`Parcel::is_copied`]).
//!
//! A copy of what was received answers for the message like the message itself ([`Duty`]): one
//! acknowledgement by any device is enough, and what only copies have held goes on when the last of
//! their sessions ends.

use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::contract::{Copied, Duty, Parcel, SlotBody};
use pollux_domain::ids::SessionId;

use super::{Outcome, State};

impl State {
    /// Sections 4 and 5: as often as the client likes.
    pub(super) fn set_carbons(
        &mut self,
        id: SessionId,
        on: bool,
        result: Bytes,
        out: &mut Outcome,
    ) {
        self.session_mut(id, |session| session.carbons = on);
        self.answer(id, result, out);
    }

    /// Section 8: the sender's other devices.
    pub(super) fn copy_sent(&mut self, id: SessionId, parcel: &Arc<Parcel>, out: &mut Outcome) {
        let copies = self.sent_copies(id, parcel);
        if copies.is_empty() {
            return;
        }
        let stanza = self.new_stanza();
        for copy in copies {
            let body = SlotBody::Carbon(parcel.clone(), Copied::Sent);
            self.slot(copy, stanza, body, Duty::Done, out);
        }
    }

    /// A message to oneself is received there, and needs no second copy.
    pub(super) fn sent_copies(&self, id: SessionId, parcel: &Parcel) -> Vec<SessionId> {
        let user = parcel.from.bare_str();
        if parcel.to.bare_str() == user || !parcel.is_copied(Copied::Sent) {
            return Vec::new();
        }
        self.with_carbons(user, |session| session != id)
    }

    /// Section 7: the devices of the receiver that the message itself does not go to.
    pub(super) fn received_copies(&self, parcel: &Parcel, got: &[SessionId]) -> Vec<SessionId> {
        if !parcel.is_copied(Copied::Received) {
            return Vec::new();
        }
        let user = parcel.to.bare_str();
        let sender = match parcel.from.bare_str() == user {
            true => self.session_of(&parcel.from),
            false => None,
        };
        self.with_carbons(user, |session| {
            !got.contains(&session) && Some(session) != sender
        })
    }

    /// A device that holds its fill is passed over: the message itself is safe without it.
    fn with_carbons(&self, user: &str, is_meant: impl Fn(SessionId) -> bool) -> Vec<SessionId> {
        self.sessions_of(user)
            .filter(|(id, session)| session.carbons && is_meant(*id) && self.has_room(*id))
            .map(|(id, _)| id)
            .collect()
    }
}
