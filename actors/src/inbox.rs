//! What a session is told by others: slots, counts, announcements, the end. Bounded by what it
//! holds, not by a queue: slots are limited in the database, counts are one number, of
//! announcements the latest of a sender wins. Nothing is lost when a mailbox is full, because this
//! is not one; a session is woken once for all that waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use pollux_domain::contract::{Announcement, Effect, EndReason, Parcel, Place, Position, Slot};
use pollux_domain::ids::{Connection, NodeId, Seq, SessionId};
use pollux_domain::limits;
use pollux_raft::state::EarlyTarget;

use crate::company::{Company, Look};
use crate::reminders::Reminder;

/// Bytes that may wait to be written before their commit; what comes then goes the long way, and
/// waits in the database.
const EARLY_BYTES_MAX: usize = 64 * 1024;
/// Added to each, so that no more than a hundred wait.
const EARLY_OVERHEAD: usize = 640;

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
    company: Company,
    /// A session opens it: something may come early.
    open: bool,
    /// What came early without an entry and is not with the socket yet: nobody else has it.
    unlogged: VecDeque<Unlogged>,
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
    /// The last slot that came, and the last of those that came without place.
    seq: Seq,
    unplaced: Seq,
    /// Bytes that came early and were not taken yet.
    early_bytes: usize,
}

/// The last slot that a session has, and the last that has no place.
#[derive(Debug, Clone, Copy, Default)]
pub struct Behind {
    pub seq: Seq,
    pub unplaced: Seq,
}

/// A parcel that has no entry, and where it stands in the stream.
pub type Unlogged = (Position, Arc<Parcel>);

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
            Effect::OutboxGrew { .. } => {}
        }
        !is_count || !contents.company.is_sought()
    }

    pub fn wake(&self) {
        self.contents().wake();
    }
}

impl Early {
    /// What it counts against the limit.
    pub fn weight(&self) -> usize {
        weight(&self.parcel)
    }
}

fn weight(parcel: &Parcel) -> usize {
    EARLY_OVERHEAD + parcel.bytes.len()
}

impl Wire {
    fn release(&mut self, connection: Connection) {
        if connection == self.connection {
            self.reserved = self.reserved.saturating_sub(1);
        }
    }

    fn came(&mut self, connection: Connection, slot: &Slot) {
        if connection == self.connection && self.seq < slot.seq {
            self.seq = slot.seq;
            if slot.placed.is_none() {
                self.unplaced = slot.seq;
            }
        }
    }

    fn placed(&mut self, connection: Connection, through: Seq) {
        if connection == self.connection && self.unplaced <= through {
            self.unplaced = Seq::default();
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
        inbox.begin_connection(Connection(2), true, Behind::default());
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
    fn a_count_that_waits_for_company_wakes_nobody_and_is_not_forgotten() {
        let inbox = Inbox::new(SessionId(1), NodeId(1));
        let connection = Connection(2);
        inbox.begin_connection(connection, true, Behind::default());
        let handled = |n| Effect::Handled {
            session: SessionId(1),
            connection,
            n,
        };
        let at = Duration::from_millis;
        assert!(inbox.put(handled(1)));
        assert!(inbox.seek_company(at(0)));
        assert!(!inbox.put(handled(2)));
        let release = Effect::PlaceReleased {
            session: SessionId(1),
            connection,
        };
        assert!(inbox.put(release), "all else does wake");
        assert!(inbox.end_company(), "whoever ends it is told that one came");
        let mail = inbox.open(Waker::noop());
        assert_eq!(mail.handled, Some((connection, 2)));
        assert!(!inbox.end_company());
        // Its time is over, of which the first reminder tells.
        assert!(!inbox.seek_company(at(1)));
        assert_eq!(inbox.remind(Reminder::Company, at(10)), Look::Again);
        assert!(!inbox.open(Waker::noop()).company_is_over);
        assert_eq!(inbox.remind(Reminder::Company, at(11)), Look::Over);
        assert!(inbox.open(Waker::noop()).company_is_over);
        assert!(inbox.put(handled(3)));
    }

    #[test]
    fn a_session_without_stream_management_reserves_nothing() {
        let inbox = Inbox::new(SessionId(1), NodeId(1));
        assert_eq!(inbox.reserve(), None);
        assert!(inbox.take_volatile_place());
    }

    fn target(connection: u32, seq: u64) -> EarlyTarget {
        EarlyTarget {
            session: SessionId(1),
            connection: Connection(connection),
            last_seq: Seq(seq),
            epoch: pollux_domain::ids::Epoch(1),
            managed: true,
            has_room: true,
        }
    }

    fn parcel() -> Arc<Parcel> {
        let ann = pollux_domain::jid::Jid::parse("ann@example.org/r").unwrap();
        Arc::new(Parcel {
            from: ann.clone(),
            to: ann,
            kind: pollux_domain::contract::ParcelKind::Chat,
            bytes: bytes::Bytes::from_static(b"<message/>"),
            sent: pollux_domain::ids::WallMs(0),
        })
    }

    fn slot(seq: u64, placed: Option<u64>) -> Effect {
        Effect::Slot {
            session: SessionId(1),
            connection: Connection(2),
            slot: Slot {
                seq: Seq(seq),
                stanza: pollux_domain::ids::StanzaId(seq),
                placed,
                body: pollux_domain::contract::SlotBody::Parcel(parcel()),
                duty: pollux_domain::contract::Duty::Sole,
            },
        }
    }

    fn placed(through: u64) -> Effect {
        Effect::Placed {
            session: SessionId(1),
            connection: Connection(2),
            through: Seq(through),
        }
    }

    #[test]
    fn what_goes_early_overtakes_no_slot() {
        let inbox = Inbox::new(SessionId(1), NodeId(1));
        let early = |connection, seq| inbox.put_early(&target(connection, seq), &parcel(), true);
        assert_eq!(early(0, 0), None, "nobody has opened it");
        inbox.begin_connection(Connection(2), true, Behind::default());
        assert_eq!(early(1, 0), None, "an older connection");
        assert_eq!(early(2, 1), None, "slot 1 is on its way");
        let place = early(2, 0).unwrap();
        assert_eq!((place.early, place.v), (Some(Seq(0)), 1));
        assert!(!inbox.take_volatile_place(), "the next place is taken");
        inbox.put(slot(1, None));
        assert_eq!(early(2, 1), None, "slot 1 waits for its place");
        inbox.put(placed(1));
        let place = early(2, 1).unwrap();
        assert_eq!((place.early, place.v), (Some(Seq(1)), 2));
        let held = inbox.reserve().unwrap();
        assert_eq!(early(2, 1), None, "a slot has the next place");
        inbox.release(held);
        assert!(early(2, 1).is_some());
        let mail = inbox.open(Waker::noop());
        let order: Vec<u64> = mail.early.iter().map(|early| early.at.v).collect();
        assert_eq!(order, [1, 2, 3]);
        assert!(inbox.take_volatile_place());
    }

    #[test]
    fn of_what_goes_early_only_so_much_waits() {
        let inbox = Inbox::new(SessionId(1), NodeId(1));
        inbox.begin_connection(Connection(2), false, Behind::default());
        let put = || inbox.put_early(&target(2, 0), &parcel(), false).is_some();
        let most = EARLY_BYTES_MAX.div_ceil(weight(&parcel()));
        assert!((0..most).all(|_| put()));
        assert!(!put());
        let waiting = inbox.open(Waker::noop()).early;
        assert!(!put(), "taken is not written");
        let last = waiting.back().unwrap().at;
        inbox.early_done(last, waiting.iter().map(Early::weight).sum());
        assert!(put());
        assert_eq!(inbox.close().len(), 1, "the rest is with the socket");
        assert!(!put(), "nobody would write it");
    }

    #[test]
    fn what_has_no_entry_gets_one_before_what_comes_behind_it() {
        let inbox = Inbox::new(SessionId(1), NodeId(1));
        inbox.begin_connection(Connection(2), false, Behind::default());
        assert!(inbox.put_early(&target(2, 0), &parcel(), false).is_some());
        assert!(inbox.put_early(&target(2, 0), &parcel(), true).is_some());
        let mut logged = Vec::new();
        inbox.reserve_in_order(|unlogged| {
            logged = unlogged;
            true
        });
        assert_eq!(logged.len(), 1);
        inbox.reserve_in_order(|_| panic!("nothing is left"));
        assert!(inbox.close().is_empty());
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
