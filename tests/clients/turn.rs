//! An unmodified TURN server, coturn, and its own client, which relays through it with what Pollux
//! has given (XEP-0215 section 3.3). All on loopback.

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use crate::common::deadline::wait_for;
use crate::common::node::DOMAIN;
use crate::common::program::{Process, ended};

/// The server, as long as this lives.
pub struct TurnServer {
    _process: Process,
    pub port: u16,
}

impl TurnServer {
    /// One that shares `secret` with the cluster.
    #[track_caller]
    pub fn start(folder: &Path, secret: &str) -> TurnServer {
        let port = free_port();
        let mut command = Command::new("/usr/bin/turnserver");
        command.current_dir(folder).args([
            // No file of the machine's.
            "-n",
            "--listening-ip=127.0.0.1",
            "--relay-ip=127.0.0.1",
            "--allow-loopback-peers",
            "--use-auth-secret",
            "--no-cli",
            "--no-tls",
            "--no-dtls",
            "--log-file=stdout",
            "--pidfile=turn.pid",
            "--userdb=turn.db",
        ]);
        command.arg(format!("--listening-port={port}"));
        command.arg(format!("--realm={DOMAIN}"));
        command.arg(format!("--static-auth-secret={secret}"));
        let process = Process::start(&mut command, &folder.join("turn.log"));
        let server = TurnServer {
            _process: process,
            port,
        };
        wait_for("the TURN server's port", || {
            // Bound by another: it is there.
            UdpSocket::bind(("127.0.0.1", port)).is_err().then_some(())
        });
        server
    }

    /// Whether a client that has these credentials can have its octets relayed.
    #[track_caller]
    pub fn relays(&self, username: &str, password: &str) -> bool {
        let mut command = Command::new("/usr/bin/turnutils_uclient");
        // Two clients of its own talk through the relay, a few messages.
        command.args(["-y", "-n", "3", "-m", "1", "-u", username, "-w", password]);
        command.arg(format!("-p{}", self.port)).arg("127.0.0.1");
        let ended = ended(&mut command);
        let lost = ended.out.contains("Total lost packets 0 ");
        ended.code == Some(0) && lost
    }
}

#[track_caller]
fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("its address").port()
}
