//! Subscription flows between two users, seen from both sides (RFC 6121 section 3).

use pollux_domain::contract::{Agreement, AsOf};
use pollux_domain::limits;
use pollux_domain::subscription::SubscriptionRequest::{
    Subscribe, Subscribed, Unsubscribe, Unsubscribed,
};

use super::world::{HOME, World, list, user};

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
        "ann/desk: subscribed from ben",
        "ann/desk: push ben to",
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

/// What a user has not answered has a limit; beyond it, who asks is told.
#[test]
fn requests_that_wait_have_a_limit() {
    let names: Vec<String> = (0..=limits::PENDING_REQUESTS_MAX)
        .map(|number| format!("u{number}"))
        .collect();
    let mut users: Vec<&str> = names.iter().map(String::as_str).collect();
    users.push("ben");
    let mut world = World::new(&users);
    let ask = |world: &mut World, name: &str| {
        let device = format!("{name}/desk");
        if !world.is_signed_in(&device) {
            world.managed(&device);
        }
        world.subscription(&device, Subscribe, "ben");
        let waits = world.waits(&device);
        world.read(&device);
        waits
    };
    let (last, others) = names.split_last().unwrap();
    for name in others {
        assert_eq!(ask(&mut world, name), [""; 0], "{name}");
    }
    let refused = [format!("subscribe from {last} refused, ResourceConstraint")];
    assert_eq!(ask(&mut world, last), refused);
    assert_eq!(ask(&mut world, &others[0]), [""; 0], "it waits already");
    world.managed("ben/desk");
    world.subscription("ben/desk", Unsubscribed, &others[0]);
    assert_eq!(ask(&mut world, last), [""; 0], "there is room again");
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
    world.hears(&["ann/desk: unsubscribed from ben", "ann/desk: push ben none"]);
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
        "ann/desk: ben/desk is gone",
        "ann/desk: unsubscribed from ben",
        "ann/desk: push ben from",
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
        "ben/desk: unsubscribe from ann",
        "ben/desk: push ann to",
        "ann/desk: ben/desk is gone",
    ]);
}

/// Appendix A.2: cancellations that nobody asked for change nothing.
#[test]
fn what_ends_nothing_changes_nothing() {
    let mut world = two();
    world.subscription("ann/desk", Unsubscribed, "ben");
    world.subscription("ann/desk", Unsubscribe, "ben");
    world.hears(&[]);
    assert_eq!(
        (world.contacts("ann").len(), world.contacts("ben").len()),
        (0, 0)
    );
}

/// Sections 3.1.3 and 3.1.6: a request is shown to those who are available, anything else also to
/// those who follow the list.
#[test]
fn words_go_to_those_whom_they_concern() {
    let mut world = World::new(&["ann", "ben"]);
    for user in ["ann", "ben"] {
        for device in ["lists", "here"] {
            world.managed(&format!("{user}/{device}"));
        }
        world.act(&format!("{user}/lists"), list());
        world.available(&format!("{user}/here"), 0);
    }
    world.heard();
    world.subscription("ann/here", Subscribe, "ben");
    world.hears(&[
        "ann/lists: push ben none ask",
        "ben/here: subscribe from ann",
    ]);
    world.subscription("ben/here", Subscribed, "ann");
    world.hears(&[
        "ben/lists: push ann from",
        "ann/lists: subscribed from ben",
        "ann/here: subscribed from ben",
        "ann/lists: push ben to",
        "ann/here: ben/here is here 0",
    ]);
    world.subscription("ben/here", Unsubscribed, "ann");
    world.hears(&[
        "ben/lists: push ann none",
        "ann/here: ben/here is gone",
        "ann/lists: unsubscribed from ben",
        "ann/here: unsubscribed from ben",
        "ann/lists: push ben none",
    ]);
}

/// Section 3.4: what is approved before it comes is granted when it comes, and nobody is asked. The
/// approval stays until it is taken back.
#[test]
fn an_approval_in_advance_answers_the_request() {
    let mut world = two();
    world.subscription("ann/desk", Subscribed, "ben");
    world.hears(&["ann/desk: push ben none approved"]);
    assert_eq!(world.contacts("ben"), [""; 0]);
    world.subscription("ann/desk", Subscribed, "ben");
    world.hears(&[]);
    world.subscription("ben/desk", Subscribe, "ann");
    world.hears(&[
        "ben/desk: push ann none ask",
        "ann/desk: push ben from approved",
        "ben/desk: subscribed from ann",
        "ben/desk: push ann to",
        "ben/desk: ann/desk is here 0",
    ]);
    world.subscription("ben/desk", Unsubscribe, "ann");
    world.heard();
    assert_eq!(world.contacts("ann"), ["ben none approved"]);
    world.subscription("ann/desk", Unsubscribed, "ben");
    world.hears(&["ann/desk: push ben none"]);
    world.subscription("ben/desk", Subscribe, "ann");
    world.hears(&[
        "ben/desk: push ann none ask",
        "ann/desk: subscribe from ben",
    ]);
}

/// Section 3.4.2, rule 4: also of one who is not there yet, and who has come by the time.
#[test]
fn an_approval_waits_for_one_who_is_not_there_yet() {
    let mut world = two();
    world.subscription("ann/desk", Subscribed, "cid");
    world.hears(&["ann/desk: push cid none approved"]);
    let cid = Agreement::Adopt {
        user: user("cid"),
        home: HOME,
    };
    world.done(cid.under(AsOf::default()));
    world.online("cid/desk");
    world.subscription("cid/desk", Subscribe, "ann");
    assert_eq!(world.contacts("cid"), ["ann to"]);
}

/// Section 3.1.3, rule 1c: where the organisation has agreed with its people nobody is asked.
#[test]
fn a_request_is_granted_where_that_is_set() {
    let mut world = two();
    world.subscription("ben/desk", Subscribe, "ann");
    world.heard();
    world.rules(|rules| rules.auto_authorise = true);
    world.subscription("ann/desk", Subscribe, "ben");
    world.hears(&[
        "ann/desk: push ben none ask",
        "ben/desk: push ann from ask",
        "ann/desk: subscribed from ben",
        "ann/desk: push ben to",
        "ann/desk: ben/desk is here 0",
    ]);
    // What waited before goes on waiting, and is granted when it is asked again.
    assert_eq!(world.contacts("ann"), ["ben to"]);
    world.subscription("ben/desk", Subscribe, "ann");
    assert_eq!(world.contacts("ann"), ["ben both"]);
    assert!(world.state.users[&user("ann")].requests.is_empty());
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
