//! A node of its own for one test: an empty folder, free ports, users by `pollux ctl`, and a log
//! that must hold no warning which the test has not announced.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use rustix::process::Signal;
use tempfile::TempDir;

use super::deadline::wait_for;
use super::program::{Ended, Process, ended, pollux, run};

/// What all test users have.
pub const PASSWORD: &str = "correct horse 9";
pub const DOMAIN: &str = "localhost";

/// Whether clients may sign in without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    Allowed,
    Refused,
}

/// See the module.
pub struct TestNode {
    folder: TempDir,
    process: Option<Process>,
    /// Where the log of the running process begins.
    log_begin: usize,
    announced: Vec<String>,
    address: Option<SocketAddr>,
    direct_tls_address: Option<SocketAddr>,
}

impl TestNode {
    /// A node that runs.
    #[track_caller]
    pub fn start(plaintext: Plaintext) -> TestNode {
        let mut node = TestNode::prepare(plaintext);
        node.begin();
        node
    }

    /// A folder with a configuration and nothing else.
    #[track_caller]
    pub fn prepare(plaintext: Plaintext) -> TestNode {
        let folder = tempfile::Builder::new().prefix("pollux-").tempdir();
        let node = TestNode {
            folder: folder.expect("a folder can be made"),
            process: None,
            log_begin: 0,
            announced: Vec::new(),
            address: None,
            direct_tls_address: None,
        };
        let plaintext = plaintext == Plaintext::Allowed;
        let settings = format!(
            "[node]\ndata_folder = \"data\"\nthreads = 2\n\n[xmpp]\ndomain = \"{DOMAIN}\"\n\
             listen = \"127.0.0.1:0\"\ndirect_tls_listen = \"127.0.0.1:0\"\n\
             allow_plaintext = {plaintext}\n\n[control]\n\
             socket = \"control.sock\"\n\n[metrics]\nlisten = \"off\"\n"
        );
        fs::write(node.settings(), settings).expect("the settings can be written");
        fs::write(node.password_file(), format!("{PASSWORD}\n")).expect("a password file");
        node
    }

    /// More settings, before it begins.
    #[track_caller]
    pub fn set(&self, more: &str) {
        let settings = fs::read_to_string(self.settings()).expect("the settings can be read");
        fs::write(self.settings(), format!("{settings}\n{more}\n"))
            .expect("the settings can be written");
    }

    /// Starts the process, also again.
    #[track_caller]
    pub fn begin(&mut self) {
        self.begin_with(&[]);
    }

    /// As [`TestNode::begin`], with more on the command line.
    #[track_caller]
    pub fn begin_with(&mut self, arguments: &[&str]) {
        self.launch(arguments);
        let (address, direct) = wait_for("the node's client ports", || {
            let ended = self.process.as_mut().and_then(Process::end);
            assert!(ended.is_none(), "the node ended: {ended:?}");
            // The control socket is the last to open: behind it everything stands.
            UnixStream::connect(self.path("control.sock")).ok()?;
            let log = self.log();
            let log = log.get(self.log_begin..)?;
            let address = address_behind(log, "client port is open")?;
            Some((address, address_behind(log, "direct TLS port is open")?))
        });
        self.address = Some(address);
        self.direct_tls_address = Some(direct);
    }

    /// Starts the process and does not wait for anything.
    #[track_caller]
    pub fn launch(&mut self, arguments: &[&str]) {
        assert!(self.process.is_none(), "the node runs already");
        self.log_begin = self.log().len();
        let mut command = pollux(self.folder.path());
        command
            .arg("node")
            .arg("--config")
            .arg(self.settings())
            .args(arguments);
        self.process = Some(Process::start(&mut command, &self.log_path()));
    }

    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.address.expect("the node has run")
    }

    /// Of the port on which a stream begins with TLS.
    #[track_caller]
    pub fn direct_tls_address(&self) -> SocketAddr {
        self.direct_tls_address.expect("the node has run")
    }

    #[track_caller]
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("the node runs").id()
    }

    /// kill -9.
    #[track_caller]
    pub fn kill(&mut self) {
        self.process.take().expect("the node runs").kill();
    }

    /// SIGTERM, and how it ended.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the node runs");
        process.signal(Signal::TERM);
        process.wait()
    }

    /// Waits for an end that comes by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        self.process.take().expect("the node runs").wait()
    }

    /// Runs `pollux ctl` against this node.
    #[track_caller]
    pub fn ctl(&self, arguments: &[&str]) -> Ended {
        let mut command = pollux(self.folder.path());
        ended(
            command
                .arg("ctl")
                .arg("--config")
                .arg(self.settings())
                .args(arguments),
        )
    }

    /// As [`TestNode::ctl`], and it must succeed.
    #[track_caller]
    pub fn ctl_done(&self, arguments: &[&str]) -> String {
        let ended = self.ctl(arguments);
        assert_eq!(
            ended.code,
            Some(0),
            "pollux ctl {arguments:?}: {}",
            ended.err
        );
        ended.out
    }

    /// What the process has in memory of its own, by the kernel's count: its program is shared with
    /// nodes of other tests, and counts for more when they end.
    #[track_caller]
    pub fn memory_kib(&self) -> u64 {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id()));
        let rollup = rollup.expect("the kernel tells");
        let line = rollup
            .lines()
            .find_map(|line| line.strip_prefix("Pss_Anon:"));
        let value = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let value = value.and_then(|value| value.trim().parse().ok());
        value.expect("a number of KiB")
    }

    /// What the node measures under this name; nothing where it does not.
    #[track_caller]
    pub fn figure(&self, name: &str) -> Option<u64> {
        let text = self.ctl_done(&["statistics", "--json"]);
        let figures: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        figures.get(name)?.as_u64()
    }

    /// Sets settings of the cluster, each as `name=value`.
    #[track_caller]
    pub fn set_cluster(&self, settings: &[&str]) {
        self.ctl_done(&[&["settings", "set"], settings].concat());
    }

    #[track_caller]
    pub fn add_user(&self, name: &str) {
        let file = self.password_file();
        let file = file.to_str().expect("the folder has a plain name");
        self.ctl_done(&["user", "add", name, "--password-file", file]);
    }

    /// Runs another command of the program in the node's folder.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ended {
        run(self.folder.path(), arguments)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn settings(&self) -> PathBuf {
        self.path("pollux.toml")
    }

    pub fn password_file(&self) -> PathBuf {
        self.path("password")
    }

    fn log_path(&self) -> PathBuf {
        self.path("log")
    }

    /// All that its processes have said.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What the process said that was started last.
    pub fn log_of_last_run(&self) -> String {
        self.log().split_off(self.log_begin)
    }

    /// A warning or an error that contains this phrase is what the test is about.
    pub fn announce(&mut self, phrase: &str) {
        self.announced.push(phrase.to_owned());
    }

    /// The lines of the log that nobody has announced.
    fn surprises(&self) -> Vec<String> {
        let log = self.log();
        let loud = log.lines().filter(|line| {
            let level = line.split_whitespace().nth(1);
            matches!(level, Some("WARN" | "ERROR")) || line.contains("panicked at")
        });
        let known = |line: &&str| !self.announced.iter().any(|phrase| line.contains(phrase));
        loud.filter(known).map(str::to_owned).collect()
    }
}

/// The address that the last line with this phrase names.
pub fn address_behind(log: &str, phrase: &str) -> Option<SocketAddr> {
    let (_, rest) = log.rsplit_once(phrase)?;
    let (_, rest) = rest.split_once("address=")?;
    rest.split_whitespace().next()?.parse().ok()
}

impl Drop for TestNode {
    #[expect(clippy::print_stderr, reason = "the test's own output")]
    fn drop(&mut self) {
        // Ended first, so that its last words are in the log.
        self.process = None;
        if std::thread::panicking() {
            eprintln!(
                "--- log of the node ---\n{}--- end of the log ---",
                self.log()
            );
            return;
        }
        let surprises = self.surprises();
        assert!(
            surprises.is_empty(),
            "the node logged what nobody announced:\n{}\n--- log of the node ---\n{}",
            surprises.join("\n"),
            self.log(),
        );
    }
}
