//! A pair without a witness: with one node gone the other serves nobody, until an operator says
//! that the first is lost.

use super::site::{Member, hear, say};

#[test]
fn an_operator_has_the_last_word_in_a_pair_without_a_witness() {
    let mut castor = Member::first("castor");
    let mut pollux = castor.invite("pollux", &[]);
    castor.wait_served(&[(1, 1), (2, 2)]);
    castor.add_user("alice");
    pollux.add_user("bob");
    let mut bob = pollux.client("bob");
    say(&mut bob, "alice", "m1");
    drop(bob);

    let force = [
        "cluster",
        "force-takeover",
        "--config",
        "pollux.toml",
        "--yes",
    ];
    pollux.stop();
    let refused = pollux.run(&force);
    assert!(refused.err.contains("is not lost"), "{}", refused.err);
    castor.kill();
    let hasty = pollux.run(&force[..4]);
    assert!(hasty.err.contains("--yes"), "{}", hasty.err);
    let out = pollux.done(&force);
    assert!(out.contains("node 2 goes on alone"), "{out}");

    pollux.begin();
    pollux.wait_served(&[(1, 2), (2, 2)]);
    let mut alice = pollux.client("alice");
    hear(&mut alice, "m1");
    let nodes = pollux.ctl(&["cluster", "nodes"]);
    assert!(nodes.contains("removed"), "{nodes}");

    // The old node may not come back under its old name; under the next it is taken in.
    castor.begin();
    let token = pollux.ctl(&["cluster", "invite", "--replaces", "1"]);
    castor.stop();
    let reborn = Member::prepare("castor");
    reborn.done(&["cluster", "join", token.trim(), "--config", "pollux.toml"]);
    let mut reborn = reborn;
    reborn.begin();
    reborn.wait_served(&[(1, 2), (2, 2)]);
    // The old life of node 1 hears why it is over, and both logs say what to do.
    castor.begin();
    let refused = [
        "a connection between nodes was refused",
        "reason=old incarnation",
        "advice=",
        "stop it",
    ];
    pollux.wait_said(&[&refused[..], &["node=1"]].concat());
    castor.wait_said(&[&refused[..], &["node=2"]].concat());
    castor.stop();
    pollux.fall_back();
    reborn.wait_served(&[(1, 1), (2, 2)]);
    let verdict = pollux.ctl(&["subcluster", "verify"]);
    assert!(verdict.contains("all replicas are equal"), "{verdict}");
}
