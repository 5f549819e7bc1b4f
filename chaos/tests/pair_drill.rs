//! The promise of a pair on real processes: twenty clients chat while the node that serves them is
//! killed, killed and started again at once, and relieved by an operator; nothing acknowledged is
//! lost, nothing is said twice or out of order, nobody is shown gone. Times are not judged here:
//! see `cargo xtask drill`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn kill_active() {
    drill("kill-active", 2);
}

#[test]
fn restart_at_once() {
    drill("restart-200", 1);
}

#[test]
fn planned_failover_and_fallback() {
    drill("planned", 1);
}

#[test]
fn a_service_is_stopped_and_started() {
    drill("service-down", 1);
}

/// Few, so that it takes seconds: how soon they are back is not judged here.
#[test]
fn those_who_come_back_at_once_all_come_in() {
    let few = [
        "--storm-users",
        "60",
        "--storm-sessions",
        "3",
        "--pairs",
        "10",
    ];
    let (report, words) = run("storm-after-takeover", &few);
    assert_eq!(report[0]["sessions"], 180, "{words}");
    assert_eq!(report[0]["resumed"], 120, "{words}");
    assert_eq!(report[0]["signed_in"], 60, "{words}");
    for promise in ["lost", "twice", "not_resumed", "never_back"] {
        assert_eq!(report[0][promise], 0, "{promise}: {words}");
    }
}

/// Ends well; its report and what it said.
fn run(name: &str, more: &[&str]) -> (Value, String) {
    let drill = Path::new(env!("CARGO_BIN_EXE_pollux-drill"));
    let pollux = drill.with_file_name("pollux");
    assert!(
        pollux.exists(),
        "{} is missing: cargo build --bin pollux",
        pollux.display()
    );
    let drilled = Command::new(drill)
        .args([name, "--no-bounds", "--json", "--quiet"])
        .args(more)
        .arg("--pollux")
        .arg(&pollux)
        .output()
        .expect("pollux-drill starts");
    let report = String::from_utf8_lossy(&drilled.stdout);
    let words = String::from_utf8_lossy(&drilled.stderr).into_owned();
    assert!(drilled.status.success(), "{words}\n{report}");
    let report = serde_json::from_str(&report).expect("the report is JSON");
    (report, words)
}

fn drill(name: &str, runs: usize) {
    let count = runs.to_string();
    let few = ["--runs", &count, "--pairs", "10", "--rate", "50"];
    let (report, words) = run(name, &few);
    let found = report[0]["runs"].as_array().expect("a report has runs");
    assert_eq!(found.len(), runs, "{words}");
    for run in found {
        let verdict = &run["verdict"];
        for promise in [
            "lost",
            "twice",
            "out_of_order",
            "h_backwards",
            "h_ahead",
            "not_resumed",
        ] {
            assert_eq!(verdict[promise], 0, "{promise}: {words}");
        }
        assert_eq!(run["false_unavailable"], 0, "{words}");
        assert_eq!(run["ghosts"], 0, "{words}");
        // A drill in which nobody came back proves nothing.
        assert!(run["recovery"]["returns"].as_u64() >= Some(20), "{words}");
    }
}
