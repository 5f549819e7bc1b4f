//! What follows from a command once it is committed. The serving node acts on effects; other
//! replicas ignore them.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::contract::slot::{Parcel, Slot};
use crate::ids::{Connection, Epoch, Life, NodeId, Seq, SessionId, StanzaId, SubclusterId};
use crate::jid::Jid;

/// For a session of this node, for the node itself, or for the courier between groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A new slot.
    Slot {
        session: SessionId,
        connection: Connection,
        slot: Slot,
    },
    /// The command that held a reservation of this connection is decided, and its slots, if any,
    /// came before this.
    PlaceReleased {
        session: SessionId,
        connection: Connection,
    },
    /// The slots up to `through` may be written.
    Placed {
        session: SessionId,
        connection: Connection,
        through: Seq,
    },
    /// All stanzas up to `n` are committed.
    Handled {
        session: SessionId,
        connection: Connection,
        n: u64,
    },
    /// Somebody's availability, to be told to this session. Volatile: the latest of a sender wins.
    Announce {
        session: SessionId,
        announcement: Announcement,
    },
    /// The session is over.
    Ended {
        session: SessionId,
        connection: Connection,
        reason: EndReason,
    },
    /// Another stream carries the session from now on.
    Moved {
        session: SessionId,
        connection: Connection,
    },
    /// `node` serves the users of `home` from now on; whoever did before ends their streams.
    Serving {
        home: NodeId,
        node: NodeId,
        life: Life,
        epoch: Epoch,
    },
    /// There is more to tell another group: `State::outbox_lines` has it.
    OutboxGrew { target: SubclusterId },
    /// Another group asks about a user of this home: `State::inquiries` has it.
    Inquired { home: NodeId },
}

impl Effect {
    /// The session that it is for, where it is for one.
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Effect::Slot { session, .. }
            | Effect::PlaceReleased { session, .. }
            | Effect::Placed { session, .. }
            | Effect::Handled { session, .. }
            | Effect::Announce { session, .. }
            | Effect::Ended { session, .. }
            | Effect::Moved { session, .. } => Some(*session),
            Effect::Serving { .. } | Effect::OutboxGrew { .. } | Effect::Inquired { .. } => None,
        }
    }
}

/// Presence of one sender as it is told to many: the bytes have `from` but no `to`, which alone
/// differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    pub from: Jid,
    pub to: Jid,
    /// None: plainly unavailable.
    pub bytes: Option<Bytes>,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// The client closed its stream.
    Closed,
    /// The stream broke and the session could not be resumed, or was not in time.
    Expired,
    /// Another client bound the same resource (RFC 6120 section 7.7.2.2).
    Conflict,
    /// The user was removed.
    UserRemoved,
    /// The user's account was disabled.
    UserDisabled,
    /// An administrator ended it.
    Administrator,
    /// More waited for it than a session may hold.
    TooMuchWaiting,
}

/// A change of the rows: stored messages, and what users keep. Written to the tables in the order
/// of the log; writing it again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowWrite {
    Put { row: StanzaId, parcel: Arc<Parcel> },
    Keep { row: StanzaId, document: Bytes },
    Delete { row: StanzaId },
}
