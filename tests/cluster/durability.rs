//! Logs that do not wait for the disk (decision 0027): the death of a process takes nothing, that
//! of a machine is noticed at the next start. A machine that went down is played by the mark that
//! it would have left.

use std::fs;

use super::common::client::Client;
use super::common::node::{Plaintext, TestNode};
use super::site::{Member, hear, pair_with, say};

const IO_ERR: i32 = 74;
const LOGS: [&str; 2] = ["subcluster.log", "configuration.log"];

fn in_memory(member: &Member) {
    member.change_setting(
        "[cluster]\n",
        "[delivery]\ndurability = \"memory\"\n\n[cluster]\n",
    );
}

#[track_caller]
fn machine_goes_down(member: &Member) {
    for log in LOGS {
        let mark = member.path(&format!("data/{log}.unsynced"));
        assert!(mark.exists(), "{log} is written without a mark");
        fs::write(mark, "an earlier boot\n").expect("it can be written");
    }
}

#[test]
fn a_node_of_several_whose_machine_went_down_is_joined_again() {
    let first = Member::prepare("castor");
    in_memory(&first);
    let [mut castor, pollux, witness] = pair_with(first.founds());
    castor.add_user("alice");
    pollux.add_user("bob");
    let mut bob = pollux.client("bob");
    let mut alice = castor.client("alice");
    say(&mut alice, "bob", "m1");
    hear(&mut bob, "m1");
    // Its process alone: it begins again, and knows what it voted for.
    castor.kill();
    castor.begin();
    castor.wait_protected();
    castor.kill();
    machine_goes_down(&castor);
    let said = castor.fails_to_begin(&[], IO_ERR);
    assert!(said.contains("the machine went down"), "{said}");
    assert!(said.contains("set aside as"), "{said}");
    let said = castor.fails_to_begin(&["--accept-loss"], IO_ERR);
    assert!(said.contains("invite --replaces 1"), "{said}");
    // What it had acknowledged is with the others.
    pollux.wait_served(&[(1, 2), (2, 2)]);
    let mut alice = Client::connect(pollux.clients(), "alice", None);
    alice.send("<presence/>");
    say(&mut bob, "alice", "m2");
    hear(&mut alice, "m2");
    // Had all machines gone down at once: somebody takes the loss, and goes on from one log.
    drop((alice, bob, pollux, witness));
    let aside = castor.path("data/subcluster.log.damaged-1");
    fs::rename(aside, castor.path("data/subcluster.log")).expect("it was set aside");
    let force = ["cluster", "force-takeover", "--config", "pollux.toml"];
    castor.done(&[&force[..], &["--yes"]].concat());
    castor.begin();
    castor.wait_served(&[(1, 1), (2, 1)]);
    let mut alice = castor.client("alice");
    let mut bob = castor.client("bob");
    say(&mut alice, "bob", "m3");
    // He has not acknowledged the first, as far as this log knows.
    hear(&mut bob, "m1");
    hear(&mut bob, "m3");
}

#[test]
fn a_node_alone_goes_on_and_says_what_may_be_missing() {
    let mut node = TestNode::prepare(Plaintext::Allowed);
    node.add_settings("[delivery]\ndurability = \"memory\"\n");
    node.begin();
    node.add_user("alice");
    let marks = LOGS.map(|log| node.path(&format!("data/{log}.unsynced")));
    assert!(marks.iter().all(|mark| mark.exists()));
    // In order: nothing is left to be said.
    assert!(node.stop().success());
    assert!(marks.iter().all(|mark| !mark.exists()), "{marks:?}");
    node.begin();
    node.kill();
    for mark in &marks {
        fs::write(mark, "an earlier boot\n").expect("it can be written");
    }
    node.announce("machine went down");
    node.begin();
    assert!(node.log_of_last_run().contains("machine went down"));
    let mut alice = Client::connect(node.address(), "alice", None);
    alice.round_trip();
    // With the disk again: nothing is marked any more.
    let settings = fs::read_to_string(node.settings()).expect("settings");
    fs::write(node.settings(), settings.replace("memory", "disk")).expect("settings");
    node.kill();
    node.begin();
    assert!(marks.iter().all(|mark| !mark.exists()), "{marks:?}");
    let mut alice = Client::connect(node.address(), "alice", None);
    alice.round_trip();
}
