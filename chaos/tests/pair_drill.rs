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

fn drill(name: &str, runs: usize) {
    let drill = Path::new(env!("CARGO_BIN_EXE_pollux-drill"));
    let pollux = drill.with_file_name("pollux");
    assert!(
        pollux.exists(),
        "{} is missing: cargo build --bin pollux",
        pollux.display()
    );
    let count = runs.to_string();
    let arguments = [
        name,
        "--runs",
        &count,
        "--pairs",
        "10",
        "--rate",
        "50",
        "--no-bounds",
        "--json",
        "--quiet",
    ];
    let drilled = Command::new(drill)
        .args(arguments)
        .arg("--pollux")
        .arg(&pollux)
        .output()
        .expect("pollux-drill starts");
    let report = String::from_utf8_lossy(&drilled.stdout);
    let words = String::from_utf8_lossy(&drilled.stderr);
    assert!(drilled.status.success(), "{words}\n{report}");
    let report: Value = serde_json::from_str(&report).expect("the report is JSON");
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
