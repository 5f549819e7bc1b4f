//! What changing a setting of the cluster does to those who are there.

use pollux_domain::contract::ParcelKind;

use super::groups::cluster::two;
use super::world::World;

#[test]
fn availability_is_shared_no_more_and_again() {
    let mut world = World::new(&["ann", "ben", "cid"]);
    world.befriend("ann", "ben");
    for device in ["ann/desk", "ann/phone", "ben/desk", "cid/desk"] {
        world.online(device);
    }
    world.direct("ann/desk", "cid", true);
    world.heard();
    world.rules(|rules| rules.sharing = false);
    world.hears(&[
        "cid/desk: ann/desk is gone",
        "ben/desk: ann/desk is gone",
        "ben/desk: ann/phone is gone",
        "ann/desk: ben/desk is gone",
        "ann/phone: ben/desk is gone",
    ]);
    // The own devices stay; nobody else hears of anything, in whatever way.
    world.available("ann/desk", 1);
    world.direct("ann/desk", "cid", true);
    world.managed("ben/web");
    world.available("ben/web", 0);
    world.hears(&[
        "ann/desk: ann/desk is here 1",
        "ann/phone: ann/desk is here 1",
        "ann/desk: hello refused, NotAllowed",
        "ben/desk: ben/web is here 0",
        "ben/web: ben/web is here 0",
        "ben/web: ben/desk is here 0",
    ]);
    world.chat("ann/desk", "ben", "still said");
    let told = world.heard();
    assert!(
        told.contains(&"ben/desk: still said".to_owned()),
        "{told:?}"
    );
    world.end("ben/web", super::world::CLOSED);
    world.heard();
    // Nobody has a device to ask, but for the own ones.
    world.say("ann/desk", "ben/desk", ParcelKind::IqRequest, "ask");
    world.say("ann/desk", "ann/phone", ParcelKind::IqRequest, "ask");
    world.hears(&[
        "ann/desk: ask refused, ServiceUnavailable",
        "ann/phone: ask",
    ]);
    world.rules(|rules| rules.sharing = true);
    world.hears(&[
        "ben/desk: ann/desk is here 1",
        "ben/desk: ann/phone is here 0",
        "ann/desk: ben/desk is here 0",
        "ann/phone: ben/desk is here 0",
    ]);
    assert_eq!(world.contacts("ann"), ["ben both"]);
}

#[test]
fn availability_ends_between_groups_too() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster.of("ann").rules(|rules| rules.sharing = false);
    cluster.carry();
    let told = cluster.of("ben").heard();
    assert!(
        told.contains(&"ben/desk: ann/desk is gone".to_owned()),
        "{told:?}"
    );
    cluster.of("ann").available("ann/desk", 2);
    cluster.carry();
    cluster.of("ben").hears(&[]);
    cluster.of("ann").rules(|rules| rules.sharing = true);
    cluster.carry();
    cluster.of("ben").hears(&["ben/desk: ann/desk is here 2"]);
}

#[test]
fn messages_can_be_switched_off() {
    let mut world = World::new(&["ann", "ben"]);
    world.befriend("ann", "ben");
    world.online("ann/desk");
    world.chat("ann/desk", "ben", "kept");
    world.rules(|rules| rules.messages = false);
    world.heard();
    for kind in [
        ParcelKind::Chat,
        ParcelKind::Normal,
        ParcelKind::Headline,
        ParcelKind::Groupchat,
    ] {
        world.say("ann/desk", "ben", kind, "words");
        world.hears(&["ann/desk: words refused, NotAllowed"]);
    }
    world.online("ben/desk");
    world.say("ann/desk", "ben/desk", ParcelKind::IqRequest, "ask");
    world.hears(&["ben/desk: ask"]);
    world.rules(|rules| rules.messages = true);
    world.chat("ann/desk", "ben", "again");
    world.hears(&["ben/desk: again"]);
}
