//! The built program `pollux` as a server under test: its own folder, its own file, users by
//! `pollux ctl`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use tempfile::TempDir;

use super::certificate::Certificate;
use super::free_port::free_port;
use super::process::Process;
use super::{DOMAIN, Mode, Server, Users};

/// Users are added by so many commands at one time.
const COMMANDS_AT_ONCE: usize = 4;

pub struct Pollux {
    program: PathBuf,
    folder: TempDir,
    certificate: Certificate,
    address: SocketAddr,
    metrics: SocketAddr,
    process: Option<Process>,
}

impl Pollux {
    /// `program` is the built binary; `threads` is how many it may use, its default where 0.
    pub fn new(program: &Path, threads: usize) -> anyhow::Result<Self> {
        Self::in_mode(program, threads, Mode::default())
    }

    pub fn in_mode(program: &Path, threads: usize, mode: Mode) -> anyhow::Result<Self> {
        let program = fs::canonicalize(program);
        let program =
            program.context("find the program: cargo build --release, then --pollux PATH")?;
        let folder = tempfile::Builder::new().prefix("pollux-").tempdir();
        let folder = folder.context("make a folder for Pollux")?;
        let certificate = Certificate::make(folder.path(), DOMAIN)?;
        let (address, metrics) = (free_port()?, free_port()?);
        let pollux = Pollux {
            program,
            folder,
            certificate,
            address,
            metrics,
            process: None,
        };
        fs::write(
            pollux.configuration_path(),
            pollux.configuration(threads, mode),
        )
        .context("write pollux.toml")?;
        Ok(pollux)
    }

    /// Where the node serves its numbers.
    pub fn metrics(&self) -> SocketAddr {
        self.metrics
    }

    /// Runs `pollux ctl …` against the node and returns what it printed.
    pub fn ctl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.program);
        command
            .arg("ctl")
            .arg("--socket")
            .arg(self.socket())
            .args(arguments);
        let output = command.output().context("run pollux ctl")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "pollux ctl {} ended with {}: {}",
                arguments.join(" "),
                output.status,
                said.trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn configuration_path(&self) -> PathBuf {
        self.folder.path().join("pollux.toml")
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    fn configuration(&self, threads: usize, mode: Mode) -> String {
        let threads = match threads {
            0 => String::new(),
            threads => format!("threads = {threads}\n"),
        };
        format!(
            "[node]\nid = 1\ndata_folder = \"data\"\n{threads}\n\
             [xmpp]\ndomain = \"{DOMAIN}\"\nlisten = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n\
             direct_tls_listen = \"off\"\n\
             allow_plaintext = true\n\n{}[control]\nsocket = \"{}\"\n\n[metrics]\n\
             listen = \"{}\"\n\n\
             [log]\nfilter = \"warn\"\n",
            self.address,
            self.certificate.certificate_path.display(),
            self.certificate.key_path.display(),
            mode.settings(),
            self.socket().display(),
            self.metrics,
        )
    }
}

impl Server for Pollux {
    fn name(&self) -> &'static str {
        "pollux"
    }

    fn start(&mut self) -> anyhow::Result<()> {
        if self.process.is_some() {
            bail!("Pollux runs already");
        }
        let mut command = Command::new(&self.program);
        command
            .arg("node")
            .arg("--config")
            .arg(self.configuration_path());
        command.current_dir(self.folder.path());
        let mut process = Process::start(&mut command, &self.folder.path().join("output"))?;
        process.wait_for(self.address).context("start Pollux")?;
        self.process = Some(process);
        Ok(())
    }

    fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn add_users(&mut self, users: &Users) -> anyhow::Result<()> {
        let password_path = self.folder.path().join("password");
        fs::write(&password_path, format!("{}\n", users.password)).context("write the password")?;
        let password_file = password_path.to_string_lossy().into_owned();
        let this = &*self;
        let add = |lane: usize| {
            for index in (lane..users.count).step_by(COMMANDS_AT_ONCE) {
                let name = users.name(index);
                this.ctl(&["user", "add", &name, "--password-file", &password_file])?;
            }
            anyhow::Ok(())
        };
        std::thread::scope(|scope| {
            let lanes: Vec<_> = (0..COMMANDS_AT_ONCE)
                .map(|lane| scope.spawn(move || add(lane)))
                .collect();
            lanes.into_iter().try_for_each(|lane| {
                let added = lane.join().ok().context("adding users panicked")?;
                added.context("add users")
            })
        })
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        self.process
            .take()
            .map_or(Ok(()), Process::stop)
            .context("stop Pollux")
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        self.process
            .take()
            .map_or(Ok(()), Process::kill)
            .context("kill Pollux")
    }
}
