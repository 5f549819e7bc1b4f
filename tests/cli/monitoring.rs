//! Metrics, alert rules and the dashboard, as Prometheus and the book see them. The rules are tried
//! with figures that raise each of them (alerts_test.yml).

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::node::{Plaintext, TestNode};
use crate::ports;

const RULES: &str = include_str!("../../docs/monitoring/alerts.yml");
const CASES: &str = include_str!("alerts_test.yml");
const DASHBOARD: &str = include_str!("../../docs/monitoring/dashboard.json");
const PAGE: &str = include_str!("../../docs/monitoring.md");
const METRICS: &str = include_str!("../../docs/reference/metrics.md");

/// Runs Prometheus' own tool. Returns whether it is content, and what it says.
#[track_caller]
fn promtool(folder: &Path, arguments: &[&str], input: &str) -> (bool, String) {
    let mut tool = Command::new("promtool");
    tool.args(arguments).current_dir(folder);
    tool.stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = tool.spawn().expect("promtool is installed");
    let mut stdin = child.stdin.take().expect("an input");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = said + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

/// What a monitor gets.
#[track_caller]
#[expect(clippy::disallowed_types, reason = "a monitor outside of the node")]
fn metrics(port: u16) -> String {
    let stream = std::net::TcpStream::connect(("127.0.0.1", port));
    let mut stream = stream.expect("an open port");
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    body.to_owned()
}

#[test]
fn prometheus_reads_what_a_node_measures() {
    let mut node = TestNode::prepare(Plaintext::Allowed);
    let port = ports::row(1);
    let settings = fs::read_to_string(node.settings()).expect("settings");
    let off = "[metrics]\nlisten = \"off\"";
    assert!(settings.contains(off), "{settings}");
    let on = format!("[metrics]\nlisten = \"127.0.0.1:{port}\"");
    fs::write(node.settings(), settings.replace(off, &on)).expect("settings");
    node.begin();
    node.add_user("alice");
    let text = metrics(port);
    let (_, said) = promtool(node.folder(), &["check", "metrics"], &text);
    // It would have seconds for all times. Ours are said in whole numbers elsewhere, too.
    let units = "metric names should not contain abbreviated units";
    let others: Vec<&str> = said
        .lines()
        .filter(|line| !line.is_empty() && !line.ends_with(units))
        .collect();
    assert_eq!(others, Vec::<&str>::new());
    for name in [
        "process_cpu_seconds_total",
        "pollux_disk_free_bytes",
        "pollux_raft_leads{group=\"subcluster\"} 1",
        "pollux_log_flush_ms_count{group=\"subcluster\"}",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
}

#[test]
fn each_alert_is_raised_by_its_cause_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("alerts.yml"), RULES).expect("a file");
    fs::write(folder.path().join("cases.yml"), CASES).expect("a file");
    for arguments in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "cases.yml"],
    ] {
        let (content, said) = promtool(folder.path(), &arguments, "");
        assert!(content, "{arguments:?}: {said}");
    }
    for alert in alerts() {
        assert!(
            CASES.contains(&format!("alertname=\"{alert}\"")),
            "{alert} is not tried"
        );
        assert!(
            PAGE.contains(&format!("## {alert}\n")),
            "the book does not say what to do about {alert}"
        );
    }
}

fn alerts() -> Vec<&'static str> {
    let lines = RULES.lines();
    let names = lines.filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.collect()
}

#[test]
fn rules_and_dashboard_name_what_there_is() {
    serde_json::from_str::<serde_json::Value>(DASHBOARD).expect("JSON");
    let known: BTreeSet<&str> = METRICS
        .split('`')
        .filter(|word| word.starts_with("pollux_") || word.starts_with("process_"))
        .collect();
    for text in [RULES, DASHBOARD] {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let names =
            words.filter(|word| word.starts_with("pollux_") || word.starts_with("process_"));
        for name in names {
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(known.contains(name), "nothing is measured as {name}");
        }
    }
}
