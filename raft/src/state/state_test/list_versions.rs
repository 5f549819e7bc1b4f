//! Versions of contact lists: what a client is told that has an older one (RFC 6121 section 2.6).

use bytes::Bytes;
use pollux_domain::contact::ListVersion;
use pollux_domain::contract::{Action, Agreement, AsOf, ContactChange, Effect, SlotBody};
use pollux_domain::limits;
use pollux_domain::subscription::SubscriptionRequest::{Subscribe, Subscribed};

use super::world::{HOME, World, list, user};

fn ask(world: &mut World, device: &str, known: ListVersion) {
    let ask = Action::AskList {
        request: Bytes::from_static(b"list"),
        known: Some(known),
    };
    world.act(device, ask);
}

fn now(world: &World) -> ListVersion {
    world.state.list_version(&user("ann"))
}

fn set(world: &mut World, name: &str) {
    let (jid, name, groups) = (user(name), None, Vec::new());
    world.contact("ann/desk", ContactChange::Set { jid, name, groups });
}

#[test]
fn a_client_is_told_what_it_does_not_know() {
    let mut world = World::new(&["ann", "ben"]);
    world.managed("ann/desk");
    world.managed("ann/phone");
    let empty = now(&world);
    set(&mut world, "cid");
    let known = now(&world);
    set(&mut world, "dan");
    world.subscription("ann/desk", Subscribe, "ben");
    let jid = user("dan");
    world.contact("ann/desk", ContactChange::Remove { jid });
    world.read("ann/desk");
    world.heard();
    // Each entry once, as it is now, in the order of its last change.
    ask(&mut world, "ann/phone", known);
    world.hears(&[
        "ann/phone: answer to list",
        "ann/phone: push ben none ask",
        "ann/phone: push dan removed",
    ]);
    ask(&mut world, "ann/desk", empty);
    world.hears(&[
        "ann/desk: answer to list",
        "ann/desk: push cid none",
        "ann/desk: push ben none ask",
        "ann/desk: push dan removed",
    ]);
    let current = now(&world);
    ask(&mut world, "ann/desk", current);
    world.hears(&["ann/desk: answer to list"]);
    assert!(world.state.knows_list(&user("ann"), current));
}

/// Too much has changed, or the account is another one: the whole list is the answer.
#[test]
fn what_is_not_known_is_answered_by_the_list() {
    let mut world = World::new(&["ann", "ben"]);
    world.managed("ann/desk");
    set(&mut world, "first");
    let (old, owner) = (now(&world), user("ann"));
    for n in 0..limits::LIST_CHANGES_MAX {
        set(&mut world, &format!("c{n}"));
    }
    assert!(world.state.knows_list(&owner, old));
    set(&mut world, "more");
    assert!(!world.state.knows_list(&owner, old));
    let current = now(&world);
    world.read("ann/desk");
    world.heard();
    ask(&mut world, "ann/desk", old);
    world.hears(&["ann/desk: answer to list"]);
    world.done(Agreement::Release { user: user("ann") }.under(AsOf::default()));
    let ann = Agreement::Adopt {
        user: user("ann"),
        home: HOME,
    };
    world.done(ann.under(AsOf::default()));
    assert!(!world.state.knows_list(&owner, current));
}

/// "Roster pushes MUST occur in order of modification and the version contained in a roster push
/// MUST be unique", also where one stanza changes an entry twice.
#[test]
fn each_push_has_a_version_of_its_own() {
    let mut world = World::new(&["ann", "ben"]);
    world.befriend("ann", "ben");
    world.managed("ann/desk");
    world.act("ann/desk", list());
    let mut versions = vec![now(&world)];
    let jid = user("ben");
    let remove = ContactChange::Remove { jid };
    for effect in world.contact_effects("ann/desk", remove) {
        if let Effect::Slot { slot, .. } = effect
            && let SlotBody::Push(_, version) = slot.body
        {
            assert!(!versions.contains(&version));
            versions.push(version);
        }
    }
    assert_eq!(versions.len(), 4);
    assert_eq!(versions.last(), Some(&now(&world)));
}

/// What a user is not told of by a push is no change: a request that waits.
#[test]
fn a_request_that_waits_changes_no_version() {
    let mut world = World::new(&["ann", "ben"]);
    world.managed("ann/desk");
    world.managed("ben/desk");
    let before = now(&world);
    world.subscription("ben/desk", Subscribe, "ann");
    assert_eq!(now(&world), before);
    world.subscription("ann/desk", Subscribed, "ben");
    assert_ne!(now(&world), before);
}
