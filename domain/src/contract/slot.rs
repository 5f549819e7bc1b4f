//! What waits for a session's acknowledgement: slots and the parcels in them.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::blocking::BlockChange;
use crate::contact::{Contact, ListVersion};
use crate::contract::command::Position;
use crate::hints::Hints;
use crate::ids::{Seq, StanzaId, WallMs};
use crate::jid::Jid;
use crate::stanza_error::Condition;
use crate::subscription::SubscriptionRequest;

/// A stanza on its way to a session, whole: its sender's address is stamped, its bytes are rendered
/// once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    pub from: Jid,
    pub to: Jid,
    pub kind: ParcelKind,
    /// The complete element as it is written to a client.
    pub bytes: Bytes,
    /// When the sender's node took it.
    pub sent: WallMs,
    pub hints: Hints,
}

/// Which copy of a message a carbon is (XEP-0280).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Copied {
    /// Of what another device of the user has sent.
    Sent,
    /// Of what has gone to another device of the user.
    Received,
}

impl Parcel {
    /// XEP-0280 section 6.1: whether the user's other devices may have a copy. Errors have none: a
    /// server does not know what they answer. What a room says to one of its members comes to each
    /// device of the member by itself.
    pub fn is_copied(&self, copied: Copied) -> bool {
        let hints = self.hints;
        match self.kind {
            _ if hints.no_copy => false,
            ParcelKind::Chat => !hints.room || copied == Copied::Sent,
            ParcelKind::Normal => hints.speaks || hints.talk || hints.room,
            ParcelKind::Headline => hints.talk,
            ParcelKind::Groupchat
            | ParcelKind::MessageError
            | ParcelKind::IqRequest
            | ParcelKind::IqResponse
            | ParcelKind::Subscription(_)
            | ParcelKind::Directed => false,
        }
    }
}

/// What a parcel is, as far as its fate depends on it (RFC 6121 section 8.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParcelKind {
    Chat,
    Normal,
    Headline,
    Groupchat,
    /// A message of type error: never answered, never stored.
    MessageError,
    /// An IQ get or set: answered exactly once.
    IqRequest,
    /// An IQ result or error.
    IqResponse,
    /// Presence that manages a subscription. Without bytes it is rendered where it is written.
    Subscription(SubscriptionRequest),
    /// Presence to one address, which is told and not kept; a parcel only where it is refused. Its
    /// bytes have no `to`.
    Directed,
}

/// What becomes of a parcel that its session cannot take any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Goes to another session of the user, or is stored.
    Store,
    /// Goes back to its sender as an error.
    Bounce,
    /// Its meaning ends with the session.
    Drop,
}

impl ParcelKind {
    /// Whether `deliver = early` concerns it: a message, which nobody waits for an answer to.
    pub fn may_go_early(self) -> bool {
        match self {
            ParcelKind::Chat
            | ParcelKind::Normal
            | ParcelKind::Headline
            | ParcelKind::Groupchat
            | ParcelKind::MessageError => true,
            ParcelKind::IqRequest
            | ParcelKind::IqResponse
            | ParcelKind::Subscription(_)
            | ParcelKind::Directed => false,
        }
    }

    /// A message that somebody says.
    pub fn is_said(self) -> bool {
        self.may_go_early() && self != ParcelKind::MessageError
    }

    /// See [`Fate`]; RFC 6121 sections 8.5.2 and 8.5.3, XEP-0160 section 3.
    pub fn fate(self) -> Fate {
        match self {
            ParcelKind::Chat | ParcelKind::Normal => Fate::Store,
            ParcelKind::IqRequest | ParcelKind::Groupchat | ParcelKind::Headline => Fate::Bounce,
            ParcelKind::MessageError
            | ParcelKind::IqResponse
            | ParcelKind::Subscription(_)
            | ParcelKind::Directed => Fate::Drop,
        }
    }
}

/// One stanza that waits for the acknowledgement of one session. One that was written early has the
/// number of the slot before it, and a `placed` of its own behind that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub seq: Seq,
    /// Unique in the group; also the key of its offline row where it has one.
    pub stanza: StanzaId,
    /// The number of volatile stanzas before it in this connection, once committed. A slot that is
    /// not placed has not been written.
    pub placed: Option<u64>,
    pub body: SlotBody,
    pub duty: Duty,
}

impl Slot {
    /// Where it stands in its stream. One without place stands behind all that have one.
    pub fn position(&self) -> Position {
        Position {
            seq: self.seq,
            v: self.placed.unwrap_or(u64::MAX),
        }
    }
}

/// Who answers for a stanza that went to several sessions of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Duty {
    /// This slot: when its session ends, the stanza goes on to its next place.
    Sole,
    /// This slot and others that are not acknowledged either.
    Shared,
    /// Another session has acknowledged it.
    Done,
}

/// What a slot says to its client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SlotBody {
    Parcel(Arc<Parcel>),
    /// A copy for a device that has carbons on.
    Carbon(Arc<Parcel>, Copied),
    /// A stored message: its parcel is the offline row named by the slot's stanza.
    Stored {
        bytes: u32,
    },
    /// A get of this session to its server or account: the request, answered afresh whenever it is
    /// written.
    Ask(Bytes),
    /// A change of the contact list (RFC 6121 section 2.1.6), and what the list is after it.
    Push(Arc<Contact>, ListVersion),
    /// A change of the block list (XEP-0191 section 3.3).
    BlockPush(Arc<BlockChange>),
    /// The server's answer, rendered.
    Answer(Bytes),
    /// The session's own stanza comes back as an error.
    Bounce(Arc<Parcel>, Condition),
}

impl SlotBody {
    /// Bytes that it holds in memory, for the limits.
    pub fn weight(&self) -> usize {
        const OVERHEAD: usize = 96;
        OVERHEAD
            + match self {
                SlotBody::Parcel(parcel)
                | SlotBody::Carbon(parcel, _)
                | SlotBody::Bounce(parcel, _) => parcel.bytes.len(),
                SlotBody::Stored { .. } => 0,
                SlotBody::Ask(bytes) | SlotBody::Answer(bytes) => bytes.len(),
                SlotBody::Push(contact, _) => contact.weight(),
                SlotBody::BlockPush(change) => change.weight(),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: ParcelKind, hints: Hints, sent: bool, received: bool) {
        let jid = Jid::parse("ann@example.org/desk").unwrap();
        let parcel = Parcel {
            from: jid.clone(),
            to: jid,
            kind,
            bytes: Bytes::new(),
            sent: WallMs(0),
            hints,
        };
        let copied = [Copied::Sent, Copied::Received].map(|copied| parcel.is_copied(copied));
        assert_eq!(copied, [sent, received], "{kind:?} {hints:?}");
    }

    /// XEP-0280 section 6.1, each of its rules.
    #[test]
    fn messages_of_a_conversation_are_copied() {
        let none = Hints::default();
        let hints = |change: fn(&mut Hints)| {
            let mut hints = none;
            change(&mut hints);
            hints
        };
        let speaks = hints(|hints| hints.speaks = true);
        let talk = hints(|hints| hints.talk = true);
        let room = hints(|hints| hints.room = true);
        let private = hints(|hints| (hints.speaks, hints.no_copy) = (true, true));
        check(ParcelKind::Chat, none, true, true);
        check(ParcelKind::Chat, private, false, false);
        check(ParcelKind::Chat, room, true, false);
        check(ParcelKind::Normal, none, false, false);
        check(ParcelKind::Normal, speaks, true, true);
        check(ParcelKind::Normal, talk, true, true);
        check(ParcelKind::Normal, room, true, true);
        check(ParcelKind::Normal, private, false, false);
        check(ParcelKind::Headline, speaks, false, false);
        check(ParcelKind::Headline, talk, true, true);
        check(ParcelKind::Groupchat, speaks, false, false);
        check(ParcelKind::MessageError, talk, false, false);
        check(ParcelKind::IqRequest, none, false, false);
    }
}
