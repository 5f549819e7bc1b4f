//! Subscription flows between two users, seen from both sides (RFC 6121 section 3).

use pollux_domain::contract::{Agreement, AsOf};
use pollux_domain::subscription::SubscriptionRequest::{
    Subscribe, Subscribed, Unsubscribe, Unsubscribed,
};

use super::world::{World, user};

fn two() -> World {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.online("ben/desk");
    world
}

/// Section 3.1: request, approval, and the first sight.
#[test]
fn a_request_is_shown_approved_and_seen() {
    let mut world = two();
    world.subscription("ann/desk", Subscribe, "ben");
    world.hears(&[
        "ann/desk: push ben none ask",
        "ben/desk: subscribe from ann",
    ]);
    world.subscription("ben/desk", Subscribed, "ann");
    world.hears(&[
        "ben/desk: push ann from",
        "ann/desk: push ben to",
        "ann/desk: subscribed from ben",
        "ann/desk: ben/desk is here 0",
    ]);
    assert_eq!(world.contacts("ann"), ["ben to"]);
    assert_eq!(world.contacts("ben"), ["ann from"]);
}

/// Section 3.1.3: a repeated request is not shown twice, and one that is granted already changes
/// nothing.
#[test]
fn a_repeated_request_says_nothing_new() {
    let mut world = two();
    world.subscription("ann/desk", Subscribe, "ben");
    world.heard();
    world.subscription("ann/desk", Subscribe, "ben");
    world.hears(&[]);
    world.subscription("ben/desk", Subscribed, "ann");
    world.heard();
    world.subscription("ann/desk", Subscribe, "ben");
    world.hears(&[]);
    assert_eq!(world.contacts("ann"), ["ben to"]);
}

/// Section 3.1.3, rule 4: a request waits until it is answered, and is shown to each device that
/// comes.
#[test]
fn a_request_waits_for_a_user_who_is_not_there() {
    let mut world = World::new(&["ann", "ben"]);
    world.online("ann/desk");
    world.subscription("ann/desk", Subscribe, "ben");
    for device in ["ben/phone", "ben/desk"] {
        world.managed(device);
        world.available(device, 0);
        assert_eq!(world.waits(device), ["subscribe from ann"]);
    }
    world.subscription("ben/desk", Subscribed, "ann");
    world.managed("ben/web");
    world.available("ben/web", 0);
    assert_eq!(world.waits("ben/web"), [""; 0]);
}

/// Section 3.1.4, second half: a refusal.
#[test]
fn a_refusal_ends_the_request() {
    let mut world = two();
    world.subscription("ann/desk", Subscribe, "ben");
    world.heard();
    world.subscription("ben/desk", Unsubscribed, "ann");
    world.hears(&["ann/desk: push ben none", "ann/desk: unsubscribed from ben"]);
    assert_eq!(world.contacts("ben"), [""; 0]);
}

/// Section 3.2: the one who is seen ends it.
#[test]
fn a_cancellation_makes_the_contact_blind() {
    let mut world = two();
    world.befriend("ann", "ben");
    world.subscription("ben/desk", Unsubscribed, "ann");
    world.hears(&[
        "ben/desk: push ann to",
        "ann/desk: push ben from",
        "ann/desk: unsubscribed from ben",
        "ann/desk: ben/desk is gone",
    ]);
}

/// Section 3.3: the one who sees ends it.
#[test]
fn an_unsubscription_ends_the_own_sight() {
    let mut world = two();
    world.befriend("ann", "ben");
    world.subscription("ann/desk", Unsubscribe, "ben");
    world.hears(&[
        "ann/desk: push ben from",
        "ben/desk: push ann to",
        "ben/desk: unsubscribe from ann",
        "ann/desk: ben/desk is gone",
    ]);
}

/// Appendix A.2: approvals and cancellations that nobody asked for stay at home.
#[test]
fn what_answers_nothing_is_not_passed_on() {
    let mut world = two();
    world.subscription("ann/desk", Subscribed, "ben");
    world.subscription("ann/desk", Unsubscribed, "ben");
    world.subscription("ann/desk", Unsubscribe, "ben");
    world.hears(&[]);
    assert_eq!(
        (world.contacts("ann").len(), world.contacts("ben").len()),
        (0, 0)
    );
}

#[test]
fn a_request_to_nobody_or_oneself_is_refused() {
    let mut world = two();
    world.subscription("ann/desk", Subscribe, "nobody");
    world.subscription("ann/desk", Subscribe, "ann");
    world.hears(&[
        "ann/desk: subscribe from ann refused, ItemNotFound",
        "ann/desk: subscribe from ann refused, ItemNotFound",
    ]);
    assert_eq!(world.contacts("ann"), [""; 0]);
}

/// A user who is removed leaves no one who sees, asks, or is seen.
#[test]
fn a_removed_user_leaves_nothing_behind() {
    let mut world = World::new(&["ann", "ben", "cid", "dan"]);
    world.befriend("ann", "ben");
    world.online("ben/desk");
    world.online("ann/desk");
    world.online("cid/desk");
    world.online("dan/desk");
    world.subscription("cid/desk", Subscribe, "ann");
    world.subscription("ann/desk", Subscribe, "dan");
    world.chat("ben/desk", "ann", "for nobody");
    world.heard();
    world.done(Agreement::Release { user: user("ann") }.under(AsOf::default()));
    let heard = world.heard();
    let gone = heard
        .iter()
        .filter(|line| *line == "ben/desk: ann/desk is gone");
    assert_eq!(gone.count(), 1, "{heard:?}");
    assert_eq!(world.contacts("ben"), ["ann none"]);
    assert_eq!(world.contacts("cid"), ["ann none"]);
    assert!(world.state.users[&user("dan")].requests.is_empty());
    assert!(world.rows.is_empty());
}
