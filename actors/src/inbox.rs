//! What a session is told by others: slots, counts, announcements, the end. Bounded by what it
//! holds, not by a queue: slots are limited in the database, counts are one number, of
//! announcements the latest of a sender wins. Nothing is lost when a mailbox is full, because this
//! is not one; a session is woken once for all that waits.

mod mail;
mod wire;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use pollux_domain::contract::{Effect, Parcel, Place, Position};
use pollux_domain::ids::{Connection, NodeId, Seq, SessionId};
use pollux_raft::state::EarlyTarget;

use mail::weight;
pub use mail::{Early, Mail};
pub use wire::Behind;
use wire::Wire;

use crate::company::{Company, Look};
use crate::reminders::Reminder;
use crate::stream::claims::Arrival;

/// Bytes that may wait to be written before their commit; what comes then goes the long way, and
/// waits in the database.
const EARLY_BYTES_MAX: usize = 64 * 1024;

/// The door of one session; the router and the group's outlet knock, the session opens.
#[derive(Debug)]
pub struct Inbox {
    session: SessionId,
    home: NodeId,
    arrival: Arrival,
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    mail: Mail,
    wire: Wire,
    waker: Option<Waker>,
    company: Company,
    /// A session opens it: something may come early.
    open: bool,
    /// What came early without an entry and is not with the socket yet: nobody else has it.
    unlogged: VecDeque<Unlogged>,
}

/// A parcel that has no entry, and where it stands in the stream.
pub type Unlogged = (Position, Arc<Parcel>);

impl Inbox {
    pub fn new(session: SessionId, home: NodeId, arrival: Arrival) -> Inbox {
        Inbox {
            session,
            home,
            arrival,
            contents: Mutex::default(),
        }
    }

    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Whose users the session's user belongs to.
    pub fn home(&self) -> NodeId {
        self.home
    }

    /// When the stream came that is served through it.
    pub fn arrival(&self) -> Arrival {
        self.arrival
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a slot that a command may create. None where nobody counts.
    pub fn reserve(&self) -> Option<Place> {
        let mut contents = self.contents();
        contents.wire.counted.then(|| self.hold(&mut contents.wire))
    }

    /// The same also where nobody counts: nothing comes early before that command is decided. `log`
    /// is first given what came before without an entry, and says whether it has that now.
    pub fn reserve_in_order(&self, log: impl FnOnce(Vec<Unlogged>) -> bool) -> Place {
        let contents = &mut *self.contents();
        if !contents.unlogged.is_empty() && log(contents.unlogged.iter().cloned().collect()) {
            contents.unlogged.clear();
        }
        self.hold(&mut contents.wire)
    }

    fn hold(&self, wire: &mut Wire) -> Place {
        wire.reserved += 1;
        Place {
            session: self.session,
            connection: wire.connection,
            v: wire.v,
            early: None,
        }
    }

    /// Hands a parcel over before its commit, and says at which place it is written. None where it
    /// would overtake a slot, or where enough waits already: then it goes the long way.
    pub fn put_early(
        &self,
        target: &EarlyTarget,
        parcel: &Arc<Parcel>,
        logged: bool,
    ) -> Option<Place> {
        let contents = &mut *self.contents();
        let wire = &mut contents.wire;
        let all_came = wire.connection == target.connection && wire.seq == target.last_seq;
        let waits = wire.reserved != 0 || wire.unplaced != Seq::default();
        if !contents.open
            || !all_came
            || waits
            || EARLY_BYTES_MAX <= wire.early_bytes
            || !target.has_room
        {
            return None;
        }
        wire.v += 1;
        wire.early_bytes += weight(parcel);
        let at = Position {
            seq: wire.seq,
            v: wire.v,
        };
        let connection = wire.connection;
        let parcel = parcel.clone();
        if !logged {
            contents.unlogged.push_back((at, parcel.clone()));
        }
        contents.mail.early.push_back(Early {
            connection,
            at,
            parcel,
        });
        contents.wake();
        Some(Place {
            session: self.session,
            connection,
            v: at.v,
            early: Some(at.seq),
        })
    }

    /// What came early up to here, so many bytes, is with the socket.
    pub fn early_done(&self, through: Position, bytes: usize) {
        let contents = &mut *self.contents();
        contents.wire.early_bytes = contents.wire.early_bytes.saturating_sub(bytes);
        let done = |(at, _): &Unlogged| *at <= through;
        while contents.unlogged.front().is_some_and(done) {
            contents.unlogged.pop_front();
        }
    }

    /// Gives back a place whose command was never proposed.
    pub fn release(&self, place: Place) {
        let mut contents = self.contents();
        contents.wire.release(place.connection);
        contents.wake();
    }

    /// The session may write one volatile stanza now; it counts. False while a slot has the next
    /// place.
    pub fn take_volatile_place(&self) -> bool {
        let contents = &mut *self.contents();
        // What came early meanwhile has the next place.
        let free = contents.mail.early.is_empty();
        let wire = &mut contents.wire;
        let free = free && (!wire.counted || wire.reserved == 0);
        if free {
            wire.v += 1;
        }
        free
    }

    /// Volatile stanzas written so far in this connection.
    pub fn volatile_count(&self) -> u64 {
        self.contents().wire.v
    }

    /// A new stream carries the session: counting begins again, behind the slots that it has.
    pub fn begin_connection(&self, connection: Connection, counted: bool, behind: Behind) {
        let contents = &mut *self.contents();
        let mut wire = Wire {
            connection,
            counted,
            seq: behind.seq,
            unplaced: behind.unplaced,
            ..Wire::default()
        };
        let news = contents.mail.slots.iter();
        for (of, slot) in news {
            wire.came(*of, slot);
        }
        contents.wire = wire;
        contents.open = true;
    }

    /// Takes what waits; the waker is called at the next knock.
    pub fn open(&self, waker: &Waker) -> Mail {
        let mut contents = self.contents();
        if !contents
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            contents.waker = Some(waker.clone());
        }
        std::mem::take(&mut contents.mail)
    }

    /// Nothing comes early from now on. Returns what did and is with nobody else.
    pub fn close(&self) -> Vec<Unlogged> {
        let contents = &mut *self.contents();
        contents.open = false;
        std::mem::take(&mut contents.unlogged).into()
    }

    /// The node stops: the client is told why.
    pub fn shut_down(&self) {
        let mut contents = self.contents();
        contents.mail.shut_down = true;
        contents.wake();
    }

    /// The stream ends without a word: this node may not speak for the session any more.
    pub fn cut(&self) {
        let mut contents = self.contents();
        contents.mail.cut = true;
        contents.wake();
    }

    /// The client is sent on to the node that will serve it.
    pub fn move_on(&self) {
        let mut contents = self.contents();
        contents.mail.move_on = true;
        contents.wake();
    }

    /// The time that the session has asked for is over.
    pub fn remind(&self, what: Reminder, now: Duration) -> Look {
        let mut contents = self.contents();
        match what {
            Reminder::Answer => contents.mail.answer_is_due = true,
            Reminder::Pause => contents.mail.pause_is_over = true,
            Reminder::LookAfter => contents.mail.look_after = true,
            Reminder::Company => match contents.company.look(now) {
                Look::Over => contents.mail.company_is_over = true,
                look => return look,
            },
        }
        contents.wake();
        Look::Over
    }

    /// What is handled from now on wakes nobody, until company comes, or its time is over, of which
    /// a reminder is asked for where this is true.
    pub fn seek_company(&self, now: Duration) -> bool {
        self.contents().company.seek(now)
    }

    /// True where a count has come of which nobody was told.
    pub fn end_company(&self) -> bool {
        let mut contents = self.contents();
        contents.company.end();
        contents.mail.handled.is_some()
    }

    /// Puts one effect in, without waking. Says whether the session is to be woken.
    pub fn put(&self, effect: Effect) -> bool {
        let contents = &mut *self.contents();
        let is_count = matches!(effect, Effect::Handled { .. });
        match effect {
            Effect::Slot {
                connection, slot, ..
            } => {
                contents.wire.came(connection, &slot);
                contents.mail.slots.push_back((connection, slot));
            }
            Effect::PlaceReleased { connection, .. } => contents.wire.release(connection),
            Effect::Placed {
                connection,
                through,
                ..
            } => {
                contents.wire.placed(connection, through);
                contents.mail.placed = Some((connection, through));
            }
            Effect::Handled { connection, n, .. } => contents.mail.handled = Some((connection, n)),
            Effect::Announce { announcement, .. } => contents.mail.announce(announcement),
            Effect::Ended { reason, .. } => contents.mail.ended = Some(reason),
            Effect::Moved { connection, .. } => contents.mail.moved = Some(connection),
            Effect::Serving { .. } => {}
            // For the courier between groups.
            Effect::OutboxGrew { .. } | Effect::Inquired { .. } => {}
        }
        !is_count || !contents.company.is_sought()
    }

    pub fn wake(&self) {
        self.contents().wake();
    }
}

impl Contents {
    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
#[path = "inbox/inbox_test.rs"]
mod tests;
