//! The services of nodes: stopped and started by an operator, failing by themselves, and what that
//! means for people who chat meanwhile.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::common::client::Client;
use super::common::deadline::wait_for;
use super::common::stream::Event;
use super::site::{Member, hear, pair, pair_with, say};

/// The row of a service, as `service list` has it.
#[track_caller]
fn service(member: &Member, name: &str) -> Value {
    let text = member.ctl(&["service", "list", "--json"]);
    let rows: Vec<Value> = serde_json::from_str(&text).expect("a list of services");
    let row = rows.into_iter().find(|row| row["service"] == name);
    row.unwrap_or_else(|| panic!("no service {name}: {text}"))
}

#[track_caller]
fn wait_service(member: &Member, name: &str, state: &str) -> Value {
    wait_for(
        &format!("{} of {} to be {state}", name, member.name),
        || Some(service(member, name)).filter(|row| row["state"] == state),
    )
}

/// State and reason of both nodes, as this member sees them.
#[track_caller]
fn wait_states(member: &Member, castor: (&str, &str), pollux: (&str, &str)) {
    let wanted = [castor, pollux];
    wait_for(&format!("{} to see {wanted:?}", member.name), || {
        let status = member.status()?;
        let nodes = status["nodes"].as_array()?;
        let mut seen = nodes.iter().zip(wanted);
        seen.all(|(row, (state, reason))| row["state"] == state && row["reason"] == reason)
            .then_some(())
    });
}

#[track_caller]
fn takeovers(member: &Member) -> Vec<Value> {
    let text = member.ctl(&["subcluster", "takeovers", "--json"]);
    serde_json::from_str(&text).expect("a list of takeovers")
}

#[track_caller]
fn refused(member: &Member, arguments: &[&str], code: i32) -> String {
    let head = ["ctl", "--config", "pollux.toml"];
    let ended = member.run(&[&head[..], arguments].concat());
    assert_eq!(ended.code, Some(code), "{}", ended.err);
    ended.err
}

const NORMAL: (&str, &str) = ("normal", "Normal");
const REASON: &str = "Critical Service Down";
const BACKUP: (&str, &str) = ("running-in-backup-mode", REASON);
const DOWN: &str = "failed-over-with-critical-services-not-running";

#[test]
fn a_port_that_an_operator_stops_sends_the_users_to_the_twin_and_they_come_home() {
    let [mut castor, pollux, witness] = pair();
    castor.add_user("alice");
    pollux.add_user("bob");
    castor.ctl(&["settings", "set", "services.down-seconds=1"]);
    let mut alice = castor.client("alice");
    let mut bob = pollux.client("bob");
    say(&mut alice, "bob", "m1");
    hear(&mut bob, "m1");

    let stop = [
        "ctl",
        "service",
        "stop",
        "clients",
        "--config",
        "pollux.toml",
    ];
    let stopped = castor.run(&stop);
    assert_eq!(stopped.code, Some(0), "{}", stopped.err);
    assert!(
        stopped.err.contains("go to the twin after"),
        "{}",
        stopped.err
    );
    assert!(
        stopped.out.contains("clients  stopped  stopped"),
        "{}",
        stopped.out
    );
    for member in [&castor, &pollux, &witness] {
        wait_states(member, (DOWN, REASON), BACKUP);
    }
    let newest = &takeovers(&pollux)[0];
    assert_eq!(newest["cause"], "critical-service-down");
    assert_eq!((&newest["from"], &newest["to"]), (&json!(1), &json!(2)));
    let table = pollux.ctl(&["subcluster", "takeovers"]);
    assert!(table.contains(&format!("{REASON}\n")), "{table}");
    // By whoever leads.
    wait_for("the reason in a log", || {
        let said = [&castor, &pollux, &witness].map(|member| member.log());
        let reason = "the service clients of its node has been down";
        said.iter().any(|log| log.contains(reason)).then_some(())
    });
    let figures = castor.ctl(&["statistics"]);
    let figure = figures.lines().any(|line| {
        line.starts_with("pollux_service_state{service=clients}") && line.ends_with(" 0")
    });
    assert!(figure, "{figures}");
    // She came by that port, and was told where to go.
    alice.resume(pollux.clients());
    say(&mut bob, "alice", "m2");
    hear(&mut alice, "m2");

    let why = refused(&pollux, &["subcluster", "fallback"], 65);
    assert!(
        why.contains("the service clients of node 1 does not run"),
        "{why}"
    );
    // The wish outlives the process.
    castor.kill();
    castor.begin();
    wait_states(&pollux, (DOWN, "Initialization"), BACKUP);
    assert_eq!(service(&castor, "clients")["wanted"], "stopped");
    castor.ctl(&["service", "start", "clients"]);
    wait_states(&pollux, ("failed-over", "Initialization"), BACKUP);
    assert_eq!(service(&castor, "clients")["state"], "running");
    castor.fall_back();
    wait_states(&pollux, NORMAL, NORMAL);
    alice.resume(castor.clients());
    say(&mut alice, "bob", "m3");
    hear(&mut bob, "m3");
    castor.client("alice").close();
}

#[test]
fn users_stay_where_the_twin_has_the_same_trouble_and_go_when_it_is_well() {
    let [castor, pollux, _witness] = pair();
    castor.ctl(&["settings", "set", "services.down-seconds=1"]);
    pollux.ctl(&["service", "stop", "clients-tls"]);
    // Pollux's users have gone to Castor, which is well; then it is not.
    castor.wait_served(&[(1, 1), (2, 1)]);
    castor.ctl(&["service", "stop", "clients"]);
    let down = || service(&castor, "clients")["for_seconds"].as_u64();
    wait_for("thrice the delay to pass", || {
        down().filter(|down| 3 <= *down)
    });
    castor.wait_served(&[(1, 1), (2, 1)]);
    let off = refused(&castor, &["subcluster", "failover", "1"], 65);
    assert!(off.contains("the service clients-tls of node 2"), "{off}");
    pollux.ctl(&["service", "start", "clients-tls"]);
    castor.wait_served(&[(1, 2), (2, 2)]);
    let auto = "Auto Recover Critical Service Down";
    wait_states(&pollux, (DOWN, auto), ("running-in-backup-mode", auto));
}

#[test]
fn high_availability_is_refused_while_a_critical_service_is_down() {
    let castor = Member::first("castor");
    let pollux = castor.invite("pollux", &[]);
    let _witness = castor.invite("witness", &["--witness"]);
    castor.wait_protected();
    castor.wait_served(&[(1, 1), (2, 2)]);
    pollux.ctl(&["service", "stop", "clients"]);
    let on = ["subcluster", "ha", "on"];
    let why = refused(&castor, &on, 65);
    let cure = "node 2 (pollux) has its service clients down: start it there";
    assert!(why.contains(cure), "{why}");
    pollux.ctl(&["service", "start", "clients"]);
    castor.ctl(&on);
}

/// The next message to her, wherever she is served by then.
#[track_caller]
fn hear_somewhere(client: &mut Client, members: [&Member; 2], body: &str) {
    loop {
        match client.next() {
            Event::Element(element) if element.name() == "message" => {
                assert_eq!(element.attribute("id"), Some(body));
                return;
            }
            Event::Element(element) if element.name() != "error" => {}
            _ => {
                let served = wait_for("her home to be served", || {
                    members[1].status()?["homes"][0]["serving"].as_u64()
                });
                client.resume(members[served as usize - 1].clients());
            }
        }
    }
}

#[test]
#[expect(clippy::disallowed_types, reason = "whoever calls from outside")]
fn each_service_begins_anew_while_people_chat_and_nothing_is_lost() {
    let [castor, pollux, _witness] = pair();
    castor.add_user("alice");
    pollux.add_user("bob");
    let mut alice = castor.client("alice");
    let mut bob = pollux.client("bob");
    say(&mut alice, "bob", "m0");
    hear(&mut bob, "m0");
    for (turn, name) in ["clients", "clients-tls"].into_iter().enumerate() {
        for member in [&castor, &pollux] {
            let body = |what: &str| format!("{what}{turn}{}", member.name);
            bob.send(&format!(
                "<message type='chat' to='alice@localhost' id='{0}'><body>{0}</body></message>",
                body("b")
            ));
            let again = member.ctl(&["service", "restart", name, "--json"]);
            let again: Value = serde_json::from_str(&again).expect("a row");
            assert_eq!(again[0]["state"], "running", "{again}");
            hear(&mut alice, &body("b"));
            bob.all_acknowledged();
            say(&mut alice, "bob", &body("a"));
            hear(&mut bob, &body("a"));
        }
    }
    let direct = castor.direct_tls();
    let again = wait_for("a call of the direct TLS port", || {
        std::net::TcpStream::connect(direct).ok()
    });
    drop(again);
    // Without its links a node is cut off for a moment: whoever serves her then, she loses nothing.
    for (turn, member) in [&castor, &pollux].into_iter().enumerate() {
        member.ctl(&["service", "restart", "links"]);
        wait_service(member, "links", "running");
        castor.wait_protected();
        let body = format!("l{turn}");
        bob.round_trip();
        say(&mut bob, "alice", &body);
        hear_somewhere(&mut alice, [&castor, &pollux], &body);
    }
    let why = refused(&castor, &["service", "stop", "store"], 65);
    assert!(why.contains("stop the whole node"), "{why}");
    let there = refused(&castor, &["service", "list", "--at", "9"], 67);
    assert!(there.contains("9"), "{there}");
}

#[test]
fn a_node_whose_links_are_stopped_serves_nobody_until_they_are_started() {
    let [castor, pollux, _witness] = pair();
    castor.ctl(&["service", "stop", "links"]);
    pollux.wait_served(&[(1, 2), (2, 2)]);
    wait_states(
        &pollux,
        ("down", "Not Heard"),
        ("running-in-backup-mode", "Peer Down"),
    );
    wait_states(
        &castor,
        ("running-in-failed-mode", "No Majority"),
        ("down", "Not Heard"),
    );
    castor.ctl(&["service", "start", "links"]);
    wait_states(
        &pollux,
        ("failed-over", "Not Heard"),
        ("running-in-backup-mode", "Peer Down"),
    );
    pollux.fall_back();
    wait_states(&castor, NORMAL, NORMAL);
}

/// A small disk in memory, for one folder.
struct SmallDisk(PathBuf);

impl SmallDisk {
    #[track_caller]
    fn mount(folder: &Path, mib: u32) -> SmallDisk {
        fs::create_dir_all(folder).expect("a folder for the disk");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={mib}m"));
        let status = mount.arg("tmpfs").arg(folder).status();
        let mounted = status.expect("mount can be run").success();
        assert!(mounted, "a disk can be mounted: run the tests as root");
        SmallDisk(folder.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever has it open is about to end.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_full_sends_the_users_to_the_twin_before_a_log_fails() {
    let castor = Member::prepare("castor");
    let _disk = SmallDisk::mount(&castor.path("data"), 96);
    let [castor, pollux, _witness] = pair_with(castor.founds());
    castor.add_user("alice");
    castor.ctl(&["settings", "set", "services.down-seconds=1"]);
    let mut alice = castor.client("alice");
    alice.round_trip();
    assert_eq!(service(&castor, "store")["state"], "running");

    let filler = castor.path("data/filler");
    let file = File::create(&filler).expect("a file");
    let free = rustix::fs::statvfs(&filler).expect("the disk");
    let free = free.f_bavail * free.f_frsize;
    rustix::fs::fallocate(
        &file,
        rustix::fs::FallocateFlags::empty(),
        0,
        free - (16 << 20),
    )
    .expect("the disk takes it");
    let row = wait_service(&castor, "store", "failed");
    let reason = row["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("MiB free, and 32 are needed"), "{reason}");
    let database = "Database Failure";
    wait_states(
        &pollux,
        (DOWN, database),
        ("running-in-backup-mode", database),
    );
    castor.wait_said(&["service failed, mends by itself", "service=store"]);
    alice.resume(pollux.clients());
    alice.round_trip();

    drop(file);
    fs::remove_file(filler).expect("the file is there");
    wait_service(&castor, "store", "running");
    castor.wait_said(&["service runs", "service=store"]);
    wait_states(
        &pollux,
        ("failed-over", database),
        ("running-in-backup-mode", database),
    );
    castor.fall_back();
    wait_states(&castor, NORMAL, NORMAL);
    alice.resume(castor.clients());
    alice.round_trip();
}

/// Somebody has taken the port while it was closed: the node tries on, ever later, and says so.
#[test]
#[expect(clippy::disallowed_types, reason = "another program of the machine")]
fn a_port_that_cannot_be_had_is_tried_again() {
    let castor = Member::first("castor");
    castor.wait_served(&[(1, 1)]);
    castor.ctl(&["service", "stop", "clients"]);
    let thief = std::net::TcpListener::bind(castor.clients()).expect("the port is free");
    // Each time it is the outcome of an attempt, and not of the one before.
    for _again in 0..2 {
        let why = refused(&castor, &["service", "start", "clients"], 69);
        let words = "the service clients does not run: failed to listen on";
        assert!(why.contains(words), "{why}");
        assert!(why.contains("see which program has the port"), "{why}");
        assert!(why.contains("it is tried again by itself"), "{why}");
    }
    assert_eq!(service(&castor, "clients")["state"], "failed");
    castor.wait_said(&["service failed, is started again", "next=2s"]);
    drop(thief);
    wait_service(&castor, "clients", "running");
    castor.add_user("alice");
    castor.client("alice").close();
}

/// What it found under this name, as the verdict, the finding and the cure.
#[track_caller]
fn finding(member: &Member, name: &str) -> [Value; 3] {
    let text = member.ctl(&["self-test", "--json"]);
    let rows: Vec<Value> = serde_json::from_str(&text).expect("findings");
    let row = rows.iter().find(|row| row["name"] == name);
    let row = row.unwrap_or_else(|| panic!("nothing was found of {name}: {text}"));
    ["verdict", "found", "cure"].map(|field| row[field].clone())
}

#[test]
fn a_node_finds_what_is_wrong_with_it_and_with_the_others() {
    let [castor, mut pollux, _witness] = pair();
    for name in [
        "links to node 2 (pollux)",
        "links to node 3 (witness)",
        "version of node 2 (pollux)",
        "clock against node 3 (witness)",
        "address for nodes",
        "address for clients",
        "service clients",
        "service links",
        "flushes of the subcluster log",
        "certificate",
    ] {
        let [verdict, found, cure] = finding(&castor, name);
        assert_eq!(
            (verdict, cure),
            (json!("passed"), Value::Null),
            "{name}: {found}"
        );
    }
    castor.ctl(&["service", "stop", "clients-tls"]);
    let stopped = finding(&castor, "service clients-tls");
    let cure = "pollux ctl service start clients-tls";
    assert_eq!(
        stopped,
        [
            json!("warned"),
            json!("stopped, as its operator wants"),
            json!(cure)
        ]
    );
    pollux.kill();
    wait_for("the loss of the links to be found", || {
        let [verdict, ..] = finding(&castor, "links to node 2 (pollux)");
        (verdict == "failed").then_some(())
    });
    let table = castor.ctl(&["self-test"]);
    assert!(
        table.contains("FAILED  links to node 2 (pollux) "),
        "{table}"
    );
    assert!(table.contains("see whether the node runs"), "{table}");
}
