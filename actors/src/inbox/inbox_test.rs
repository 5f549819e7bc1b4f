//! What knocks at the door of a session, and in which places it stands in the stream.

use pollux_domain::contract::{Announcement, Slot};

use super::*;
use crate::stream::claims::Claims;

#[test]
fn nothing_volatile_passes_a_reserved_place() {
    let inbox = Inbox::new(SessionId(1), NodeId(1), Claims::default().arrive());
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
    let inbox = Inbox::new(SessionId(1), NodeId(1), Claims::default().arrive());
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
    let inbox = Inbox::new(SessionId(1), NodeId(1), Claims::default().arrive());
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
        hints: Default::default(),
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
    let inbox = Inbox::new(SessionId(1), NodeId(1), Claims::default().arrive());
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
    let inbox = Inbox::new(SessionId(1), NodeId(1), Claims::default().arrive());
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
    let inbox = Inbox::new(SessionId(1), NodeId(1), Claims::default().arrive());
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
    let inbox = Inbox::new(SessionId(1), NodeId(1), Claims::default().arrive());
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
