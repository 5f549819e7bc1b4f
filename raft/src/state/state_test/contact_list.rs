//! Sets and removals of contacts, and who is told of them (RFC 6121 section 2).

use pollux_domain::contract::ContactChange;
use pollux_domain::limits;
use pollux_domain::subscription::SubscriptionRequest::Subscribe;

use super::world::{World, list, user};

fn set(name: &str, called: Option<&str>, groups: &[&str]) -> ContactChange {
    ContactChange::Set {
        jid: user(name),
        name: called.map(str::to_owned),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    }
}

fn remove(name: &str) -> ContactChange {
    ContactChange::Remove { jid: user(name) }
}

/// Sections 2.3 and 2.4; 2.1.6: every device that has asked for the list is told, the one that sets
/// as well.
#[test]
fn a_set_is_answered_and_pushed_to_interested_devices() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.managed("ann/phone");
    world.contact("ann/desk", set("ben", Some("Ben"), &["friends", "work"]));
    world.hears(&[
        "ann/desk: push ben none Ben friends work",
        "ann/desk: result",
    ]);
    world.act("ann/phone", list());
    world.heard();
    world.contact("ann/desk", set("ben", None, &[]));
    world.hears(&[
        "ann/desk: push ben none",
        "ann/phone: push ben none",
        "ann/desk: result",
    ]);
    assert_eq!(world.contacts("ann"), ["ben none"]);
}

/// Section 2.3.1: a client does not set the subscription.
#[test]
fn a_set_keeps_the_subscription() {
    let mut world = World::new(&["ann", "ben"]);
    world.befriend("ann", "ben");
    world.online("ann/desk");
    world.contact("ann/desk", set("ben", Some("Ben"), &[]));
    assert_eq!(world.contacts("ann"), ["ben both Ben"]);
    world.contact("ann/desk", set("stranger", None, &[]));
    assert_eq!(world.contacts("ann"), ["ben both Ben", "stranger none"]);
}

/// Section 2.5: a removal ends what stood between the two, and each stops seeing the other.
#[test]
fn a_removal_ends_both_subscriptions() {
    let mut world = World::new(&["ann", "ben"]);
    world.befriend("ann", "ben");
    world.online("ann/desk");
    world.online("ben/desk");
    world.heard();
    world.contact("ann/desk", remove("ben"));
    world.hears(&[
        "ann/desk: push ben from",
        "ben/desk: push ann to",
        "ben/desk: unsubscribe from ann",
        "ann/desk: ben/desk is gone",
        "ann/desk: push ben none",
        "ben/desk: push ann none",
        "ben/desk: unsubscribed from ann",
        "ben/desk: ann/desk is gone",
        "ann/desk: push ben removed",
        "ann/desk: result",
    ]);
    assert_eq!(
        (world.contacts("ann"), world.contacts("ben")),
        (vec![], vec!["ann none".to_owned()])
    );
}

/// Section 2.5.2: a request that was not answered ends with the entry that made it.
#[test]
fn a_removal_takes_a_request_back() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.subscription("ann/desk", Subscribe, "ben");
    world.contact("ann/desk", remove("ben"));
    world.online("ben/desk");
    assert_eq!(world.waits("ben/desk"), [""; 0]);
    assert!(world.state.users[&user("ben")].requests.is_empty());
}

#[test]
fn a_removal_of_nobody_is_refused() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.contact("ann/desk", remove("ben"));
    world.hears(&["ann/desk: set refused, ItemNotFound"]);
}

#[test]
fn a_full_list_takes_no_more_and_still_changes() {
    let mut world = World::new(&["ann", "ben"]);
    world.managed("ann/desk");
    for n in 0..limits::CONTACTS_MAX {
        world.contact("ann/desk", set(&format!("c{n}"), None, &[]));
        world.read("ann/desk");
    }
    world.heard();
    world.contact("ann/desk", set("more", None, &[]));
    world.hears(&["ann/desk: set refused, ResourceConstraint"]);
    world.subscription("ann/desk", Subscribe, "ben");
    world.hears(&["ann/desk: subscribe from ann refused, ResourceConstraint"]);
    world.contact("ann/desk", set("c0", Some("First"), &[]));
    world.hears(&["ann/desk: result"]);
    world.contact("ann/desk", remove("c0"));
    world.contact("ann/desk", set("more", None, &[]));
    world.hears(&["ann/desk: result", "ann/desk: result"]);
}
