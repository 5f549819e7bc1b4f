//! Two subclusters, each a group of its own: users of both talk, whichever node they come to, and a
//! kill of either loses and repeats nothing.

use super::common::deadline::wait_for;
use super::site::{Member, hear, pair, say};

/// Until a message to the other group is taken for a known user, its group does not know of her.
#[track_caller]
pub fn know_each_other(castor: &Member, other: &Member) {
    wait_for("both groups to know the users of the other", || {
        let knows = |member: &Member| {
            let figures = member.ctl(&["statistics", "--json"]);
            let figures: serde_json::Value = serde_json::from_str(&figures).ok()?;
            (figures["pollux_foreign_users"].as_u64()? > 0).then_some(())
        };
        knows(castor).and(knows(other))
    });
}

/// A cluster of two nodes, each a subcluster of its own: Alice is at home at the first, Bob at the
/// second, and both know it.
#[track_caller]
pub fn two_groups() -> [Member; 2] {
    let castor = Member::first("castor");
    let romulus = castor.invite("romulus", &["--subcluster", "2"]);
    castor.wait_served(&[(1, 1)]);
    romulus.wait_served(&[(2, 2)]);
    castor.add_user("alice");
    romulus.add_user("bob");
    know_each_other(&castor, &romulus);
    [castor, romulus]
}

#[test]
fn users_of_two_groups_talk_over_a_kill_of_either() {
    let [mut castor, mut romulus] = two_groups();
    let mut alice = castor.client("alice");
    // Bob comes to the other subcluster, and is relayed home.
    let mut bob = castor.client("bob");
    say(&mut alice, "bob", "m1");
    hear(&mut bob, "m1");
    say(&mut bob, "alice", "m2");
    hear(&mut alice, "m2");

    romulus.kill();
    say(&mut alice, "bob", "m3");
    say(&mut alice, "bob", "m4");
    romulus.begin();
    bob.resume(romulus.clients());
    hear(&mut bob, "m3");
    hear(&mut bob, "m4");

    castor.kill();
    say(&mut bob, "alice", "m5");
    castor.begin();
    alice.resume(castor.clients());
    hear(&mut alice, "m5");
    alice.round_trip();
    bob.round_trip();
    for client in [&alice, &bob] {
        let again = client.waiting().iter().filter(|e| e.name() == "message");
        assert_eq!(again.count(), 0, "{} heard something twice", client.account);
    }
}

#[test]
fn a_message_to_nobody_in_the_other_group_comes_back() {
    let [castor, _romulus] = two_groups();
    let mut alice = castor.client("alice");
    alice
        .send("<iq type='get' id='q' to='bob@localhost/nowhere'><q xmlns='urn:pollux:test'/></iq>");
    loop {
        let element = alice.element();
        if element.attribute("id") == Some("q") {
            assert_eq!(element.attribute("type"), Some("error"));
            return;
        }
    }
}

#[test]
fn a_node_that_is_one_too_many_to_vote_serves_its_users() {
    let [castor, _pollux, _witness] = pair();
    // The fourth of the cluster: three vote on the configuration.
    let romulus = castor.invite("romulus", &["--subcluster", "2"]);
    romulus.wait_served(&[(4, 4)]);
    castor.add_user("alice");
    romulus.add_user("bob");
    know_each_other(&castor, &romulus);
    let mut alice = castor.client("alice");
    let mut bob = romulus.client("bob");
    say(&mut alice, "bob", "m1");
    hear(&mut bob, "m1");
    say(&mut bob, "alice", "m2");
    hear(&mut alice, "m2");
}
