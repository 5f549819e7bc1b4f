//! XEP-0280: which devices get a copy, and that a copy answers for its message.

use bytes::Bytes;
use pollux_domain::contract::{Action, EndReason, ParcelKind};
use pollux_domain::hints::Hints;
use pollux_domain::limits;

use super::world::World;

/// Ann has a desk; ben has a phone and a web page with carbons on, and a desk without.
fn begun() -> World {
    let mut world = World::new(&["ann", "ben"]);
    for device in ["ann/desk", "ben/desk", "ben/phone", "ben/web"] {
        world.online(device);
    }
    for device in ["ben/phone", "ben/web"] {
        world.carbons(device, true);
        world.read(device);
    }
    world.heard();
    world
}

impl World {
    fn carbons(&mut self, device: &str, on: bool) {
        let result = Bytes::from_static(b"result");
        self.act(device, Action::Carbons { on, result });
    }

    fn wait(&self, lines: &[(&str, &[&str])]) {
        for (device, lines) in lines {
            assert_eq!(self.waits(device), *lines, "{device}");
        }
    }

    fn read_all(&mut self) {
        for device in ["ann/desk", "ben/desk", "ben/phone", "ben/web"] {
            self.read(device);
        }
    }
}

/// Section 7: who gets the message itself gets no copy.
#[test]
fn what_is_received_is_copied_to_those_who_did_not_get_it() {
    let mut world = begun();
    world.chat("ann/desk", "ben/desk", "one");
    world.wait(&[
        ("ben/desk", &["one"]),
        ("ben/phone", &["copy of received one"]),
        ("ben/web", &["copy of received one"]),
        ("ann/desk", &[]),
    ]);
    world.read_all();
    // Forked, it goes to all; tied to a device, the others have copies.
    world.chat("ann/desk", "ben", "two");
    for device in ["ben/desk", "ben/phone", "ben/web"] {
        assert_eq!(world.waits(device), ["two"]);
    }
    world.read_all();
    world.chat("ben/phone", "ann", "a reply");
    world.read_all();
    world.chat("ann/desk", "ben", "three");
    world.wait(&[
        ("ben/desk", &[]),
        ("ben/phone", &["three"]),
        ("ben/web", &["copy of received three"]),
    ]);
}

/// Section 8: whether the sending device has carbons on or not.
#[test]
fn what_is_sent_is_copied_to_the_senders_other_devices() {
    let mut world = begun();
    world.chat("ben/desk", "ann", "one");
    world.chat("ben/phone", "ann", "two");
    world.wait(&[
        ("ben/desk", &[]),
        ("ben/phone", &["copy of sent one"]),
        ("ben/web", &["copy of sent one", "copy of sent two"]),
        ("ann/desk", &["one", "two"]),
    ]);
    world.read_all();
    world.carbons("ben/web", false);
    world.read_all();
    world.chat("ben/desk", "ann", "three");
    world.wait(&[("ben/phone", &["copy of sent three"]), ("ben/web", &[])]);
}

#[test]
fn a_message_to_oneself_has_no_copy_of_what_was_sent() {
    let mut world = begun();
    world.chat("ben/phone", "ben/desk", "note");
    world.wait(&[
        ("ben/desk", &["note"]),
        ("ben/phone", &[]),
        ("ben/web", &["copy of received note"]),
    ]);
}

/// Section 9, and XEP-0334 section 4.3; an IQ is between two.
#[test]
fn what_is_private_is_not_copied() {
    let mut world = begun();
    let private = Hints {
        speaks: true,
        no_copy: true,
        ..Hints::default()
    };
    world.hinted("ann/desk", "ben/desk", "psst", private);
    world.hinted("ben/desk", "ann", "psst too", private);
    world.direct("ben/desk", "ann", true);
    world.say("ann/desk", "ben/desk", ParcelKind::IqRequest, "ask");
    world.wait(&[
        ("ben/desk", &["psst", "ask"]),
        ("ben/phone", &[]),
        ("ben/web", &[]),
    ]);
}

/// `Duty`: the user has read it on one of the devices, be it as a copy.
#[test]
fn a_copy_answers_for_its_message() {
    let mut world = begun();
    world.chat("ann/desk", "ben/desk", "one");
    world.read("ben/phone");
    world.end("ben/desk", EndReason::Closed);
    assert_eq!(world.waits("ben/phone"), [""; 0]);
    world.end("ben/web", EndReason::Closed);
    assert_eq!(
        (world.waits("ben/phone").len(), world.stored("ben")),
        (0, 0)
    );
    // Nobody has read it: what the last one held as a copy goes on as the message.
    world.online("ben/desk");
    world.chat("ann/desk", "ben/desk", "two");
    world.end("ben/desk", EndReason::Closed);
    assert_eq!(world.waits("ben/phone"), ["copy of received two"]);
    world.online("ben/desk");
    world.end("ben/phone", EndReason::Closed);
    assert_eq!(world.waits("ben/desk"), ["two"]);
    // A copy of what was sent is nobody's duty.
    world.online("ben/phone");
    world.carbons("ben/phone", true);
    world.chat("ben/desk", "ann", "three");
    world.end("ben/phone", EndReason::Closed);
    world.end("ben/desk", EndReason::Closed);
    assert_eq!(world.stored("ben"), 1, "two");
}

#[test]
fn a_device_that_holds_its_fill_has_no_copy() {
    let mut world = begun();
    world.detach("ben/phone");
    for n in 0..limits::SLOTS_MAX + 2 {
        world.chat("ann/desk", "ben/desk", &n.to_string());
        world.read("ben/desk");
        world.read("ben/web");
    }
    assert_eq!(world.waits("ben/phone").len(), limits::SLOTS_MAX);
    assert_eq!(world.stored("ben"), 0);
}

/// A takeover moves the session with what it has switched on.
#[test]
fn carbons_stay_on_over_a_resumption_and_a_takeover() {
    let mut world = begun();
    world.take_over(2);
    let acked = world.state.session(world.id("ben/phone")).unwrap().acked;
    world.resume("ben/phone", acked as u32);
    world.chat("ann/desk", "ben/desk", "one");
    assert_eq!(world.waits("ben/phone"), ["copy of received one"]);
}
