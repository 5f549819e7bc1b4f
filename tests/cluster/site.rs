//! A cluster for one test: each member a process with a folder and ports of its own, joined by
//! tokens as an operator would.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::common::client::{Answers, Client};
use super::common::deadline::wait_for;
use super::common::node::{PASSWORD, address_behind};
use super::common::program::{Ended, Process, ended, pollux};
use super::common::stream::Event;
use super::ports::free_address;

/// One process of the cluster.
pub struct Member {
    folder: TempDir,
    pub name: &'static str,
    verb: &'static str,
    clients: SocketAddr,
    nodes: SocketAddr,
    /// What its process finds in its environment.
    environment: Vec<(&'static str, String)>,
    process: Option<Process>,
}

impl Member {
    /// A folder with settings and nothing else.
    #[track_caller]
    pub fn prepare(name: &'static str) -> Member {
        let folder = tempfile::Builder::new().prefix("pollux-").tempdir();
        let folder = folder.expect("a folder can be made");
        let (clients, nodes) = (free_address(), free_address());
        let settings = format!(
            "[node]\ndata_folder = \"data\"\nthreads = 1\n\n[xmpp]\ndomain = \"localhost\"\n\
             listen = \"{clients}\"\ndirect_tls_listen = \"127.0.0.1:0\"\n\
             allow_plaintext = true\n\n[cluster]\nlisten = \"{nodes}\"\n\
             name = \"{name}\"\n\n[control]\nsocket = \"control.sock\"\n\n[metrics]\n\
             listen = \"off\"\n"
        );
        fs::write(folder.path().join("pollux.toml"), settings).expect("settings can be written");
        let password = folder.path().join("password");
        fs::write(password, format!("{PASSWORD}\n")).expect("a password file");
        Member {
            folder,
            name,
            verb: "node",
            clients,
            nodes,
            environment: Vec::new(),
            process: None,
        }
    }

    /// The same at a site.
    #[track_caller]
    pub fn prepare_at(name: &'static str, site: &str) -> Member {
        let member = Member::prepare(name);
        let line = format!("name = \"{name}\"\n");
        member.change_setting(&line, &format!("{line}site = \"{site}\"\n"));
        member
    }

    /// The first node of a cluster, running.
    #[track_caller]
    pub fn first(name: &'static str) -> Member {
        Member::first_in(name, Vec::new())
    }

    /// As [`Member::first`], in an environment of its own.
    #[track_caller]
    pub fn first_in(name: &'static str, environment: Vec<(&'static str, String)>) -> Member {
        let mut member = Member::prepare(name);
        member.environment = environment;
        member.founds()
    }

    /// Makes a cluster of a prepared member, and starts it.
    #[track_caller]
    pub fn founds(mut self) -> Member {
        self.done(&["cluster", "init", "--config", "pollux.toml"]);
        self.begin();
        self
    }

    /// A node that this one has let in, running.
    #[track_caller]
    pub fn invite(&self, name: &'static str, more: &[&str]) -> Member {
        self.invite_prepared(Member::prepare(name), more)
    }

    /// The same with settings of its own.
    #[track_caller]
    pub fn invite_prepared(&self, mut member: Member, more: &[&str]) -> Member {
        let token = self.ctl(&[&["cluster", "invite"], more].concat());
        if more.contains(&"--witness") {
            member.verb = "witness";
        }
        let join = ["cluster", "join", token.trim(), "--config", "pollux.toml"];
        member.done(&join);
        member.begin();
        member
    }

    /// Starts the process, also again.
    #[track_caller]
    pub fn begin(&mut self) {
        let mut command = pollux(self.folder.path());
        command.args([self.verb, "--config", "pollux.toml"]);
        command.envs(self.environment.iter().cloned());
        let log = self.folder.path().join("log");
        self.process = Some(Process::start(&mut command, &log));
        wait_for("the control socket", || {
            let ended = self.process.as_mut().and_then(Process::end);
            assert!(ended.is_none(), "{} ended: {}", self.name, self.log());
            self.try_ctl(&["status"]).ok()
        });
    }

    /// kill -9.
    #[track_caller]
    pub fn kill(&mut self) {
        self.process.take().expect("the node runs").kill();
    }

    #[track_caller]
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Writes another line in place of one of the settings; for the next start.
    #[track_caller]
    pub fn change_setting(&self, line: &str, other: &str) {
        let path = self.folder.path().join("pollux.toml");
        let settings = fs::read_to_string(&path).expect("settings can be read");
        assert!(settings.contains(line), "{line}");
        fs::write(path, settings.replace(line, other)).expect("settings can be written");
    }

    /// Stops, and comes back at other ports.
    #[track_caller]
    pub fn move_elsewhere(&mut self) {
        self.stop();
        let (clients, nodes) = (free_address(), free_address());
        for (old, new) in [(self.clients, clients), (self.nodes, nodes)] {
            self.change_setting(
                &format!("listen = \"{old}\""),
                &format!("listen = \"{new}\""),
            );
        }
        (self.clients, self.nodes) = (clients, nodes);
        self.begin();
    }

    /// For the next start.
    pub fn set_environment(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    pub fn clients(&self) -> SocketAddr {
        self.clients
    }

    /// Where it takes clients that begin with TLS.
    #[track_caller]
    pub fn direct_tls(&self) -> SocketAddr {
        wait_for("the direct TLS port", || {
            address_behind(&self.log(), "direct TLS port is open")
        })
    }

    /// Its port between nodes.
    pub fn nodes(&self) -> SocketAddr {
        self.nodes
    }

    /// A file of its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Of its port for clients.
    pub fn certificate(&self) -> PathBuf {
        self.path("data/certificate.pem")
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let process = self.process.as_ref();
        process.expect("the node runs").signal(signal);
    }

    /// Starts a process that does not come up, and waits for its end. What it said of why.
    #[track_caller]
    pub fn fails_to_begin(&self, more: &[&str], code: i32) -> String {
        let log = self.path("failed");
        // Each time anew: what an earlier one said is not the answer.
        let _none_yet = fs::remove_file(&log);
        let mut command = pollux(self.folder.path());
        command
            .args([self.verb, "--config", "pollux.toml"])
            .args(more);
        // One that begins all the same is ended, and the test with it.
        let status = Process::start(&mut command, &log).wait();
        let said = fs::read_to_string(log).expect("it has said something");
        assert_eq!(status.code(), Some(code), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        said
    }

    /// Waits for a line of its log that has all of these in it.
    #[track_caller]
    pub fn wait_said(&self, parts: &[&str]) -> String {
        wait_for(&format!("{} to say {parts:?}", self.name), || {
            let log = self.log();
            let mut lines = log.lines();
            let line = lines.find(|line| parts.iter().all(|part| line.contains(part)));
            line.map(str::to_owned)
        })
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        ended(pollux(self.folder.path()).args(arguments))
    }

    #[track_caller]
    pub fn done(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.err);
        ended.out
    }

    fn try_ctl(&self, arguments: &[&str]) -> Result<String, String> {
        let head = ["ctl", "--config", "pollux.toml"];
        let ended = self.run(&[&head[..], arguments].concat());
        match ended.code {
            Some(0) => Ok(ended.out),
            _ => Err(ended.err),
        }
    }

    #[track_caller]
    pub fn ctl(&self, arguments: &[&str]) -> String {
        match self.try_ctl(arguments) {
            Ok(out) => out,
            Err(error) => panic!("{}: pollux ctl {arguments:?}: {error}", self.name),
        }
    }

    /// What it says to something that it does not do.
    #[track_caller]
    pub fn refused(&self, arguments: &[&str]) -> String {
        match self.try_ctl(arguments) {
            Ok(out) => panic!("{}: pollux ctl {arguments:?}: {out}", self.name),
            Err(error) => error,
        }
    }

    /// Sends all users home, as soon as the nodes that were away are there again.
    #[track_caller]
    pub fn fall_back(&self) {
        wait_for("the users to go home", || {
            self.try_ctl(&["subcluster", "fallback"]).ok()
        });
    }

    /// What `subcluster status` says.
    pub fn status(&self) -> Option<Value> {
        let text = self.try_ctl(&["subcluster", "status", "--json"]).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Waits until each of these homes is served by that node, as this one knows.
    #[track_caller]
    pub fn wait_served(&self, wanted: &[(u64, u64)]) {
        wait_for("the homes to be served", || {
            let status = self.status()?;
            let rows = status["homes"].as_array()?.clone();
            let serves = |home: u64, by: u64| {
                rows.iter()
                    .any(|row| row["home"] == home && row["serving"] == by)
            };
            wanted
                .iter()
                .all(|(home, by)| serves(*home, *by))
                .then_some(())
        });
    }

    #[track_caller]
    pub fn wait_protected(&self) {
        wait_for("the pair to be whole", || {
            (self.status()?["is_protected"] == true).then_some(())
        });
    }

    /// A user whose home this node is.
    #[track_caller]
    pub fn add_user(&self, name: &str) {
        self.ctl(&["user", "add", name, "--password-file", "password"]);
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A client that came to this node, available, with a session that may be resumed.
    #[track_caller]
    pub fn client(&self, account: &str) -> Client {
        let mut client = Client::connect(self.clients, account, Some("desk"));
        client.enable(true, Answers::Always);
        client.send("<presence/>");
        client
    }
}

impl Drop for Member {
    #[expect(clippy::print_stderr, reason = "the test's own output")]
    fn drop(&mut self) {
        self.process = None;
        if std::thread::panicking() {
            eprintln!("--- log of {} ---\n{}", self.name, self.log());
        }
    }
}

/// Castor, Pollux and their witness, whole, with high availability.
#[track_caller]
pub fn pair() -> [Member; 3] {
    pair_with(Member::first("castor"))
}

/// As [`pair`], with a Castor that is there already.
#[track_caller]
pub fn pair_with(castor: Member) -> [Member; 3] {
    pair_of(castor, Member::prepare("pollux"))
}

/// As [`pair_with`], with a prepared Pollux.
#[track_caller]
pub fn pair_of(castor: Member, pollux: Member) -> [Member; 3] {
    let pollux = castor.invite_prepared(pollux, &[]);
    let witness = castor.invite("witness", &["--witness"]);
    castor.wait_protected();
    castor.wait_served(&[(1, 1), (2, 2)]);
    castor.ctl(&["subcluster", "ha", "on"]);
    [castor, pollux, witness]
}

/// A chat message from one to another, acknowledged.
#[track_caller]
pub fn say(from: &mut Client, to: &str, body: &str) {
    from.send(&format!(
        "<message type='chat' to='{to}@localhost' id='{body}'><body>{body}</body></message>"
    ));
    from.all_acknowledged();
}

/// The next message, which must be this one.
#[track_caller]
pub fn hear(client: &mut Client, body: &str) {
    loop {
        match client.next() {
            Event::Element(element) if element.name() == "message" => {
                assert_eq!(element.attribute("type"), Some("chat"), "{body}");
                assert_eq!(element.attribute("id"), Some(body));
                return;
            }
            Event::Element(_) => {}
            other => panic!("{} waited for {body}: {other:?}", client.account),
        }
    }
}
