//! Who hears of whose availability, and how often (RFC 6121 section 4).

use bytes::Bytes;
use pollux_domain::blocking::BlockChange::Block;
use pollux_domain::contract::{Action, EndReason, ParcelKind};
use pollux_domain::limits;

use super::world::{World, jid, parcel};

/// Section 4.2: the contacts and the own devices hear of a new device; the new device hears of all
/// that it may see.
#[test]
fn initial_presence_is_told_to_contacts_and_answered_with_theirs() {
    let mut world = World::new(&["ann", "ben", "cid"]);
    world.befriend("ann", "ben");
    world.online("ben/desk");
    world.online("cid/desk");
    world.online("ann/desk");
    world.managed("ann/phone");
    world.available("ann/phone", 1);
    world.hears(&[
        "ben/desk: ann/phone is here 1",
        "ann/desk: ann/phone is here 1",
        "ann/phone: ann/phone is here 1",
        "ann/phone: ben/desk is here 0",
        "ann/phone: ann/desk is here 0",
    ]);
    // Section 4.4: later presence is told, and asks nobody for theirs.
    world.available("ann/phone", 2);
    world.hears(&[
        "ben/desk: ann/phone is here 2",
        "ann/desk: ann/phone is here 2",
        "ann/phone: ann/phone is here 2",
    ]);
    // Section 4.5: so is the end of it, once, with the client's own words.
    world.unavailable("ann/phone");
    world.hears(&["ben/desk: ann/phone is bye", "ann/desk: ann/phone is bye"]);
    world.end("ann/phone", EndReason::Closed);
    world.hears(&["ann/phone: ended, Closed"]);
}

/// Section 4.6: directed presence is told to its address, and its end as well, to each device once
/// for all reasons.
#[test]
fn directed_presence_ends_with_the_device_and_is_told_once() {
    let mut world = World::new(&["ann", "ben", "cid"]);
    world.befriend("ann", "ben");
    for device in ["ann/desk", "ben/desk", "cid/desk", "cid/phone"] {
        world.online(device);
    }
    world.direct("ann/desk", "cid", true);
    world.hears(&[
        "cid/desk: ann/desk is hello",
        "cid/phone: ann/desk is hello",
    ]);
    world.direct("ann/desk", "cid/desk", true);
    world.direct("ann/desk", "ben/desk", true);
    world.hears(&["cid/desk: ann/desk is hello", "ben/desk: ann/desk is hello"]);
    world.end("ann/desk", EndReason::Closed);
    world.hears(&[
        "ben/desk: ann/desk is gone",
        "cid/desk: ann/desk is gone",
        "cid/phone: ann/desk is gone",
        "ann/desk: ended, Closed",
    ]);
}

/// Section 4.6.3: what was taken back is not told again.
#[test]
fn directed_presence_that_was_taken_back_is_over() {
    let mut world = World::new(&["ann", "cid"]);
    world.online("ann/desk");
    world.online("cid/desk");
    world.direct("ann/desk", "cid/desk", true);
    world.direct("ann/desk", "cid/desk", false);
    world.hears(&["cid/desk: ann/desk is hello", "cid/desk: ann/desk is bye"]);
    world.unavailable("ann/desk");
    world.hears(&[]);
}

#[test]
fn directed_presence_beyond_its_limit_ends_for_the_first() {
    let mut world = World::new(&["ann", "cid"]);
    world.online("ann/desk");
    world.online("cid/0");
    for n in 0..limits::DIRECTED_MAX {
        world.direct("ann/desk", &format!("cid/{n}"), true);
    }
    world.hears(&["cid/0: ann/desk is hello"]);
    world.direct("ann/desk", "cid/new", true);
    world.hears(&["cid/0: ann/desk is gone"]);
}

/// Design, section 1: "contacts see the truth": a device that waits for its client is available,
/// and one that is not there any more is not.
#[test]
fn a_detached_session_is_available_until_it_ends() {
    let mut world = World::new(&["ann", "ben"]);
    world.befriend("ann", "ben");
    world.online("ann/desk");
    world.online("ben/desk");
    world.heard();
    world.detach("ann/desk");
    world.hears(&[]);
    world.take_over(2);
    world.hears(&[]);
    world.expire("ann/desk");
    world.hears(&["ben/desk: ann/desk is gone", "ann/desk: ended, Expired"]);
}

/// A departure while the watcher's stream is gone is told when it resumes; a device that has come
/// back is not called gone.
#[test]
fn departures_are_told_to_those_who_resume() {
    let mut world = World::new(&["ann", "ben"]);
    world.befriend("ann", "ben");
    for device in ["ann/desk", "ann/phone", "ann/web", "ben/desk"] {
        world.online(device);
    }
    world.detach("ben/desk");
    world.end("ann/desk", EndReason::Closed);
    world.end("ann/phone", EndReason::Closed);
    world.online("ann/phone");
    let handled = world.state.session(world.id("ben/desk")).unwrap().acked;
    world.resume("ben/desk", handled as u32);
    let told: Vec<String> = world
        .state
        .news_for(world.id("ben/desk"))
        .iter()
        .map(|news| {
            let here = if news.bytes.is_some() { "here" } else { "gone" };
            format!("{} {here}", news.from.resource().unwrap())
        })
        .collect();
    assert_eq!(told, ["desk gone", "web here", "phone here", "desk here"]);
}

/// Only so many departures are remembered.
#[test]
fn the_oldest_departure_is_forgotten() {
    let mut world = World::new(&["ann"]);
    for n in 0..limits::DEPARTURES_MAX + 4 {
        let device = format!("ann/{n}");
        world.online(&device);
        world.end(&device, EndReason::Closed);
    }
    let departures = &world.state.users[&super::world::user("ann")].departures;
    assert_eq!(departures.len(), limits::DEPARTURES_MAX);
    assert_eq!(departures[0].1, super::world::jid("ann/4"));
}

/// RFC 6121 section 8.5.3.1: a request tells nobody who may not know it that a device is there.
#[test]
fn a_request_reaches_a_device_of_those_alone_who_may_see_it() {
    let mut world = World::new(&["ann", "ben", "cid"]);
    world.befriend("ann", "ben");
    for device in ["ann/desk", "ann/phone", "ben/desk", "cid/desk"] {
        world.online(device);
    }
    world.heard();
    for asker in ["ben/desk", "cid/desk"] {
        world.say(asker, "ann/desk", ParcelKind::IqRequest, asker);
    }
    world.say("ann/phone", "ann/desk", ParcelKind::IqRequest, "own");
    world.hears(&[
        "ann/desk: ben/desk",
        "cid/desk: cid/desk refused, ServiceUnavailable",
        "ann/desk: own",
    ]);
    // Directed presence is as good, as long as it holds; answers always pass.
    world.direct("ann/desk", "cid", true);
    world.say("cid/desk", "ann/desk", ParcelKind::IqRequest, "again");
    world.direct("ann/desk", "cid", false);
    world.say("cid/desk", "ann/desk", ParcelKind::IqRequest, "once more");
    world.say("ann/desk", "cid/desk", ParcelKind::IqResponse, "answer");
    let told = world.heard();
    let told: Vec<&String> = told.iter().filter(|line| !line.contains(" is ")).collect();
    assert_eq!(
        told,
        [
            "ann/desk: again",
            "cid/desk: once more refused, ServiceUnavailable",
            "cid/desk: answer",
        ]
    );
}

impl World {
    fn direct_to_several(&mut self, device: &str, to: &[&str], available: bool) {
        let words = Bytes::from_static(if available { b"hello" } else { b"bye" });
        let copies = to.iter().map(|to| (jid(to), words.clone()));
        let action = Action::DirectedToSeveral {
            outer: parcel(device, "server", ParcelKind::Directed, "to several").into(),
            available,
            copies: copies.collect(),
        };
        self.act(device, action);
    }
}

/// XEP-0033 section 5.1: whoever was told through the server that a device is there is told that it
/// is not any more. Where one may not be told nobody is.
#[test]
fn presence_to_several_ends_for_all_of_them() {
    let mut world = World::new(&["ann", "ben", "cid", "dan"]);
    for device in ["ann/desk", "ben/desk", "cid/desk", "dan/desk"] {
        world.online(device);
    }
    world.block("ann/desk", Block(vec![jid("dan")]));
    world.heard();
    world.direct_to_several("ann/desk", &["ben", "cid/desk"], true);
    world.hears(&["ben/desk: ann/desk is hello", "cid/desk: ann/desk is hello"]);
    world.direct_to_several("ann/desk", &["ben", "dan"], true);
    world.hears(&["ann/desk: to several refused, Blocked"]);
    world.direct_to_several("ann/desk", &["ben", "dan"], false);
    world.hears(&["ben/desk: ann/desk is bye"]);
    world.direct_to_several("ann/desk", &["ben"], true);
    world.heard();
    world.end("ann/desk", EndReason::Closed);
    world.hears(&[
        "ben/desk: ann/desk is gone",
        "cid/desk: ann/desk is gone",
        "ann/desk: ended, Closed",
    ]);
    world.online("ann/desk");
    world.rules(|rules| rules.sharing = false);
    world.heard();
    world.direct_to_several("ann/desk", &["ann", "ben"], true);
    world.hears(&["ann/desk: to several refused, NotAllowed"]);
}
