//! The node as a service: what it tells a service manager, which is a socket here, and what
//! systemd's own tools think of the unit. Nothing is started by systemd.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::common::client::Client;
use crate::common::deadline::Deadline;
use crate::common::node::{Plaintext, TestNode};
use crate::common::program::{Process, pollux, run};

/// A service manager that hears one process.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    /// Waits until this was said.
    #[track_caller]
    fn hears(&mut self, expected: &str) {
        let deadline = Deadline::new();
        while !self.heard.iter().any(|said| said == expected) {
            let left = deadline.left();
            let left = left.unwrap_or_else(|| panic!("not {expected}: {:?}", self.heard));
            self.socket.set_read_timeout(Some(left)).expect("a time");
            self.hear();
        }
        self.heard.clear();
    }

    fn hear(&mut self) -> bool {
        let mut bytes = [0; 4_096];
        let Ok(count) = self.socket.recv(&mut bytes) else {
            return false;
        };
        let said = String::from_utf8_lossy(&bytes[..count]);
        self.heard.extend(said.lines().map(str::to_owned));
        true
    }

    /// Whether anything is said within this time.
    fn hears_anything(&mut self, within: Duration) -> bool {
        self.socket.set_read_timeout(Some(within)).expect("a time");
        self.hear()
    }
}

fn started(node: &TestNode, name: OsString) -> Process {
    let mut command = pollux(node.folder());
    command.arg("node").arg("--config").arg(node.settings());
    command
        .env("NOTIFY_SOCKET", name)
        .env("WATCHDOG_USEC", "400000");
    Process::start(&mut command, &node.path("log"))
}

fn life(node: &TestNode, mut manager: Manager, name: OsString) {
    let mut process = started(node, name);
    manager.hears("READY=1");
    manager.hears("STATUS=clients: 0");
    manager.hears("WATCHDOG=1");
    manager.hears("WATCHDOG=1");
    process.signal(Signal::TERM);
    manager.hears("STOPPING=1");
    assert!(process.wait().success());
    assert!(manager.heard.iter().all(|said| said != "READY=1"));
}

#[test]
fn a_node_says_when_it_is_ready_that_it_moves_and_that_it_stops() {
    let node = TestNode::prepare(Plaintext::Allowed);
    let path = node.path("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let heard = Vec::new();
    life(&node, Manager { socket, heard }, path.into());

    // Behind an @ it is in no file system.
    let name = format!("pollux-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let socket = UnixDatagram::bind_addr(&address).expect("a socket");
    let heard = Vec::new();
    life(&node, Manager { socket, heard }, format!("@{name}").into());
}

/// A manager ends a node that is not heard of; one that hangs is not.
#[test]
fn a_node_that_hangs_is_not_heard() {
    let mut node = TestNode::prepare(Plaintext::Allowed);
    let path = node.path("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let heard = Vec::new();
    let mut manager = Manager { socket, heard };
    // To have stood still is what others would warn of.
    node.announce("a thread has not moved in time");
    node.announce("lease has lapsed");
    let process = started(&node, path.into());
    manager.hears("READY=1");
    manager.hears("WATCHDOG=1");
    process.signal(Signal::STOP);
    // What was said before is heard first.
    while manager.hears_anything(Duration::from_millis(100)) {}
    assert!(!manager.hears_anything(Duration::from_secs(2)));
    process.signal(Signal::CONT);
    manager.hears("WATCHDOG=1");
}

#[test]
fn the_status_says_how_many_clients_there_are() {
    let mut node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    assert!(node.stop().success());
    let path = node.path("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let heard = Vec::new();
    let mut manager = Manager { socket, heard };
    let _process = started(&node, path.into());
    manager.hears("READY=1");
    let log = std::fs::read_to_string(node.path("log")).expect("a log");
    let address = crate::common::node::address_behind(&log, "client port is open");
    let _alice = Client::connect(address.expect("an open port"), "alice", Some("phone"));
    manager.hears("STATUS=clients: 1");
}

#[track_caller]
fn analyze(arguments: &[&str], unit: &Path) -> String {
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).arg(unit).env("SYSTEMD_PAGER", "");
    let output = command.output().expect("systemd-analyze is installed");
    let out = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {out}{errors}");
    format!("{out}{errors}")
}

/// Exposure as systemd counts it, from 0 to 10, times ten. A unit without any of this has 96.
const EXPOSURE_MAX: &str = "--threshold=16";

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let folder = tempfile::tempdir().expect("a folder");
    for (more, name) in [
        (&[][..], "pollux.service"),
        (&["--witness"], "pollux-witness.service"),
    ] {
        let printed = run(folder.path(), &[&["example-unit"], more].concat()).out;
        let what = if more.is_empty() { "node" } else { "witness" };
        assert!(printed.contains(&format!("/usr/local/bin/pollux {what} --config")));
        // The program is not installed here.
        let here = printed.replace("/usr/local/bin/pollux", env!("CARGO_BIN_EXE_pollux"));
        let here = here
            .replace("User=pollux", "User=root")
            .replace("Group=pollux", "Group=root");
        let unit = folder.path().join(name);
        std::fs::write(&unit, here).expect("a file");
        let said = analyze(&["verify"], &unit);
        let ours: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("pollux"))
            .collect();
        assert_eq!(ours, Vec::<&str>::new());
        std::fs::write(&unit, printed).expect("a file");
        analyze(
            &["security", "--offline=true", "--no-pager", EXPOSURE_MAX],
            &unit,
        );
    }
}
