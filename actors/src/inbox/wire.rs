//! Which place the next stanza of a stream has: what the inbox counts and reserves. Not for what is
//! written there.

use pollux_domain::contract::Slot;
use pollux_domain::ids::{Connection, Seq};

/// The place of the next stanza in the stream (design, section 5, rule 3).
#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) connection: Connection,
    /// Without stream management nobody counts, and nothing is reserved.
    pub(super) counted: bool,
    /// Volatile stanzas written in this connection.
    pub(super) v: u64,
    /// Commands under way whose slots stand at `v`: nothing volatile may be written.
    pub(super) reserved: u64,
    /// The last slot that came, and the last of those that came without place.
    pub(super) seq: Seq,
    pub(super) unplaced: Seq,
    /// Bytes that came early and were not taken yet.
    pub(super) early_bytes: usize,
}

/// The last slot that a session has, and the last that has no place.
#[derive(Debug, Clone, Copy, Default)]
pub struct Behind {
    pub seq: Seq,
    pub unplaced: Seq,
}

impl Wire {
    pub(super) fn release(&mut self, connection: Connection) {
        if connection == self.connection {
            self.reserved = self.reserved.saturating_sub(1);
        }
    }

    pub(super) fn came(&mut self, connection: Connection, slot: &Slot) {
        if connection == self.connection && self.seq < slot.seq {
            self.seq = slot.seq;
            if slot.placed.is_none() {
                self.unplaced = slot.seq;
            }
        }
    }

    pub(super) fn placed(&mut self, connection: Connection, through: Seq) {
        if connection == self.connection && self.unplaced <= through {
            self.unplaced = Seq::default();
        }
    }
}
