//! `pollux demo` as a person runs it: a pair that comes to life, loses a node, and leaves nothing
//! behind.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::common::deadline::wait_for;
use super::common::program::{Process, ended, pollux};
use super::ports;

/// The demo makes its folder where temporary ones are made.
fn is_empty(folder: &Path) -> bool {
    let entries = fs::read_dir(folder.join("tmp")).expect("the folder is there");
    entries.count() == 0
}

fn place() -> TempDir {
    let folder = tempfile::Builder::new().prefix("pollux-").tempdir();
    let folder = folder.expect("a folder can be made");
    fs::create_dir(folder.path().join("tmp")).expect("a folder can be made");
    folder
}

#[test]
fn a_demo_outlives_a_node_and_leaves_nothing_behind() {
    let place = place();
    let folder = place.path();
    let mut command = pollux(folder);
    command.args(["demo", "--port", &ports::row(9).to_string()]);
    command.env("TMPDIR", folder.join("tmp"));
    let log = folder.join("log");
    let mut demo = Process::start(&mut command, &log);
    let said = |what: &str| {
        wait_for(what, || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            text.contains(what).then_some(text)
        })
    };
    said("castor's users: castor · pollux's users: pollux");
    let text = said("# witness");
    let line = text.lines().find(|line| line.ends_with("# castor"));
    let line = line.expect("the demo says how to kill castor");
    let words: Vec<&str> = line.split_whitespace().collect();
    let castor = words[2].parse().ok().and_then(Pid::from_raw);
    kill_process(castor.expect("a number"), Signal::KILL).expect("castor lives");
    said("castor's users: pollux · pollux's users: pollux");
    demo.signal(Signal::INT);
    assert!(demo.wait().success(), "{}", said("The demo ends."));
    assert!(is_empty(folder));
}

#[test]
#[expect(clippy::disallowed_types, reason = "somebody else's port")]
fn a_demo_whose_port_is_taken_says_so_and_leaves_nothing_behind() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = taken.local_addr().expect("it is bound").port();
    let place = place();
    let folder = place.path();
    let mut command = pollux(folder);
    command.args(["demo", "--port", &port.to_string()]);
    command.env("TMPDIR", folder.join("tmp"));
    let ended = ended(&mut command);
    assert_ne!(ended.code, Some(0));
    assert!(ended.err.contains("is taken"), "{}", ended.err);
    assert!(is_empty(folder));
}
