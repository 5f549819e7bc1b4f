//! Six nodes, three pairs, each pair's witness a node of another one, chosen by the cluster by
//! where they stand: users of all of them talk, over the loss of any node.

use super::common::client::Client;
use super::common::deadline::wait_for;
use super::site::{Member, hear, say};

/// Three pairs at three sites. Node numbers are as in the array, from 1.
#[track_caller]
fn three_pairs() -> [Member; 6] {
    let first = Member::prepare_at("castor", "north").founds();
    let invite = |name, site, subcluster| {
        let more = ["--subcluster", subcluster];
        first.invite_prepared(Member::prepare_at(name, site), &more)
    };
    let pollux = invite("pollux", "south", "1");
    let romulus = invite("romulus", "south", "2");
    let remus = invite("remus", "east", "2");
    let apollo = invite("apollo", "east", "3");
    let artemis = invite("artemis", "north", "3");
    [first, pollux, romulus, remus, apollo, artemis]
}

/// Who votes in the group of that node without being of the pair.
fn witness_of(member: &Member, pair: [u64; 2]) -> Option<u64> {
    let status = member.status()?;
    let rows = status["members"].as_array()?.clone();
    let voters = rows.iter().filter(|row| row["votes"] == true);
    let nodes: Vec<u64> = voters.filter_map(|row| row["node"].as_u64()).collect();
    let mut others = nodes.iter().filter(|node| !pair.contains(node));
    others.next().copied().filter(|_| nodes.len() == 3)
}

#[track_caller]
fn wait_witness(member: &Member, pair: [u64; 2], wanted: u64) {
    wait_for(&format!("node {wanted} to be the witness"), || {
        (witness_of(member, pair) == Some(wanted)).then_some(())
    });
}

fn epochs(member: &Member) -> Vec<u64> {
    let status = member.status().expect("it answers");
    let homes = status["homes"].as_array().expect("homes").clone();
    homes
        .iter()
        .filter_map(|row| row["epoch"].as_u64())
        .collect()
}

#[track_caller]
fn nothing_twice(clients: &mut [&mut Client]) {
    for client in clients {
        client.round_trip();
        let again = client.waiting().iter().filter(|e| e.name() == "message");
        assert_eq!(again.count(), 0, "{} heard something twice", client.account);
    }
}

#[test]
fn three_pairs_are_each_others_witnesses() {
    let [mut castor, pollux, romulus, mut remus, apollo, artemis] = three_pairs();
    // Each stands where neither node of the pair does.
    wait_witness(&castor, [1, 2], 4);
    wait_witness(&romulus, [3, 4], 1);
    wait_witness(&apollo, [5, 6], 2);
    for (member, homes) in [
        (&castor, [(1, 1), (2, 2)]),
        (&romulus, [(3, 3), (4, 4)]),
        (&apollo, [(5, 5), (6, 6)]),
    ] {
        member.wait_served(&homes);
        member.wait_protected();
        member.ctl(&["subcluster", "ha", "on"]);
    }
    castor.add_user("alice");
    romulus.add_user("bob");
    apollo.add_user("carol");
    for member in [&castor, &romulus, &apollo] {
        wait_for("each group to know the users of the others", || {
            let figures = member.ctl(&["statistics", "--json"]);
            let figures: serde_json::Value = serde_json::from_str(&figures).ok()?;
            (figures["pollux_foreign_users"].as_u64()? == 2).then_some(())
        });
    }
    let mut alice = castor.client("alice");
    let mut bob = romulus.client("bob");
    let mut carol = artemis.client("carol");
    say(&mut alice, "bob", "m1");
    hear(&mut bob, "m1");
    say(&mut bob, "carol", "m2");
    hear(&mut carol, "m2");

    // Castor serves Alice, and is the witness of Bob's pair.
    let before = (epochs(&romulus), epochs(&apollo));
    castor.kill();
    pollux.wait_served(&[(1, 2), (2, 2)]);
    say(&mut bob, "alice", "m3");
    alice.resume(pollux.clients());
    hear(&mut alice, "m3");
    say(&mut alice, "carol", "m4");
    hear(&mut carol, "m4");
    assert_eq!((epochs(&romulus), epochs(&apollo)), before, "nobody moved");

    // It comes back with its votes: then the node may go that is the witness of its own pair.
    castor.begin();
    pollux.wait_protected();
    romulus.wait_protected();
    pollux.fall_back();
    castor.wait_served(&[(1, 1), (2, 2)]);
    alice.resume(castor.clients());
    let before = (epochs(&castor), epochs(&apollo));
    remus.kill();
    romulus.wait_served(&[(3, 3), (4, 3)]);
    say(&mut alice, "bob", "m5");
    hear(&mut bob, "m5");
    say(&mut carol, "alice", "m6");
    hear(&mut alice, "m6");
    assert_eq!((epochs(&castor), epochs(&apollo)), before, "nobody moved");
    assert_eq!(witness_of(&castor, [1, 2]), Some(4), "it comes back");
    remus.begin();
    for member in [&castor, &romulus, &apollo] {
        member.wait_protected();
        let verdict = member.ctl(&["subcluster", "verify"]);
        assert!(verdict.contains("all replicas are equal"), "{verdict}");
    }
    nothing_twice(&mut [&mut alice, &mut bob, &mut carol]);
}
