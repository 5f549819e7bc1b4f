//! The client library: a Python program by slixmpp, told what to do line by line.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::common::node::{DOMAIN, PASSWORD, TestNode};

/// How long anything may take that a client waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the module.
pub struct Library {
    child: Child,
    told: ChildStdin,
    said: Receiver<String>,
}

impl Library {
    /// Signs in with STARTTLS and stream management.
    #[track_caller]
    pub fn sign_in(node: &TestNode, user: &str) -> Library {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/library.py");
        let port = node.address().port().to_string();
        let mut child = Command::new("/usr/bin/python3")
            .arg(program)
            .args([format!("{user}@{DOMAIN}").as_str(), PASSWORD, &port])
            .arg(node.path("data/certificate.pem"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 with python3-slixmpp is installed");
        let told = child.stdin.take().expect("its input is ours");
        let output = child.stdout.take().expect("its output is ours");
        let (say, said) = sync_channel(1_000);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    return;
                }
            }
        });
        let library = Library { child, told, said };
        library.hears("ready");
        library
    }

    /// Waits until the client has said this; what else it says meanwhile is passed over.
    #[track_caller]
    pub fn hears(&self, wanted: &str) {
        let mut heard = Vec::new();
        loop {
            match self.said.recv_timeout(PATIENCE) {
                Ok(line) if line == wanted => return,
                Ok(line) => heard.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("waited for {wanted:?}, heard {heard:?}");
                }
            }
        }
    }

    #[track_caller]
    pub fn says(&mut self, to: &str, text: &str) {
        self.tell(&format!("send {to} {text}"));
    }

    /// The node is at this port now.
    #[track_caller]
    pub fn comes_back(&mut self, port: u16) {
        self.tell(&format!("port {port}"));
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.told, "{line}").expect("the client takes its input");
        self.told.flush().expect("the client takes its input");
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}
