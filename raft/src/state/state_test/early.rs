//! `deliver = early`: what was written before its commit, and what its commit makes of it.

use std::sync::Arc;

use pollux_domain::contract::{Action, Command, EndReason, ParcelKind, Place, Position};
use pollux_domain::ids::Seq;

use super::world::{World, parcel};

impl World {
    /// A place for what is written to the device as the `v`th volatile stanza after slot `seq`.
    fn early(&self, device: &str, seq: u64, v: u64) -> Place {
        let session = self.session(device);
        Place {
            session: session.id,
            connection: session.connection,
            v,
            early: Some(Seq(seq)),
        }
    }

    fn chat_early(&mut self, from: &str, to: &str, words: &str, place: Place) {
        let session = self.session(from);
        let n = self.state.session(session.id).unwrap().handled + 1;
        let action = Action::Send(Arc::new(parcel(from, to, ParcelKind::Chat, words)));
        let places = vec![place];
        self.done(Command::Stanza {
            session,
            n,
            places,
            action,
        });
    }

    fn acked(&mut self, device: &str, h: u32) {
        let session = self.session(device);
        self.done(Command::Acked { session, h });
    }

    fn unwritten(&mut self, session: pollux_domain::contract::Session, words: &str) {
        let parcel = parcel("ann/desk", "ben", ParcelKind::Chat, words);
        let parcels = vec![Arc::new(parcel)];
        self.done(Command::Unwritten { session, parcels });
    }
}

/// A world in which ben's phone has counted nothing yet.
fn begun() -> World {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.managed("ben/phone");
    world.available("ben/phone", 0);
    world.heard();
    world
}

#[test]
fn counts_are_those_of_the_wire_in_whatever_order_the_commits_come() {
    let mut world = begun();
    let (first, second) = (
        world.early("ben/phone", 0, 1),
        world.early("ben/phone", 0, 2),
    );
    world.chat_early("ann/desk", "ben", "second", second);
    world.chat_early("ann/desk", "ben", "first", first);
    assert_eq!(world.waits("ben/phone"), ["first", "second"]);
    world.acked("ben/phone", 1);
    assert_eq!(world.waits("ben/phone"), ["second"]);
    world.acked("ben/phone", 2);
    assert_eq!(world.waits("ben/phone"), [""; 0]);
}

#[test]
fn a_slot_from_elsewhere_stands_between() {
    let mut world = begun();
    let early = world.early("ben/phone", 0, 1);
    world.chat("ann/desk", "ben", "slot");
    world.chat_early("ann/desk", "ben", "early", early);
    let session = world.session("ben/phone");
    let (through, v) = (Seq(1), 1);
    world.done(Command::Placed {
        session,
        through,
        v,
    });
    let later = world.early("ben/phone", 1, 2);
    world.chat_early("ann/desk", "ben", "later", later);
    assert_eq!(world.waits("ben/phone"), ["early", "slot", "later"]);
    for (h, rest) in [(1, &["slot", "later"][..]), (2, &["later"]), (3, &[])] {
        world.acked("ben/phone", h);
        assert_eq!(world.waits("ben/phone"), rest, "after {h}");
    }
}

#[test]
fn what_is_acknowledged_before_its_commit_is_over() {
    let mut world = begun();
    let early = world.early("ben/phone", 0, 1);
    world.acked("ben/phone", 1);
    world.chat_early("ann/desk", "ben", "early", early);
    assert_eq!(world.waits("ben/phone"), [""; 0]);
    world.end("ben/phone", EndReason::Closed);
    assert_eq!(world.stored("ben"), 0);
}

#[test]
fn who_was_written_to_has_it_whatever_the_route_is_by_now() {
    let mut world = begun();
    let early = world.early("ben/phone", 0, 1);
    world.online("ben/tablet");
    world.unavailable("ben/phone");
    world.detach("ben/phone");
    world.chat_early("ann/desk", "ben", "early", early);
    assert_eq!(world.waits("ben/phone"), ["early"]);
    assert_eq!(world.waits("ben/tablet"), ["early"]);
    world.resume("ben/phone", 1);
    assert_eq!(world.waits("ben/phone"), [""; 0]);
    world.end("ben/tablet", EndReason::Closed);
    assert_eq!(world.stored("ben"), 0, "the phone has it");
}

#[test]
fn a_place_of_an_older_stream_is_none() {
    let mut world = begun();
    let early = world.early("ben/phone", 0, 1);
    world.detach("ben/phone");
    world.resume("ben/phone", 0);
    world.chat_early("ann/desk", "ben", "early", early);
    assert_eq!(world.waits("ben/phone"), ["early"]);
    let session = world.session("ben/phone");
    assert_eq!(
        world.state.session(session.id).unwrap().slots[0].placed,
        None
    );
}

#[test]
fn without_stream_management_what_is_written_is_served() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    let session = world.sign_in("ben/phone");
    world.available("ben/phone", 0);
    let (first, second) = (
        world.early("ben/phone", 0, 1),
        world.early("ben/phone", 0, 2),
    );
    world.chat_early("ann/desk", "ben", "first", first);
    world.chat_early("ann/desk", "ben", "second", second);
    let through = Position { seq: Seq(0), v: 1 };
    world.done(Command::Written { session, through });
    assert_eq!(world.waits("ben/phone"), ["second"]);
    world.end("ben/phone", EndReason::Expired);
    assert_eq!(world.stored("ben"), 1);
}

#[test]
fn what_no_socket_took_waits_in_its_session_or_is_stored() {
    let mut world = World::new(&["ann", "ben"]);
    let session = world.sign_in("ben/phone");
    world.unwritten(session, "one");
    assert_eq!(world.waits("ben/phone"), ["one"]);
    world.end("ben/phone", EndReason::Expired);
    world.unwritten(session, "two");
    assert_eq!(world.stored("ben"), 2);
    world.take_over(2);
    world.unwritten(session, "three");
    assert_eq!(world.stored("ben"), 3, "nobody else has it");
}
