//! What an operator sees of a pair and asks of it: the states of its nodes, the history of its
//! takeovers, high availability with all that it needs, users who go home by themselves.

use serde_json::{Value, json};

use super::common::deadline::wait_for;
use super::site::{Member, hear, pair, say};

/// The states of both nodes with their reasons, as this member sees them.
fn states(member: &Member) -> Option<[(String, String); 2]> {
    let status = member.status()?;
    let row = |at: usize| {
        let text = |name: &str| Some(status["nodes"][at][name].as_str()?.to_owned());
        Some((text("state")?, text("reason")?))
    };
    Some([row(0)?, row(1)?])
}

#[track_caller]
fn wait_states(member: &Member, castor: (&str, &str), pollux: (&str, &str)) {
    let wanted = [castor, pollux].map(|(state, reason)| (state.to_owned(), reason.to_owned()));
    wait_for(&format!("{} to see {wanted:?}", member.name), || {
        (states(member)? == wanted).then_some(())
    });
}

const NORMAL: (&str, &str) = ("normal", "Normal");

fn takeovers(member: &Member) -> Vec<Value> {
    let text = member.ctl(&["subcluster", "takeovers", "--json"]);
    serde_json::from_str(&text).expect("a list of takeovers")
}

/// From, to and cause of the newest.
fn newest(member: &Member) -> [Value; 3] {
    let rows = takeovers(member);
    ["from", "to", "cause"].map(|name| rows[0][name].clone())
}

/// A line of a table, however wide its columns are.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn refused(member: &Member, arguments: &[&str]) -> String {
    let head = ["ctl", "--config", "pollux.toml"];
    let ended = member.run(&[&head[..], arguments].concat());
    assert_eq!(ended.code, Some(65), "{}", ended.err);
    ended.err
}

#[test]
fn an_operator_sees_what_becomes_of_a_pair() {
    let [mut castor, pollux, witness] = pair();
    for member in [&castor, &pollux, &witness] {
        wait_states(member, NORMAL, NORMAL);
    }
    let admin = "On Admin Request";
    castor.ctl(&["subcluster", "failover", "1"]);
    let backup = ("running-in-backup-mode", admin);
    for member in [&castor, &pollux, &witness] {
        wait_states(member, ("idle", admin), backup);
    }
    assert_eq!(newest(&castor), [json!(1), json!(2), json!("operator")]);
    castor.kill();
    castor.begin();
    wait_states(&pollux, ("idle", "Initialization"), backup);
    wait_states(&castor, ("idle", "Initialization"), backup);
    pollux.fall_back();
    wait_states(&castor, NORMAL, NORMAL);

    castor.add_user("alice");
    pollux.add_user("bob");
    let kept = |figures: &str, lines: [&str; 2]| {
        let all: Vec<String> = { figures.lines() }.map(words).collect();
        for line in lines {
            assert!(all.iter().any(|is| is == line), "{line}: {figures}");
        }
    };
    let figures = pollux.ctl(&["statistics"]);
    kept(
        &figures,
        ["pollux_users_away 0", "pollux_subcluster_protected 1"],
    );
    castor.kill();
    let down = ("down", "Not Heard");
    wait_states(&pollux, down, ("running-in-backup-mode", "Peer Down"));
    pollux.wait_said(&["node state has changed", "node=1", "state=Down"]);
    let figures = pollux.ctl(&["statistics"]);
    kept(
        &figures,
        ["pollux_users_away 1", "pollux_subcluster_protected 0"],
    );
    let figure = |node: &str, number: &str| {
        let mut lines = figures.lines();
        lines.any(|line| line.contains(node) && line.ends_with(number))
    };
    let (one, two) = (
        "pollux_node_state{node=1,name=castor}",
        "pollux_node_state{node=2,name=pollux}",
    );
    assert!(figure(one, " 12") && figure(two, " 4"), "{figures}");
    let table = pollux.ctl(&["subcluster", "takeovers"]);
    assert!(table.starts_with("TIME "), "{table}");
    assert!(table.contains("Peer Down\n"), "{table}");
    castor.begin();
    let back = ("failed-over", "Initialization");
    wait_states(&castor, back, ("running-in-backup-mode", "Peer Down"));
    // The history is the group's, and outlives what it tells of.
    let history = takeovers(&pollux);
    for member in [&castor, &witness] {
        wait_for("the same history", || {
            (takeovers(member) == history).then_some(())
        });
    }
    let verdict = witness.ctl(&["subcluster", "verify"]);
    assert!(verdict.contains("all replicas are equal"), "{verdict}");
}

/// The one way into failed mode: of three votes two are lost.
#[test]
fn a_node_without_a_majority_serves_nobody_and_says_so() {
    let [mut castor, pollux, mut witness] = pair();
    witness.kill();
    wait_states(&castor, NORMAL, NORMAL);
    castor.kill();
    let failed = ("running-in-failed-mode", "No Majority");
    wait_states(&pollux, ("down", "Not Heard"), failed);
    witness.begin();
    let backup = ("running-in-backup-mode", "Peer Down");
    wait_states(&pollux, ("down", "Not Heard"), backup);
}

#[test]
fn high_availability_is_refused_with_all_that_it_lacks() {
    let castor = Member::first("castor");
    let on = ["subcluster", "ha", "on"];
    let alone = refused(&castor, &on);
    for part in ["has one node", "there is no witness", "nothing was changed"] {
        assert!(alone.contains(part), "{part}: {alone}");
    }
    let mut pollux = castor.invite("pollux", &[]);
    castor.wait_served(&[(1, 1), (2, 2)]);
    pollux.kill();
    let silent = refused(&castor, &on);
    for part in ["there is no witness", "node 2 (pollux) does not answer"] {
        assert!(silent.contains(part), "{part}: {silent}");
    }
    pollux.begin();
    let _witness = castor.invite("witness", &["--witness"]);
    castor.wait_protected();
    castor.wait_served(&[(1, 1), (2, 2)]);
    wait_for("the failover", || {
        let failover = ["subcluster", "failover", "1", "--config", "pollux.toml"];
        (castor.run(&[&["ctl"][..], &failover].concat()).code == Some(0)).then_some(())
    });
    let away = refused(&castor, &on);
    let part = "the users of node 1 are served by node 2: move them home with `pollux ctl";
    assert!(away.contains(part), "{away}");
    castor.fall_back();
    castor.ctl(&on);
}

#[test]
fn without_high_availability_each_node_serves_its_own_users() {
    let castor = Member::first("castor");
    let pollux = castor.invite("pollux", &[]);
    let _witness = castor.invite("witness", &["--witness"]);
    castor.wait_protected();
    castor.wait_served(&[(1, 1), (2, 2)]);
    let mut castor = castor;
    castor.add_user("alice");
    for user in ["bob", "carol"] {
        pollux.add_user(user);
    }
    let off = ("unknown", "High Availability Not Enabled");
    wait_states(&castor, off, off);
    let mut alice = castor.client("alice");
    let mut bob = pollux.client("bob");
    let mut carol = pollux.client("carol");
    say(&mut alice, "bob", "m1");
    hear(&mut bob, "m1");
    castor.kill();
    wait_states(&pollux, ("down", "Not Heard"), off);
    // Those of the other node go on.
    say(&mut carol, "bob", "m2");
    hear(&mut bob, "m2");
    say(&mut bob, "alice", "m3");
    castor.begin();
    castor.wait_served(&[(1, 1), (2, 2)]);
    alice.resume(castor.clients());
    hear(&mut alice, "m3");
    let moved = takeovers(&castor);
    assert!(
        moved.iter().all(|row| row["home"] == row["to"]),
        "{moved:?}"
    );
}

#[test]
fn users_go_home_by_themselves_and_nobody_is_logged_out() {
    let [mut castor, pollux, _witness] = pair();
    castor.add_user("alice");
    pollux.add_user("bob");
    let settings = ["fallback.automatic=on", "fallback.stable-seconds=2"];
    castor.ctl(&[&["settings", "set"][..], &settings].concat());
    let mut alice = castor.client("alice");
    let mut bob = pollux.client("bob");
    say(&mut alice, "bob", "m1");
    hear(&mut bob, "m1");
    castor.kill();
    pollux.wait_served(&[(1, 2), (2, 2)]);
    alice.resume(pollux.clients());
    say(&mut alice, "bob", "m2");
    hear(&mut bob, "m2");

    castor.begin();
    pollux.wait_served(&[(1, 1), (2, 2)]);
    assert_eq!(
        newest(&pollux),
        [json!(2), json!(1), json!("automatic-fallback")]
    );
    // She is told where to go, and goes on with the same session there.
    say(&mut bob, "alice", "m3");
    alice.resume(castor.clients());
    hear(&mut alice, "m3");
    say(&mut alice, "bob", "m4");
    hear(&mut bob, "m4");
}

#[test]
fn whom_an_operator_has_relieved_serves_again_only_where_nobody_else_does() {
    let [castor, mut pollux, witness] = pair();
    castor.add_user("alice");
    let settings = ["fallback.automatic=on", "fallback.stable-seconds=1"];
    castor.ctl(&[&["settings", "set"][..], &settings].concat());
    castor.ctl(&["subcluster", "failover", "1"]);
    let uptime = || {
        let status = castor.ctl(&["status", "--json"]);
        let status: Value = serde_json::from_str(&status).expect("a status");
        status["uptime_seconds"].as_u64().expect("a number")
    };
    let since = uptime();
    wait_for("the time to pass in which others go home", || {
        (since + 4 <= uptime()).then_some(())
    });
    let admin = "On Admin Request";
    wait_states(&castor, ("idle", admin), ("running-in-backup-mode", admin));
    // Its twin dies: that is one fault, and no user is left without a node.
    let mut alice = pollux.client("alice");
    alice.round_trip();
    pollux.kill();
    castor.wait_served(&[(1, 1), (2, 1)]);
    alice.resume(castor.clients());
    alice.round_trip();
    pollux.begin();
    pollux.wait_served(&[(1, 1), (2, 2)]);
    wait_states(&witness, NORMAL, NORMAL);
}
