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
pub fn witness_of(member: &Member, pair: [u64; 2]) -> Option<u64> {
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
pub fn nothing_twice(clients: &mut [&mut Client]) {
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

/// Two pairs; Alice is at home at node 1, Bob at node 2.
#[track_caller]
pub fn two_pairs() -> [Member; 4] {
    let castor = Member::first("castor");
    let pollux = castor.invite("pollux", &[]);
    let romulus = castor.invite("romulus", &["--subcluster", "2"]);
    let remus = castor.invite("remus", &["--subcluster", "2"]);
    wait_witness(&castor, [1, 2], 3);
    wait_witness(&romulus, [3, 4], 1);
    castor.wait_served(&[(1, 1), (2, 2)]);
    castor.wait_protected();
    castor.ctl(&["subcluster", "ha", "on"]);
    castor.add_user("alice");
    pollux.add_user("bob");
    [castor, pollux, romulus, remus]
}

/// The folders of what a node hosts for pair 1.
pub fn hosted(member: &Member) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(member.path("data/hosted")) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("1.")).collect();
    names.sort();
    names
}

/// They say something to each other until `done`; returns how often.
#[track_caller]
fn chat_while(alice: &mut Client, bob: &mut Client, round: &str, done: impl Fn() -> bool) {
    let mut count = 0;
    while count < 5 || !done() {
        let body = format!("{round}-{count}");
        say(alice, "bob", &body);
        hear(bob, &body);
        count += 1;
    }
}

pub const MOVE: [&str; 3] = ["subcluster", "witness", "move"];

#[test]
fn a_witness_is_moved_while_people_chat() {
    let [castor, pollux, mut romulus, remus] = two_pairs();
    let move_to = |node| [&MOVE[..], &["--to", node]].concat();
    for (node, part) in [
        ("2", "of subcluster 1 itself"),
        ("9", "there is no node 9"),
        ("3", "is the witness already"),
    ] {
        let refused = castor.refused(&move_to(node));
        assert!(refused.contains(part), "{part}: {refused}");
    }
    let mut alice = castor.client("alice");
    let mut bob = pollux.client("bob");
    let before = epochs(&castor);
    std::thread::scope(|scope| {
        let moving = scope.spawn(|| castor.ctl(&move_to("4")));
        chat_while(&mut alice, &mut bob, "moved", || moving.is_finished());
    });
    assert_eq!(witness_of(&castor, [1, 2]), Some(4));
    castor.wait_protected();
    wait_for("the replica to be dropped", || {
        hosted(&romulus).is_empty().then_some(())
    });
    assert_eq!(hosted(&remus), ["1.1"]);
    let table = pollux.ctl(&["cluster", "nodes"]);
    let line = table.lines().find(|line| line.contains("remus"));
    assert!(
        line.is_some_and(|line| line.trim_end().ends_with(" 1")),
        "{table}"
    );

    // To one that does not come: the old one votes on, and nothing else is waited for.
    romulus.stop();
    wait_for("the node to be missed", || {
        let refused = castor.refused(&move_to("3"));
        refused.contains("cannot be reached").then_some(())
    });
    romulus.begin();
    wait_for("the witness to move back by itself", || {
        let ended = castor.run(&[&["ctl", "--config", "pollux.toml"], &move_to("3")[..]].concat());
        (ended.code == Some(0)).then_some(())
    });
    assert_eq!(hosted(&romulus), ["1.2"], "a new voter");

    // It loses what it hosts, and learns it again under the next name.
    romulus.stop();
    std::fs::remove_dir_all(romulus.path("data/hosted/1.2/subcluster.log")).expect("a log");
    romulus.begin();
    wait_for("the pair to vote with the next life", || {
        (hosted(&romulus) == ["1.3"] && witness_of(&castor, [1, 2]) == Some(3)).then_some(())
    });
    castor.wait_protected();
    castor.ctl(&[&MOVE[..], &["--automatic"]].concat());
    let refused = castor.refused(&[&MOVE[..], &["--automatic", "--subcluster", "7"]].concat());
    assert!(refused.contains("no subcluster 7"), "{refused}");
    let verdict = castor.ctl(&["subcluster", "verify"]);
    assert!(verdict.contains("all replicas are equal"), "{verdict}");
    assert_eq!(epochs(&castor), before, "nobody moved");
    nothing_twice(&mut [&mut alice, &mut bob]);
}
