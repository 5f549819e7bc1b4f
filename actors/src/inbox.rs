//! What a session is told by others: slots, counts, announcements, the end. Bounded by what it
//! holds, not by a queue: slots are limited in the database, counts are one number, of
//! announcements the latest of a sender wins. Nothing is lost when a mailbox is full, because this
//! is not one; a session is woken once for all that waits.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use pollux_domain::contract::{Announcement, Effect, EndReason, Place, Slot};
use pollux_domain::ids::{Connection, NodeId, Seq, SessionId};
use pollux_domain::limits;

/// The door of one session; the router and the group's outlet knock, the session opens.
#[derive(Debug)]
pub struct Inbox {
    session: SessionId,
    home: NodeId,
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    mail: Mail,
    wire: Wire,
    waker: Option<Waker>,
}

/// The place of the next stanza in the stream (design, section 5, rule 3).
#[derive(Debug, Default)]
struct Wire {
    connection: Connection,
    /// Without stream management nobody counts, and nothing is reserved.
    counted: bool,
    /// Volatile stanzas written in this connection.
    v: u64,
    /// Commands under way whose slots stand at `v`: nothing volatile may be written.
    reserved: u64,
}

/// What waited, taken out at once.
#[derive(Debug, Default)]
pub struct Mail {
    pub slots: VecDeque<(Connection, Slot)>,
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
}

impl Inbox {
    pub fn new(session: SessionId, home: NodeId) -> Inbox {
        Inbox {
            session,
            home,
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

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a slot that a command may create. None where nobody counts.
    pub fn reserve(&self) -> Option<Place> {
        let wire = &mut self.contents().wire;
        if !wire.counted {
            return None;
        }
        wire.reserved += 1;
        Some(Place {
            session: self.session,
            connection: wire.connection,
            v: wire.v,
        })
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
        let wire = &mut self.contents().wire;
        let free = !wire.counted || wire.reserved == 0;
        if free {
            wire.v += 1;
        }
        free
    }

    /// Volatile stanzas written so far in this connection.
    pub fn volatile_count(&self) -> u64 {
        self.contents().wire.v
    }

    /// A new stream carries the session: counting begins again.
    pub fn begin_connection(&self, connection: Connection, counted: bool) {
        self.contents().wire = Wire {
            connection,
            counted,
            v: 0,
            reserved: 0,
        };
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

    /// Puts one effect in, without waking.
    pub fn put(&self, effect: Effect) {
        let mut contents = self.contents();
        let mail = &mut contents.mail;
        match effect {
            Effect::Slot {
                connection, slot, ..
            } => mail.slots.push_back((connection, slot)),
            Effect::PlaceReleased { connection, .. } => contents.wire.release(connection),
            Effect::Placed {
                connection,
                through,
                ..
            } => mail.placed = Some((connection, through)),
            Effect::Handled { connection, n, .. } => mail.handled = Some((connection, n)),
            Effect::Announce { announcement, .. } => mail.announce(announcement),
            Effect::Ended { reason, .. } => mail.ended = Some(reason),
            Effect::Moved { connection, .. } => mail.moved = Some(connection),
            Effect::Serving { .. } => {}
            // For the courier between groups.
            Effect::OutboxGrew { .. } => {}
        }
    }

    pub fn wake(&self) {
        self.contents().wake();
    }
}

impl Wire {
    fn release(&mut self, connection: Connection) {
        if self.counted && connection == self.connection {
            self.reserved = self.reserved.saturating_sub(1);
        }
    }
}

impl Contents {
    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

impl Mail {
    fn announce(&mut self, announcement: Announcement) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_volatile_passes_a_reserved_place() {
        let inbox = Inbox::new(SessionId(1), NodeId(1));
        inbox.begin_connection(Connection(2), true);
        assert!(inbox.take_volatile_place());
        let place = inbox.reserve().unwrap();
        assert_eq!(place.v, 1);
        assert!(!inbox.take_volatile_place());
        let stale = Effect::PlaceReleased {
            session: SessionId(1),
            connection: Connection(1),
        };
        inbox.put(stale);
        assert!(
            !inbox.take_volatile_place(),
            "an older connection's release frees nothing"
        );
        let release = Effect::PlaceReleased {
            session: SessionId(1),
            connection: Connection(2),
        };
        inbox.put(release);
        assert!(inbox.take_volatile_place());
        assert_eq!(inbox.volatile_count(), 2);
    }

    #[test]
    fn a_session_without_stream_management_reserves_nothing() {
        let inbox = Inbox::new(SessionId(1), NodeId(1));
        assert_eq!(inbox.reserve(), None);
        assert!(inbox.take_volatile_place());
    }

    #[test]
    fn of_a_senders_announcements_the_latest_waits() {
        let inbox = Inbox::new(SessionId(1), NodeId(1));
        let from = pollux_domain::jid::Jid::parse("ann@example.org/r").unwrap();
        for number in 0..10 {
            let announcement = Announcement {
                from: from.clone(),
                to: from.clone(),
                bytes: Some(bytes::Bytes::from(vec![number])),
            };
            inbox.put(Effect::Announce {
                session: SessionId(1),
                announcement,
            });
        }
        let mail = inbox.open(Waker::noop());
        assert_eq!(mail.announcements.len(), 1);
        assert_eq!(mail.announcements[0].bytes.as_deref(), Some(&[9u8][..]));
    }
}
