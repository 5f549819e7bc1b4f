//! Subscriptions between users of different groups (RFC 6121 section 3): each half in its own
//! group, as between two servers.

use pollux_domain::contract::{Agreement, AsOf, ContactChange};
use pollux_domain::subscription::SubscriptionRequest::{
    Subscribe, Subscribed, Unsubscribe, Unsubscribed,
};

use super::super::world::user;
use super::cluster::{Cluster, two};

/// Section 3.1: request, approval, and the first sight.
#[test]
fn a_request_is_shown_approved_and_seen() {
    let mut cluster = two();
    cluster.of("ann").subscription("ann/desk", Subscribe, "ben");
    cluster.of("ann").hears(&["ann/desk: push ben none ask"]);
    cluster.of("ben").hears(&[]);
    cluster.carry();
    cluster.of("ben").hears(&["ben/desk: subscribe from ann"]);
    cluster
        .of("ben")
        .subscription("ben/desk", Subscribed, "ann");
    cluster.of("ben").hears(&["ben/desk: push ann from"]);
    cluster.carry();
    cluster.of("ann").hears(&[
        "ann/desk: subscribed from ben",
        "ann/desk: push ben to",
        "ann/desk: ben/desk is here 0",
    ]);
    // Section 3.1.3: a repeated request is answered by the server, and changes nothing.
    cluster.of("ann").subscription("ann/desk", Subscribe, "ben");
    cluster.carry();
    cluster.of("ann").hears(&[]);
    cluster.of("ben").hears(&[]);
    assert_eq!(cluster.of("ann").contacts("ann"), ["ben to"]);
    assert_eq!(cluster.of("ben").contacts("ben"), ["ann from"]);
}

/// Section 3.1.3, rule 4: a request waits in the group of the one who is asked.
#[test]
fn a_request_waits_for_a_user_who_is_not_there() {
    let mut cluster = Cluster::new(&[&["ann"], &["ben"]]);
    cluster.of("ann").online("ann/desk");
    cluster.of("ann").subscription("ann/desk", Subscribe, "ben");
    cluster.carry();
    cluster.of("ben").managed("ben/desk");
    cluster.of("ben").available("ben/desk", 0);
    cluster.of("ben").hears(&[
        "ben/desk: ben/desk is here 0",
        "ben/desk: subscribe from ann",
    ]);
}

/// A cancellation and a request that cross leave halves that differ; the one who does not see asks
/// again and sees.
#[test]
fn halves_that_differ_agree_when_it_is_asked_again() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster
        .of("ben")
        .subscription("ben/desk", Unsubscribed, "ann");
    cluster.of("ann").subscription("ann/desk", Subscribe, "ben");
    cluster.carry();
    cluster
        .of("ben")
        .subscription("ben/desk", Subscribed, "ann");
    cluster.carry();
    assert_eq!(cluster.of("ann").contacts("ann"), ["ben from"]);
    assert_eq!(cluster.of("ben").contacts("ben"), ["ann both"]);
    cluster.silence();
    cluster.of("ann").subscription("ann/desk", Subscribe, "ben");
    cluster.carry();
    cluster.of("ann").hears(&[
        "ann/desk: push ben from ask",
        "ann/desk: subscribed from ben",
        "ann/desk: push ben both",
        "ann/desk: ben/desk is here 0",
    ]);
    assert_eq!(cluster.of("ann").contacts("ann"), ["ben both"]);
}

/// Sections 3.2 and 3.3: either ends it, and the view ends with it.
#[test]
fn a_subscription_is_cancelled_from_either_side() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster
        .of("ben")
        .subscription("ben/desk", Unsubscribed, "ann");
    cluster.carry();
    cluster.of("ann").hears(&[
        "ann/desk: ben/desk is gone",
        "ann/desk: unsubscribed from ben",
        "ann/desk: push ben from",
    ]);
    cluster.of("ben").hears(&["ben/desk: push ann to"]);
    cluster
        .of("ben")
        .subscription("ben/desk", Unsubscribe, "ann");
    // The one who ends it need not wait for the other group.
    cluster
        .of("ben")
        .hears(&["ben/desk: push ann none", "ben/desk: ann/desk is gone"]);
    cluster.carry();
    cluster
        .of("ann")
        .hears(&["ann/desk: unsubscribe from ben", "ann/desk: push ben none"]);
    cluster.of("ben").hears(&[]);
    assert!(cluster.group(1).state.watched.is_empty());
    assert!(cluster.group(2).state.watched.is_empty());
}

/// Section 2.5: what stood between the two ends with the entry.
#[test]
fn a_removed_contact_is_told_in_its_group() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    let jid = user("ben");
    cluster
        .of("ann")
        .contact("ann/desk", ContactChange::Remove { jid });
    cluster.carry();
    cluster.of("ben").hears(&[
        "ben/desk: unsubscribe from ann",
        "ben/desk: push ann to",
        "ben/desk: ann/desk is gone",
        "ben/desk: unsubscribed from ann",
        "ben/desk: push ann none",
    ]);
    assert_eq!(cluster.of("ann").contacts("ann"), [""; 0]);
}

/// A user who is removed leaves nothing behind in other groups.
#[test]
fn a_removed_user_is_told_in_other_groups() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster.of("abe").subscription("abe/desk", Subscribe, "ben");
    cluster.silence();
    cluster
        .of("ben")
        .done(Agreement::Release { user: user("ben") }.under(AsOf::default()));
    cluster.carry();
    let heard = cluster.of("ann").heard();
    let gone = heard
        .iter()
        .filter(|line| *line == "ann/desk: ben/desk is gone");
    assert_eq!(gone.count(), 1, "{heard:?}");
    assert_eq!(cluster.of("ann").contacts("ann"), ["ben none"]);
    assert_eq!(cluster.of("abe").contacts("abe"), ["ben none"]);
    assert!(cluster.group(1).state.watched.is_empty());
    assert!(cluster.group(2).state.watched.is_empty());
}

/// Section 3.4, and section 3.1.3, rule 1c: the other group grants it in its user's name.
#[test]
fn a_request_is_granted_without_asking_in_the_other_group() {
    let mut cluster = two();
    cluster
        .of("ben")
        .subscription("ben/desk", Subscribed, "ann");
    cluster.group(1).rules(|rules| rules.auto_authorise = true);
    cluster.silence();
    for (asker, asked) in [("ann", "ben"), ("bob", "abe")] {
        let device = format!("{asker}/desk");
        cluster.silence();
        cluster.of(asker).subscription(&device, Subscribe, asked);
        cluster.carry();
        cluster.of(asker).hears(&[
            &format!("{device}: push {asked} none ask"),
            &format!("{device}: subscribed from {asked}"),
            &format!("{device}: push {asked} to"),
            &format!("{device}: {asked}/desk is here 0"),
        ]);
    }
    assert_eq!(cluster.of("ben").contacts("ben"), ["ann from approved"]);
    assert_eq!(cluster.of("abe").contacts("abe"), ["bob from"]);
}

/// Who is watched by as many as may be is asked by nobody from another group either.
#[test]
fn a_limit_holds_for_other_groups() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster.group(2).rules(|rules| rules.watchers_max = 1);
    cluster.of("abe").subscription("abe/desk", Subscribe, "ben");
    cluster.carry();
    cluster.of("abe").hears(&[
        "abe/desk: push ben none ask",
        "abe/desk: push ben none",
        "abe/desk: subscribe from abe refused, \
         Full(Full { of: WatchersOfOther, count: 1, most: 1 })",
    ]);
    assert_eq!(cluster.of("ben").contacts("ben"), ["ann both"]);
}

/// A request that never arrived comes back, and nothing waits for its answer.
#[test]
fn a_request_to_a_user_who_is_gone_is_withdrawn() {
    let mut cluster = two();
    cluster
        .of("bob")
        .done(Agreement::Release { user: user("bob") }.under(AsOf::default()));
    cluster.silence();
    cluster.of("ann").subscription("ann/desk", Subscribe, "bob");
    cluster.of("ann").hears(&["ann/desk: push bob none ask"]);
    cluster.carry();
    cluster.of("ann").hears(&[
        "ann/desk: push bob none",
        "ann/desk: subscribe from ann refused, ItemNotFound",
    ]);
}
