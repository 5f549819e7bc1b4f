//! What a node hosts as the witness of another pair: when it does not open, when it fails, and when
//! the pair votes without it. Each time the node itself goes on.

use std::fs;

use super::common::deadline::wait_for;
use super::site::{Member, hear, say};
use super::witnesses::{MOVE, hosted, nothing_twice, two_pairs, witness_of};

fn figure(member: &Member, name: &str) -> Option<u64> {
    let figures = member.ctl(&["statistics", "--json"]);
    let figures: serde_json::Value = serde_json::from_str(&figures).ok()?;
    figures[name].as_u64()
}

const RUNNING: &str = "pollux_witness_running{subcluster=1}";
const FAILURES: &str = "pollux_witness_failures_total{subcluster=1}";

#[track_caller]
fn wait_running(member: &Member, wanted: u64) {
    wait_for(&format!("the witness to run: {wanted}"), || {
        (figure(member, RUNNING) == Some(wanted)).then_some(())
    });
}

#[test]
fn a_witness_that_does_not_open_or_fails_is_tried_again_and_its_node_goes_on() {
    let [castor, _pollux, mut romulus, _remus] = two_pairs();
    romulus.add_user("erin");
    romulus.wait_served(&[(3, 3), (4, 4)]);
    assert_eq!(hosted(&romulus), ["1.1"]);
    wait_running(&romulus, 1);
    romulus.stop();
    let record = romulus.path("data/hosted/record.json");
    let kept = fs::read(&record).expect("a record");
    fs::write(&record, "{").expect("a record");
    let name = "name = \"romulus\"\n";
    romulus.change_setting(name, &format!("{name}snapshot_entries = 100\n"));
    romulus.begin();
    // It serves its own, and tries again after pauses that grow.
    romulus.wait_served(&[(3, 3), (4, 4)]);
    let mut erin = romulus.client("erin");
    say(&mut erin, "erin", "to herself");
    hear(&mut erin, "to herself");
    for pause in ["again_in=1s", "again_in=2s", "again_in=4s"] {
        romulus.wait_said(&["witness does not open its files", "subcluster=1", pause]);
    }
    assert_eq!(figure(&romulus, RUNNING), Some(0));
    assert!(figure(&romulus, FAILURES) >= Some(3));
    let test = romulus.run(&["ctl", "--config", "pollux.toml", "self-test"]);
    let said = "witness of subcluster 1";
    assert!(test.out.contains(said), "{}{}", test.out, test.err);
    assert!(
        test.out.contains("record.json does not read"),
        "{}",
        test.out
    );
    wait_for("the pair to be said not to be protected", || {
        let status = castor.status()?;
        let why = status["exposure"].as_str() == Some("the replica at node 3 is silent");
        (status["is_protected"] == false && why).then_some(())
    });
    fs::write(&record, kept).expect("a record");
    wait_running(&romulus, 1);
    castor.wait_protected();
    assert_eq!(hosted(&romulus), ["1.1"], "under the same name");

    // Its disk loses everything while it runs.
    fs::remove_dir_all(romulus.path("data/hosted/1.1")).expect("a folder");
    let mut alice = castor.client("alice");
    wait_for("the replica to fail, and to be made again", || {
        say(&mut alice, "alice", "an entry");
        hear(&mut alice, "an entry");
        (hosted(&romulus) == ["1.2"]).then_some(())
    });
    romulus.wait_said(&["witness has failed", "subcluster=1", "again_in="]);
    wait_for("the pair to vote with the next life", || {
        (witness_of(&castor, [1, 2]) == Some(3)).then_some(())
    });
    castor.wait_protected();
    let verdict = castor.ctl(&["subcluster", "verify"]);
    assert!(verdict.contains("all replicas are equal"), "{verdict}");
    say(&mut erin, "erin", "still here");
    hear(&mut erin, "still here");
    nothing_twice(&mut [&mut alice, &mut erin]);
}

#[test]
fn a_replica_is_dropped_once_the_pair_votes_without_it_for_certain() {
    let [castor, pollux, mut romulus, remus] = two_pairs();
    // A node that was away and is still the witness keeps it.
    romulus.stop();
    romulus.begin();
    wait_running(&romulus, 1);
    castor.wait_protected();
    assert_eq!(hosted(&romulus), ["1.1"]);
    romulus.stop();
    let move_to = |node| [&MOVE[..], &["--to", node]].concat();
    castor.ctl(&move_to("4"));
    wait_for("the other one to vote", || {
        (witness_of(&castor, [1, 2]) == Some(4)).then_some(())
    });
    castor.wait_protected();
    wait_for("the one that is away to be relieved", || {
        let relieved = |member: &Member| member.log().contains("witness is relieved");
        [&castor, &pollux].into_iter().any(relieved).then_some(())
    });
    // It was away when that was said.
    assert_eq!(hosted(&romulus), ["1.1"]);
    romulus.begin();
    romulus.wait_said(&["its replica is dropped", "subcluster=1"]);
    wait_for("the files to go", || {
        hosted(&romulus).is_empty().then_some(())
    });
    assert_eq!(figure(&romulus, RUNNING), None);
    assert_eq!(hosted(&remus), ["1.1"]);

    // A node that goes for ever leaves its duties first, and then has nothing of others.
    castor.ctl(&move_to("3"));
    wait_for("the new voter", || {
        (hosted(&romulus) == ["1.2"]).then_some(())
    });
    castor.wait_protected();
    castor.ctl(&[&MOVE[..], &["--automatic"]].concat());
    castor.ctl(&["node", "drain", "3"]);
    wait_for("the duty to go to another", || {
        (witness_of(&castor, [1, 2]) == Some(4) && hosted(&romulus).is_empty()).then_some(())
    });
    wait_for("the node to be removed", || {
        let remove = ["ctl", "--config", "pollux.toml", "cluster", "remove", "3"];
        (castor.run(&remove).code == Some(0)).then_some(())
    });
    castor.wait_protected();
    assert!(hosted(&romulus).is_empty());
}
