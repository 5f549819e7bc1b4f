//! Forking: to which of several devices a message goes, before and after a reply.

use pollux_domain::contract::{EndReason, ParcelKind};
use pollux_domain::hints::Hints;
use pollux_domain::limits;

use super::world::World;

const SPEAKS: Hints = Hints {
    speaks: true,
    fleeting: false,
    no_store: false,
    no_copy: false,
    talk: false,
    room: false,
    needs_sight: false,
};

/// Ann has a desk; ben has three devices that are there, and one that refuses messages.
fn begun() -> World {
    let mut world = World::new(&["ann", "ben", "eve"]);
    for device in [
        "ann/desk",
        "eve/desk",
        "ben/desk",
        "ben/phone",
        "ben/web",
        "ben/shy",
    ] {
        world.online(device);
    }
    world.available("ben/phone", 5);
    world.available("ben/shy", -1);
    for device in ["ben/desk", "ben/phone", "ben/web", "ben/shy"] {
        world.read(device);
    }
    world.heard();
    world
}

impl World {
    /// What is said to ben by this device is heard at these of his devices, and read there.
    fn reaches(&mut self, from: &str, words: &str, devices: &[&str]) {
        self.chat(from, "ben", words);
        for device in ["ben/desk", "ben/phone", "ben/web", "ben/shy"] {
            if !self.is_signed_in(device) {
                continue;
            }
            let expected: &[&str] = if devices.contains(&device) {
                &[words]
            } else {
                &[]
            };
            assert_eq!(self.waits(device), expected, "{words}: {device}");
            self.read(device);
        }
    }
}

const ALL: &[&str] = &["ben/desk", "ben/phone", "ben/web"];

#[test]
fn a_message_goes_to_each_device_until_the_user_replies_from_one() {
    let mut world = begun();
    world.reaches("ann/desk", "one", ALL);
    world.chat("ben/desk", "ann", "a reply");
    world.reaches("ann/desk", "two", &["ben/desk"]);
    // Of somebody else nothing is known.
    world.reaches("eve/desk", "three", ALL);
    // A reply to the device is one to the user.
    world.chat("ben/web", "ann/desk", "here I am");
    world.reaches("ann/desk", "four", &["ben/web"]);
}

#[test]
fn what_says_nothing_is_no_reply() {
    let mut world = begun();
    world.hinted("ben/desk", "ann", "types", Hints::default());
    world.say("ben/desk", "ann", ParcelKind::Headline, "news");
    world.direct("ann/desk", "ben", true);
    world.say("ben/desk", "ann/desk", ParcelKind::IqRequest, "a question");
    world.reaches("ann/desk", "one", ALL);
    world.hinted("ben/desk", "ann", "words", SPEAKS);
    world.reaches("ann/desk", "two", &["ben/desk"]);
}

#[test]
fn a_device_that_goes_away_is_not_waited_for() {
    let mut world = begun();
    world.chat("ben/desk", "ann", "a reply");
    world.available("ben/desk", -1);
    world.reaches("ann/desk", "one", &["ben/phone", "ben/web"]);
    world.available("ben/desk", 0);
    world.reaches("ann/desk", "two", &["ben/desk"]);
    world.unavailable("ben/desk");
    world.reaches("ann/desk", "three", &["ben/phone", "ben/web"]);
    world.chat("ben/web", "ann", "another");
    world.reaches("ann/desk", "four", &["ben/web"]);
    world.end("ben/web", EndReason::Closed);
    world.online("ben/web");
    world.read("ben/phone");
    world.chat("ann/desk", "ben", "five");
    for device in ["ben/phone", "ben/web"] {
        assert_eq!(world.waits(device), ["five"]);
    }
}

/// Its stream is cut: whoever is there gets the message, and it too, when it comes back.
#[test]
fn a_device_without_a_stream_is_not_waited_for() {
    let mut world = begun();
    world.chat("ben/desk", "ann", "a reply");
    world.chat("ann/desk", "ben", "while it is there");
    world.detach("ben/desk");
    world.chat("ann/desk", "ben", "while it is not");
    assert_eq!(world.waits("ben/phone"), ["while it is not"]);
    let both = ["while it is there", "while it is not"];
    assert_eq!(world.waits("ben/desk"), both);
    // It does not come back: what only it had goes to those who are there.
    world.expire("ben/desk");
    for device in ["ben/phone", "ben/web"] {
        assert_eq!(
            world.waits(device),
            ["while it is not", "while it is there"]
        );
    }
}

#[test]
fn a_reply_binds_for_the_time_that_was_set() {
    let mut world = begun();
    world.rules(|rules| rules.forking_ms = 10_000);
    world.chat("ben/desk", "ann", "a reply");
    world.now.0 += 9_999;
    world.reaches("ann/desk", "one", &["ben/desk"]);
    world.now.0 += 1;
    world.reaches("ann/desk", "two", ALL);
}

/// A full address is meant: chat reaches that device, and the others only where it is gone.
#[test]
fn who_names_a_device_gets_that_device() {
    let mut world = begun();
    world.chat("ben/desk", "ann", "a reply");
    world.chat("ann/desk", "ben/web", "one");
    assert_eq!(world.waits("ben/web"), ["one"]);
    assert_eq!(world.waits("ben/desk"), [""; 0]);
    world.chat("ann/desk", "ben/gone", "two");
    assert_eq!(world.waits("ben/desk"), ["two"]);
    assert_eq!(world.waits("ben/phone"), [""; 0]);
}

#[test]
fn switched_off_the_device_of_the_highest_priority_gets_it() {
    let mut world = begun();
    world.chat("ben/desk", "ann", "a reply");
    world.rules(|rules| rules.forking = false);
    world.reaches("ann/desk", "one", &["ben/phone"]);
    world.chat("ben/web", "ann", "not remembered");
    world.rules(|rules| rules.forking = true);
    world.reaches("ann/desk", "two", &["ben/desk"]);
}

/// At the limit the oldest reply is forgotten: that contact's messages go to all again.
#[test]
fn so_many_replies_are_remembered() {
    let mut world = begun();
    world.chat("ben/desk", "ann", "a reply");
    for n in 0..limits::TALKS_MAX {
        world.now.0 += 1;
        if n == 1 {
            world.reaches("ann/desk", "still", &["ben/desk"]);
        }
        world.chat("ben/desk", &format!("friend{n}"), "hello");
        world.read("ben/desk");
    }
    world.reaches("ann/desk", "forgotten", ALL);
    let ben = &world.state.users[&super::world::user("ben")];
    assert_eq!(ben.talks.len(), limits::TALKS_MAX);
}
