//! What waits in an inbox until the session takes it out. Not for when it is woken.

use std::collections::VecDeque;
use std::sync::Arc;

use pollux_domain::contract::{Announcement, EndReason, Parcel, Position, Slot};
use pollux_domain::ids::{Connection, Seq};
use pollux_domain::limits;

/// Added to each, so that no more than a hundred wait.
const EARLY_OVERHEAD: usize = 640;

/// A parcel that is written before its commit (`deliver = early`).
#[derive(Debug)]
pub struct Early {
    pub connection: Connection,
    /// Where it stands in the stream: behind slot `seq`, as the `v`th volatile stanza.
    pub at: Position,
    pub parcel: Arc<Parcel>,
}

/// What waited, taken out at once.
#[derive(Debug, Default)]
pub struct Mail {
    pub slots: VecDeque<(Connection, Slot)>,
    /// In the order of the stream.
    pub early: VecDeque<Early>,
    pub placed: Option<(Connection, Seq)>,
    pub handled: Option<(Connection, u64)>,
    pub announcements: VecDeque<Announcement>,
    /// Announcements did not fit: tell the client all afresh.
    pub missed: bool,
    pub ended: Option<EndReason>,
    pub moved: Option<Connection>,
    pub shut_down: bool,
    pub move_on: bool,
    pub cut: bool,
    pub answer_is_due: bool,
    /// Nothing else was to be written meanwhile.
    pub company_is_over: bool,
    pub look_after: bool,
    /// The client may be read again.
    pub pause_is_over: bool,
}

impl Early {
    /// What it counts against the limit.
    pub fn weight(&self) -> usize {
        weight(&self.parcel)
    }
}

pub(super) fn weight(parcel: &Parcel) -> usize {
    EARLY_OVERHEAD + parcel.bytes.len()
}

impl Mail {
    pub(super) fn announce(&mut self, announcement: Announcement) {
        // A short queue is searched: while a slot waits for its place, only the latest of a sender
        // matters.
        const SEARCHED: usize = 64;
        if self.announcements.len() <= SEARCHED {
            self.announcements
                .retain(|other| other.from != announcement.from);
        }
        if limits::ANNOUNCEMENTS_MAX <= self.announcements.len() {
            self.announcements.clear();
            self.missed = true;
        }
        self.announcements.push_back(announcement);
    }
}
