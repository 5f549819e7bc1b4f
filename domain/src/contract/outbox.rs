//! What one group tells another, in order (design, section 5, rule 2). Not for how it travels, nor
//! for what it does there: `raft::state` writes lines and takes them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::contract::slot::{Fate, Parcel, ParcelKind};
use crate::ids::{Incarnation, SubclusterId};
use crate::jid::{BareJid, Jid};
use crate::stanza_error::Condition;
use crate::subscription::SubscriptionRequest;

/// A group in one life of its memory. Numbers of lines begin again with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupName {
    pub id: SubclusterId,
    pub incarnation: Incarnation,
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.id, self.incarnation)
    }
}

/// One thing that a group tells another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutboxLine {
    /// A message, an IQ, or presence of a subscription type for a user of the target.
    Parcel(Arc<Parcel>),
    /// A parcel of the target's own comes back to its sender.
    Bounce(Arc<Parcel>, Condition),
    /// One device has changed: once for all who are told of it there. `bytes`: as in an
    /// announcement.
    Availability {
        from: Jid,
        available: bool,
        bytes: Option<Bytes>,
        /// Those are told who watch the device's user.
        watchers: bool,
        /// Addresses that had directed presence (RFC 6121 section 4.6) are told.
        directed: Vec<Jid>,
    },
    /// From now on `watcher` is shown `user`, whose available devices are these; None: not any
    /// more.
    Watch {
        user: BareJid,
        watcher: BareJid,
        devices: Option<Vec<(Jid, Bytes)>>,
    },
    /// Everything afresh of one user: who there is shown it, and which devices are available. It
    /// replaces what was told before.
    View {
        user: BareJid,
        watchers: Vec<BareJid>,
        devices: Vec<(Jid, Bytes)>,
    },
    /// Asks for the view of a user (RFC 6121 section 4.3).
    Probe { user: BareJid },
    /// The first line of each life of the source: it may have forgotten what it has told and what
    /// it was told.
    Began,
    /// A line that an operator has removed: it keeps its number and says nothing.
    Removed,
}

impl OutboxLine {
    /// Bytes that it holds in memory, for the limits.
    pub fn weight(&self) -> usize {
        const OVERHEAD: usize = 96;
        let devices = |devices: &[(Jid, Bytes)]| -> usize {
            let sizes = devices
                .iter()
                .map(|(jid, bytes)| jid.as_str().len() + bytes.len());
            sizes.sum()
        };
        OVERHEAD
            + match self {
                OutboxLine::Parcel(parcel) | OutboxLine::Bounce(parcel, _) => parcel.bytes.len(),
                OutboxLine::Availability {
                    from,
                    bytes,
                    directed,
                    ..
                } => {
                    let addresses: usize = directed.iter().map(|jid| jid.as_str().len()).sum();
                    from.as_str().len() + bytes.as_ref().map_or(0, Bytes::len) + addresses
                }
                OutboxLine::Watch {
                    user,
                    watcher,
                    devices: shown,
                } => {
                    let shown = shown.as_deref().map_or(0, devices);
                    user.as_str().len() + watcher.as_str().len() + shown
                }
                OutboxLine::View {
                    user,
                    watchers,
                    devices: shown,
                } => {
                    let watchers: usize = watchers.iter().map(|jid| jid.as_str().len()).sum();
                    user.as_str().len() + watchers + devices(shown)
                }
                OutboxLine::Probe { user } => user.as_str().len(),
                OutboxLine::Began | OutboxLine::Removed => 0,
            }
    }

    /// Taking it may lead to a line the other way.
    pub fn may_be_answered(&self) -> bool {
        let OutboxLine::Parcel(parcel) = self else {
            return false;
        };
        match parcel.kind {
            ParcelKind::Subscription(request) => request == SubscriptionRequest::Subscribe,
            kind => kind.fate() != Fate::Drop,
        }
    }
}
