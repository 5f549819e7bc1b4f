//! The certificates between nodes are rotated while people chat; nodes move to other ports. Not for
//! what the rules of it are: they are tried in `raft` and `links`.

use std::fs;

use pollux_links::credentials::Credentials;
use serde_json::Value;

use super::common::deadline::wait_for;
use super::peer::Peer;
use super::site::{Member, hear, pair, say};

fn certificates(member: &Member) -> Value {
    let text = member.ctl(&["cluster", "certificates", "--json"]);
    serde_json::from_str(&text).expect("JSON")
}

#[track_caller]
fn wait_phase(member: &Member, phase: &str, waits_for: &[u64]) -> Value {
    wait_for(&format!("{phase}, {waits_for:?}"), || {
        let status = certificates(member);
        let waits: Vec<u64> = status["waits_for"]
            .as_array()?
            .iter()
            .filter_map(Value::as_u64)
            .collect();
        let is_there = status["phase"].as_str()?.contains(phase) && waits == waits_for;
        is_there.then_some(status)
    })
}

#[track_caller]
fn credentials(member: &Member) -> Credentials {
    let read = Credentials::read(&member.path("data/cluster"));
    read.expect("the node has a certificate")
}

/// Rotated once while all are there, and once more while the witness is away.
#[test]
fn certificates_are_rotated_while_people_chat_and_the_old_ones_are_worth_nothing() {
    let [mut castor, pollux, mut witness] = pair();
    castor.add_user("alice");
    pollux.add_user("bob");
    let mut alice = castor.client("alice");
    // Bob comes to Castor and is served by Pollux: his stream is relayed.
    let mut bob = castor.client("bob");
    let first = wait_phase(&castor, "settled", &[]);
    wait_for("all nodes to say what they show", || {
        let rows = certificates(&castor)["nodes"].as_array()?.clone();
        rows.iter()
            .all(|row| row["certificate"].is_string())
            .then_some(())
    });
    let old = credentials(&pollux);
    let before = old.held();
    let unused = castor.ctl(&["cluster", "invite", "--subcluster", "2"]);

    castor.ctl(&["cluster", "rotate-certificates"]);
    say(&mut alice, "bob", "m1");
    hear(&mut bob, "m1");
    let second = wait_for("another authority", || {
        let status = certificates(&castor);
        let other = status["authority"] != first["authority"] && status["phase"] == "settled";
        other.then_some(status)
    });
    let authority = second["authority"].clone();
    for row in second["nodes"].as_array().expect("rows") {
        assert_eq!(row["authority"], authority, "{row}");
    }
    say(&mut bob, "alice", "m2");
    hear(&mut alice, "m2");
    // Files, too: a start has nothing else.
    for member in [&castor, &pollux, &witness] {
        wait_for("the old authority to be forgotten", || {
            let held = credentials(member).held();
            (held.trusts == [held.authority] && held.authority != before.authority).then_some(())
        });
    }
    // Who shows the old certificate is not let in, whatever it believes.
    let stolen = Credentials {
        authority: credentials(&castor).authority,
        ..old
    };
    let reply = Peer::call_with(castor.nodes(), 1, stolen).frame();
    assert_eq!(reply, None, "no refusal in frames: there is no connection");
    let right = Peer::call_with(castor.nodes(), 1, credentials(&pollux));
    right.garbled();
    // A token of before names the old authority.
    let stranger = Member::prepare("stranger");
    let join = ["cluster", "join", unused.trim(), "--config", "pollux.toml"];
    let refused = stranger.run(&join);
    assert_ne!(refused.code, Some(0));
    assert!(refused.err.contains("make a new token"), "{}", refused.err);

    // One that is away is waited for, by name, and nobody joins meanwhile.
    witness.stop();
    castor.ctl(&["cluster", "rotate-certificates"]);
    wait_phase(&castor, "made known", &[3]);
    let again = castor.run(&[
        "ctl",
        "--config",
        "pollux.toml",
        "cluster",
        "rotate-certificates",
    ]);
    assert!(again.err.contains("rotated already"), "{}", again.err);
    let invite = castor.run(&[
        "ctl",
        "--config",
        "pollux.toml",
        "cluster",
        "invite",
        "--subcluster",
        "2",
    ]);
    assert!(invite.err.contains("are being rotated"), "{}", invite.err);
    let shown = castor.ctl(&["cluster", "certificates"]);
    assert!(shown.contains("it waits for: 3."), "{shown}");
    // A node that dies in between goes on where it was.
    castor.kill();
    castor.begin();
    witness.begin();
    let third = wait_for("the third authority", || {
        let status = certificates(&pollux);
        let other = status["authority"] != authority && status["phase"] == "settled";
        other.then_some(status)
    });
    assert_eq!(third["next_authority"], Value::Null);
    castor.wait_protected();
    let invited = castor.ctl(&["cluster", "invite", "--subcluster", "2"]);
    assert!(!invited.trim().is_empty());
}

#[test]
fn all_nodes_move_to_other_ports_one_after_the_other() {
    let [mut castor, mut pollux, mut witness] = pair();
    castor.add_user("alice");
    pollux.add_user("bob");
    let mut alice = castor.client("alice");
    let old = [castor.nodes(), pollux.nodes(), witness.nodes()];
    pollux.move_elsewhere();
    castor.wait_protected();
    witness.move_elsewhere();
    castor.wait_protected();
    // Its users are served by its twin meanwhile.
    castor.move_elsewhere();
    pollux.wait_protected();
    alice.resume(pollux.clients());
    pollux.fall_back();
    castor.wait_served(&[(1, 1), (2, 2)]);
    alice.resume(castor.clients());
    wait_for("the topology to have the new addresses", || {
        let text = pollux.ctl(&["cluster", "nodes"]);
        let new = [castor.nodes(), pollux.nodes(), witness.nodes()];
        let has = |address: &std::net::SocketAddr| text.contains(&format!(" {address} "));
        (new.iter().all(has) && !old.iter().any(has)).then_some(())
    });
    // A client is told where to come back: at the new port of the twin.
    let later = castor.client("alice");
    let location = later
        .counts
        .as_ref()
        .and_then(|counts| counts.location.clone());
    assert_eq!(location, Some(pollux.clients().to_string()));
    let kept = fs::read_to_string(castor.path("data/cluster/membership.json"));
    let kept = kept.expect("a membership");
    assert!(kept.contains(&pollux.nodes().to_string()), "{kept}");
}

/// Both who are called, and the one that calls them, away at once: nobody knows where anybody is,
/// but those who are called know where they are themselves.
#[test]
fn a_node_that_was_away_while_the_others_moved_finds_them() {
    let [mut castor, mut pollux, mut witness] = pair();
    castor.stop();
    pollux.move_elsewhere();
    // Two that move at once, while nobody else knows where either is, find nobody.
    wait_for("the witness to know where its node is", || {
        let kept = fs::read_to_string(witness.path("data/cluster/membership.json")).ok()?;
        kept.contains(&pollux.nodes().to_string()).then_some(())
    });
    witness.move_elsewhere();
    wait_for("the two to be a majority again", || {
        let leader = pollux.status()?["leader"].as_u64();
        leader.map(drop)
    });
    castor.begin();
    castor.wait_protected();
}
