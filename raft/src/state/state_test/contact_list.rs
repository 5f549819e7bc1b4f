//! Sets and removals of contacts, and who is told of them (RFC 6121 section 2).

use pollux_domain::contract::ContactChange;
use pollux_domain::limits;
use pollux_domain::subscription::SubscriptionRequest::{Subscribe, Subscribed, Unsubscribed};

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
        "ben/desk: unsubscribe from ann",
        "ben/desk: push ann to",
        "ann/desk: ben/desk is gone",
        "ann/desk: push ben none",
        "ben/desk: ann/desk is gone",
        "ben/desk: unsubscribed from ann",
        "ben/desk: push ann none",
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
    let full = "Full(Full { of: Contacts, count: 2000, most: 2000 })";
    world.hears(&[&format!("ann/desk: set refused, {full}")]);
    world.subscription("ann/desk", Subscribe, "ben");
    world.hears(&[&format!("ann/desk: subscribe from ann refused, {full}")]);
    // An approval in advance is an entry, too.
    world.subscription("ann/desk", Subscribed, "ben");
    world.hears(&[&format!("ann/desk: subscribed from ann refused, {full}")]);
    world.contact("ann/desk", set("c0", Some("First"), &[]));
    world.hears(&["ann/desk: result"]);
    world.contact("ann/desk", remove("c0"));
    world.contact("ann/desk", set("more", None, &[]));
    world.hears(&["ann/desk: result", "ann/desk: result"]);
}

fn full(of: &str, count: usize) -> String {
    format!("Full(Full {{ of: {of}, count: {count}, most: 2 }})")
}

/// A limit that is set holds for what is new; a list that is longer already is kept, and changes.
#[test]
fn a_limit_of_contacts_is_told_and_takes_nobody_away() {
    let mut world = World::new(&["ann", "ben", "cid", "dan"]);
    for device in ["ann/desk", "dan/desk"] {
        world.online(device);
    }
    for name in ["ben", "cid", "eve"] {
        world.contact("ann/desk", set(name, None, &[]));
    }
    world.heard();
    world.rules(|rules| rules.contacts_max = 2);
    world.contact("ann/desk", set("dan", None, &[]));
    world.hears(&[&format!("ann/desk: set refused, {}", full("Contacts", 3))]);
    world.contact("ann/desk", set("eve", Some("Eve"), &[]));
    world.hears(&["ann/desk: push eve none Eve", "ann/desk: result"]);
    // To let somebody in takes a place in the list.
    world.subscription("dan/desk", Subscribe, "ann");
    world.heard();
    world.subscription("ann/desk", Subscribed, "dan");
    let refused = full("Contacts", 3);
    world.hears(&[&format!("ann/desk: subscribed from ann refused, {refused}")]);
    for name in ["cid", "eve"] {
        world.contact("ann/desk", remove(name));
    }
    world.subscription("ann/desk", Subscribed, "dan");
    assert_eq!(world.contacts("ann"), ["ben none", "dan from"]);
    assert_eq!(world.contacts("dan"), ["ann to"]);
}

/// Where nobody is asked, the one who asks is told.
#[test]
fn a_full_list_lets_nobody_in_by_itself() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.online("ben/desk");
    world.rules(|rules| {
        rules.auto_authorise = true;
        rules.contacts_max = 2;
    });
    for name in ["cid", "dan"] {
        world.contact("ann/desk", set(name, None, &[]));
    }
    world.heard();
    world.subscription("ben/desk", Subscribe, "ann");
    let refused = full("ContactsOfOther", 2);
    world.hears(&[&format!("ben/desk: subscribe from ben refused, {refused}")]);
    assert_eq!(world.contacts("ben"), [""; 0]);
    // Who is on the list already is let in.
    world.contact("ann/desk", remove("dan"));
    world.contact("ann/desk", set("ben", None, &[]));
    world.subscription("ben/desk", Subscribe, "ann");
    assert_eq!(world.contacts("ann"), ["ben from", "cid none"]);
}

#[test]
fn a_limit_of_watchers_is_told_to_both_and_takes_nobody_away() {
    let names = ["ann", "ben", "cid", "dan"];
    let mut world = World::new(&names);
    for name in names {
        world.online(&format!("{name}/desk"));
    }
    for name in ["ben", "cid", "dan"] {
        world.subscription(&format!("{name}/desk"), Subscribe, "ann");
    }
    world.subscription("ann/desk", Subscribed, "ben");
    world.subscription("ann/desk", Subscribed, "cid");
    world.heard();
    world.rules(|rules| rules.watchers_max = 2);
    world.subscription("ann/desk", Subscribed, "dan");
    let refused = full("Watchers", 2);
    world.hears(&[&format!("ann/desk: subscribed from ann refused, {refused}")]);
    world.subscription("dan/desk", Subscribe, "ann");
    let refused = full("WatchersOfOther", 2);
    world.hears(&[&format!("dan/desk: subscribe from dan refused, {refused}")]);
    // One who sees already may ask for ever.
    world.subscription("ben/desk", Subscribe, "ann");
    world.hears(&[]);
    world.subscription("ann/desk", Unsubscribed, "ben");
    world.subscription("ann/desk", Subscribed, "dan");
    assert_eq!(world.contacts("ann"), ["ben none", "cid from", "dan from"]);
}
