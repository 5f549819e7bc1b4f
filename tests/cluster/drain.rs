//! A node is emptied before it goes: its users are served by its twin for good, nobody loses
//! anything, and a node that serves is not removed.

use super::common::deadline::wait_for;
use super::site::{Member, hear, pair, say};

fn exposure(member: &Member) -> String {
    let status = member.status().expect("it answers");
    status["exposure"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn refused(member: &Member, arguments: &[&str], part: &str) {
    let refused = member.refused(arguments);
    assert!(refused.contains(part), "{part}: {refused}");
}

#[test]
fn a_node_is_emptied_and_removed_and_the_pair_gets_a_new_twin() {
    let [castor, mut pollux, witness] = pair();
    castor.add_user("alice");
    pollux.add_user("bob");
    let mut alice = castor.client("alice");
    let mut bob = pollux.client("bob");
    say(&mut alice, "bob", "m1");
    hear(&mut bob, "m1");
    refused(&pollux, &["cluster", "remove", "1"], "node drain 1");
    refused(&castor, &["cluster", "remove", "1"], "ask another one");
    refused(&castor, &["node", "drain", "3"], "witness process");
    refused(&castor, &["node", "drain", "9"], "there is no node 9");
    refused(&castor, &["node", "undrain", "1"], "is not drained");

    pollux.ctl(&["node", "drain", "1"]);
    pollux.wait_served(&[(1, 2), (2, 2)]);
    assert_eq!(exposure(&pollux), "node 1 is drained");
    alice.resume(pollux.clients());
    say(&mut bob, "alice", "m2");
    hear(&mut alice, "m2");
    // It takes nobody's users: not its own, not its twin's, not those who are new.
    pollux.ctl(&["subcluster", "fallback"]);
    refused(
        &castor,
        &["subcluster", "failover", "2"],
        "node 1 is drained",
    );
    refused(&castor, &["node", "drain", "2"], "is drained itself");
    castor.add_user("carol");
    let status = pollux.status().expect("it answers");
    assert_eq!(status["homes"][0]["users"], 1, "{status}");
    assert_eq!(status["homes"][0]["serving"], 2, "{status}");

    // Nor while its twin is gone, whether it was started again or not.
    pollux.kill();
    witness.wait_said(&["node state has changed", "node=2", "state=Down"]);
    pollux.begin();
    pollux.wait_served(&[(1, 2), (2, 2)]);
    let history = wait_for("its new process to serve both homes", || {
        let history = pollux.ctl(&["subcluster", "takeovers"]);
        let newest: Vec<&str> = history.lines().skip(1).take(2).collect();
        let again = |line: &&str| line.contains(" 2     2 ") && line.contains("Initialization");
        newest.iter().all(again).then_some(history)
    });
    let failed = ["Peer Down", "Peer Reboot"];
    assert!(
        !failed.iter().any(|cause| history.contains(cause)),
        "nobody else served meanwhile: {history}"
    );
    alice.resume(pollux.clients());
    bob.resume(pollux.clients());

    // Back, and away again for good.
    pollux.ctl(&["node", "undrain", "1"]);
    pollux.fall_back();
    castor.wait_served(&[(1, 1), (2, 2)]);
    alice.resume(castor.clients());
    pollux.wait_protected();
    castor.ctl(&["node", "drain", "1"]);
    alice.resume(pollux.clients());
    say(&mut bob, "alice", "m3");
    hear(&mut alice, "m3");
    pollux.ctl(&["cluster", "remove", "1"]);
    let removed = pollux.refused(&["node", "drain", "1"]);
    assert!(removed.contains("there is no node 1"), "{removed}");
    drop(castor);
    say(&mut alice, "bob", "m4");
    hear(&mut bob, "m4");
    assert_eq!(exposure(&pollux), "it has one node");

    let helen = pollux.invite("helen", &[]);
    pollux.wait_protected();
    helen.wait_served(&[(1, 2), (2, 2), (4, 4)]);
    pollux.ctl(&["subcluster", "ha", "on"]);
    pollux.kill();
    helen.wait_served(&[(1, 4), (2, 4), (4, 4)]);
    alice.resume(helen.clients());
    bob.resume(helen.clients());
    say(&mut alice, "bob", "m5");
    hear(&mut bob, "m5");
    for client in [&mut alice, &mut bob] {
        client.round_trip();
        let again = client.waiting().iter().filter(|e| e.name() == "message");
        assert_eq!(again.count(), 0, "{} heard something twice", client.account);
    }
}

#[test]
fn one_that_is_dead_is_removed_as_it_is() {
    let [mut castor, pollux, _witness] = pair();
    castor.kill();
    pollux.wait_served(&[(1, 2), (2, 2)]);
    pollux.ctl(&["cluster", "remove", "1"]);
    assert_eq!(exposure(&pollux), "it has one node");
}

/// Nobody outside of its subcluster knows whose users it serves.
#[test]
fn a_node_of_another_subcluster_is_empty_when_that_is_said() {
    let castor = Member::first("castor");
    let romulus = castor.invite("romulus", &["--subcluster", "2"]);
    let remus = castor.invite("remus", &["--subcluster", "2"]);
    remus.wait_served(&[(2, 2), (3, 3)]);
    romulus.wait_protected();
    refused(&castor, &["cluster", "remove", "3"], "node drain 3");
    castor.ctl(&["node", "drain", "3"]);
    let status = romulus.status().expect("it answers");
    let served = |home: usize| status["homes"][home]["serving"].as_u64();
    assert_eq!([served(0), served(1)], [Some(2), Some(2)], "{status}");
    castor.ctl(&["cluster", "remove", "3"]);
}
