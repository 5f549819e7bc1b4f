//! Which messages are stored, for how long, and in which order they come out (XEP-0160).

use pollux_domain::contract::{EndReason, ParcelKind};
use pollux_domain::hints::Hints;
use pollux_domain::limits;
use pollux_domain::stanza_error::{Condition, Holding};

use super::world::World;

#[test]
fn what_is_stored_comes_in_order_with_the_first_presence() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    for words in ["one", "two", "three"] {
        world.chat("ann/desk", "ben", words);
    }
    world.managed("ben/phone");
    assert_eq!(world.waits("ben/phone"), [""; 0], "no presence yet");
    world.available("ben/phone", -1);
    assert_eq!(
        world.waits("ben/phone"),
        [""; 0],
        "a negative priority refuses"
    );
    world.available("ben/phone", 0);
    world.chat("ann/desk", "ben", "four");
    let order = ["stored one", "stored two", "stored three", "four"];
    assert_eq!(world.waits("ben/phone"), order);
    assert_eq!(
        world.rows.len(),
        3,
        "a row stays until its message is acknowledged"
    );
    world.read("ben/phone");
    assert_eq!((world.rows.len(), world.stored("ben")), (0, 0));
}

/// Section 3: only what says something to a person is stored; the rest comes back where an answer
/// is due.
#[test]
fn each_kind_has_its_fate() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    let mut check = |kind, to: &str, refused: bool, stored: usize| {
        world.say("ann/desk", to, kind, "words");
        let want: &[&str] = if refused {
            &["words refused, ServiceUnavailable"]
        } else {
            &[]
        };
        assert_eq!(world.waits("ann/desk"), want, "{kind:?} to {to}");
        assert_eq!(world.stored("ben"), stored, "{kind:?} to {to}");
        world.read("ann/desk");
    };
    check(ParcelKind::Chat, "ben", false, 1);
    check(ParcelKind::Normal, "ben", false, 2);
    check(ParcelKind::Chat, "ben/gone", false, 3);
    check(ParcelKind::Normal, "ben/gone", true, 3);
    check(ParcelKind::Headline, "ben", false, 3);
    check(ParcelKind::Groupchat, "ben", true, 3);
    check(ParcelKind::IqRequest, "ben/gone", true, 3);
    check(ParcelKind::IqResponse, "ben/gone", false, 3);
    check(ParcelKind::MessageError, "ben", false, 3);
    check(ParcelKind::Chat, "nobody", true, 3);
    check(ParcelKind::MessageError, "nobody", false, 3);
}

/// Design, section 5: what a session has not acknowledged when it ends goes to the other devices,
/// or is stored, or comes back.
#[test]
fn what_waited_in_a_session_goes_on_when_it_ends() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.online("ben/desk");
    world.direct("ben/desk", "ann", true);
    world.chat("ann/desk", "ben", "one");
    world.say("ann/desk", "ben/desk", ParcelKind::IqRequest, "ask");
    world.chat("ann/desk", "ben", "two");
    world.online("ben/phone");
    world.end("ben/desk", EndReason::Closed);
    assert_eq!(world.waits("ben/phone"), ["one", "two"]);
    assert_eq!(
        world.waits("ann/desk"),
        ["ask refused, RecipientUnavailable"]
    );
    world.detach("ben/phone");
    world.expire("ben/phone");
    assert_eq!(world.stored("ben"), 2);
    world.online("ben/web");
    assert_eq!(world.stored("ben"), 0);
}

/// `Duty`: of several devices that were given a message, one acknowledgement is enough.
#[test]
fn a_message_to_several_devices_is_done_with_the_first_acknowledgement() {
    let mut world = World::new(&["ann", "ben"]);
    for device in ["ann/desk", "ben/desk", "ben/phone", "ben/web"] {
        world.online(device);
    }
    world.chat("ann/desk", "ben", "one");
    for device in ["ben/desk", "ben/phone", "ben/web"] {
        assert_eq!(world.waits(device), ["one"]);
    }
    world.read("ben/desk");
    world.end("ben/phone", EndReason::Closed);
    world.end("ben/web", EndReason::Closed);
    assert_eq!((world.waits("ben/desk").len(), world.stored("ben")), (0, 0));
    // Nobody had it: the last of them answers for it.
    world.online("ben/web");
    world.chat("ann/desk", "ben", "two");
    world.end("ben/desk", EndReason::Closed);
    world.end("ben/web", EndReason::Closed);
    assert_eq!(world.stored("ben"), 1);
}

/// Limits of a session and of the store: first the slots, then the rows, then an error. In this
/// order they come out again.
#[test]
fn a_full_session_overflows_into_the_store_and_a_full_store_refuses() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.online("ben/desk");
    world.detach("ben/desk");
    let all = limits::SLOTS_MAX + limits::OFFLINE_MAX;
    for n in 1..=all + 1 {
        world.chat("ann/desk", "ben", &n.to_string());
    }
    assert_eq!(world.waits("ben/desk").len(), limits::SLOTS_MAX);
    assert_eq!(world.stored("ben"), limits::OFFLINE_MAX);
    let full = Condition::full(Holding::Stored, limits::OFFLINE_MAX, limits::OFFLINE_MAX);
    let refused = format!("{} refused, {full:?}", all + 1);
    assert_eq!(world.waits("ann/desk"), [refused]);
    let base = world.state.session(world.id("ben/desk")).unwrap().acked as u32;
    world.resume("ben/desk", base);
    let mut got = Vec::new();
    while !world.waits("ben/desk").is_empty() {
        let numbers = world.waits("ben/desk");
        let numbers = numbers
            .iter()
            .map(|line| line.replace("stored ", "").parse::<usize>());
        got.extend(numbers.map(Result::unwrap));
        world.read("ben/desk");
    }
    assert_eq!(got, (1..=all).collect::<Vec<_>>());
}

/// A device that is not there and holds its fill holds nothing back from one that is.
#[test]
fn a_full_session_is_passed_over() {
    let mut world = World::new(&["ann", "ben"]);
    for device in ["ann/desk", "ben/phone"] {
        world.online(device);
    }
    world.detach("ben/phone");
    for n in 0..limits::SLOTS_MAX + 3 {
        world.chat("ann/desk", "ben", &n.to_string());
    }
    world.online("ben/desk");
    assert_eq!(
        world.stored("ben"),
        0,
        "the store was drained to the device that has room"
    );
    world.chat("ann/desk", "ben", "last");
    assert_eq!(world.waits("ben/desk"), ["last"]);
}

/// The device with the highest priority is full and goes: what was stored for it goes to the next
/// at once.
#[test]
fn unavailability_lets_stored_messages_go_to_the_next_device() {
    let mut world = World::new(&["ann", "ben"]);
    for device in ["ann/desk", "ben/desk", "ben/phone"] {
        world.online(device);
    }
    world.rules(|rules| rules.forking = false);
    world.available("ben/phone", 5);
    for n in 0..limits::SLOTS_MAX + 2 {
        world.chat("ann/desk", "ben", &n.to_string());
    }
    assert_eq!(world.stored("ben"), 2);
    world.unavailable("ben/phone");
    assert_eq!(world.stored("ben"), 0);
    assert_eq!(world.waits("ben/desk"), ["stored 500", "stored 501"]);
}

/// What cannot be stored ends the session beyond the hard limit.
#[test]
fn a_session_that_holds_too_much_ends() {
    let mut world = World::new(&["ann"]);
    world.online("ann/desk");
    for _ in 0..limits::SLOTS_HARD_MAX {
        world.act("ann/desk", super::world::list());
    }
    world.heard();
    world.act("ann/desk", super::world::list());
    let heard = world.heard();
    assert!(
        heard.contains(&"ann/desk: ended, TooMuchWaiting".to_owned()),
        "{heard:?}"
    );
}

/// XEP-0334 section 4.2, XEP-0160 section 3: what is nothing later is not kept; who asked
/// that it be not kept gets to know that nobody was there.
#[test]
fn what_says_that_it_is_not_to_be_kept_is_not() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    let fleeting = Hints {
        fleeting: true,
        ..Hints::default()
    };
    let no_store = Hints {
        no_store: true,
        speaks: true,
        ..Hints::default()
    };
    world.hinted("ann/desk", "ben", "types", fleeting);
    assert_eq!((world.waits("ann/desk").len(), world.stored("ben")), (0, 0));
    world.hinted("ann/desk", "ben", "secret", no_store);
    let refused = ["secret refused, ServiceUnavailable"];
    assert_eq!(world.waits("ann/desk"), refused);
    world.read("ann/desk");
    // Whoever is there gets both; when the device ends without them they are not kept either.
    world.online("ben/phone");
    world.hinted("ann/desk", "ben", "types", fleeting);
    world.hinted("ann/desk", "ben", "secret", no_store);
    assert_eq!(world.waits("ben/phone"), ["types", "secret"]);
    world.end("ben/phone", EndReason::Closed);
    assert_eq!(world.waits("ann/desk"), refused);
    assert_eq!(world.stored("ben"), 0);
}

#[test]
fn the_store_can_be_switched_off_and_made_smaller() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.rules(|rules| rules.offline_max = 2);
    for words in ["one", "two", "three"] {
        world.chat("ann/desk", "ben", words);
    }
    let full = Condition::full(Holding::Stored, 2, 2);
    assert_eq!(
        world.waits("ann/desk"),
        [format!("three refused, {full:?}")]
    );
    world.read("ann/desk");
    world.rules(|rules| rules.offline = false);
    world.chat("ann/desk", "ben", "four");
    assert_eq!(
        world.waits("ann/desk"),
        ["four refused, ServiceUnavailable"]
    );
    // What was kept is delivered.
    world.managed("ben/phone");
    world.available("ben/phone", 0);
    assert_eq!(world.waits("ben/phone"), ["stored one", "stored two"]);
}
