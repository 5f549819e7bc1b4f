//! One of the three processes of a pair: its folder, its configuration, its commands.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use rustix::process::Signal;

use super::super::free_port::wait_until;
use super::super::process::{Process, START_LIMIT};
use super::super::{Certificate, Mode};
use super::disk::Disk;
use super::ground::Ground;

/// What a station is started as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Node,
    Witness,
}

pub struct Station {
    pub name: &'static str,
    pub role: Role,
    index: usize,
    folder: PathBuf,
    program: PathBuf,
    client_address: SocketAddr,
    pub disk: Option<Disk>,
    process: Option<Process>,
}

/// What all stations of a pair have in common.
pub struct Common<'a> {
    pub program: &'a Path,
    pub folder: &'a Path,
    pub ground: &'a Ground,
    pub certificate: &'a Certificate,
    /// Whether each has a disk of its own.
    pub disks: bool,
    pub snapshot_entries: Option<u64>,
    pub mode: Mode,
}

impl Station {
    pub fn make(
        common: &Common<'_>,
        index: usize,
        name: &'static str,
        role: Role,
    ) -> anyhow::Result<Self> {
        let folder = common.folder.join(name);
        fs::create_dir_all(&folder).context("make a folder for a node")?;
        let disk = common.disks.then(|| Disk::make(&folder)).transpose()?;
        let station = Station {
            name,
            role,
            index,
            folder,
            program: common.program.to_owned(),
            client_address: common.ground.client_address(index),
            disk,
            process: None,
        };
        let data = station.data();
        let entries = common.snapshot_entries;
        let snapshots = entries.map_or(String::new(), |entries| {
            format!("snapshot_entries = {entries}\n")
        });
        let text = format!(
            "[node]\nid = {}\ndata_folder = \"{}\"\n\n[xmpp]\nlisten = \"{}\"\n\
             direct_tls_listen = \"off\"\n\
             certificate = \"{}\"\nkey = \"{}\"\nallow_plaintext = true\n\n\
             [cluster]\nlisten = \"{}\"\nname = \"{name}\"\n{snapshots}\n\
             {}[control]\nsocket = \"{}\"\n\n\
             [metrics]\nlisten = \"off\"\n\n[log]\nfilter = \"info,openraft=off\"\n",
            station.node(),
            data.display(),
            station.client_address,
            common.certificate.certificate_path.display(),
            common.certificate.key_path.display(),
            common.ground.node_address(index),
            common.mode.settings(),
            station.socket().display(),
        );
        fs::write(station.configuration(), text).context("write pollux.toml")?;
        Ok(station)
    }

    /// The number of the node.
    pub fn node(&self) -> u16 {
        self.index as u16 + 1
    }

    /// Where clients connect.
    pub fn client_address(&self) -> SocketAddr {
        self.client_address
    }

    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("output")
    }

    fn data(&self) -> PathBuf {
        match &self.disk {
            Some(disk) => disk.folder().join("data"),
            None => self.folder.join("data"),
        }
    }

    /// The machine was lost: nothing is on the disk of the one that takes its place.
    pub fn forget(&self) -> anyhow::Result<()> {
        if self.process.is_some() {
            bail!("{} runs", self.name);
        }
        fs::remove_dir_all(self.data()).context("empty the folder of a node")
    }

    /// What it has kept of the format of its cluster is another one.
    pub fn forget_format(&self, heard: u16, instead: u16) -> anyhow::Result<()> {
        let path = self.data().join("cluster/membership.json");
        let text = fs::read_to_string(&path).context("read a membership")?;
        let line = |format: u16| format!("\"format\": {format}");
        if !text.contains(&line(heard)) {
            bail!("{} has not kept that the format is {heard}", self.name);
        }
        let text = text.replace(&line(heard), &line(instead));
        fs::write(&path, text).context("write a membership")
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("pollux.toml")
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("control.sock")
    }

    /// `pollux cluster …`, before the node runs.
    pub fn cluster(&self, ground: &Ground, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = ground.command(self.index, &self.program);
        command.arg("cluster").args(arguments);
        command.arg("--config").arg(self.configuration());
        output_of(&mut command).map(drop)
    }

    /// `pollux ctl …`: what it printed.
    pub fn ctl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.program);
        command.arg("ctl").arg("--socket").arg(self.socket());
        output_of(command.args(arguments))
    }

    /// From the next start on it runs this.
    pub fn install(&mut self, program: &Path) {
        self.program = program.to_owned();
    }

    /// Starts the process, which is to end by itself: its exit code, and what it said.
    pub fn fails_to_start(&mut self, ground: &Ground) -> anyhow::Result<(Option<i32>, String)> {
        let before = fs::read_to_string(self.log()).unwrap_or_default().len();
        self.spawn(ground)?;
        let mut process = self.process.take().context("it was started")?;
        let ended = process.wait_end(START_LIMIT)?;
        let status = ended.with_context(|| format!("{} runs on", self.name))?;
        let mut said = fs::read_to_string(self.log()).context("read what it said")?;
        Ok((status.code(), said.split_off(before)))
    }

    /// The same, without waiting for what it says.
    pub fn begin_ctl(&self, arguments: &[&str]) -> anyhow::Result<Child> {
        let mut command = Command::new(&self.program);
        command.arg("ctl").arg("--socket").arg(self.socket());
        command.args(arguments).stdout(Stdio::null());
        command.stderr(Stdio::null());
        command.spawn().context("run pollux")
    }

    /// Starts the process; does not wait for anything.
    pub fn spawn(&mut self, ground: &Ground) -> anyhow::Result<()> {
        if self.process.is_some() {
            bail!("{} runs already", self.name);
        }
        let mut command = ground.command(self.index, &self.program);
        command.arg(match self.role {
            Role::Node => "node",
            Role::Witness => "witness",
        });
        command.arg("--config").arg(self.configuration());
        let process = Process::start(&mut command, &self.log());
        self.process = Some(process.with_context(|| format!("start {}", self.name))?);
        Ok(())
    }

    /// Starts the process and waits until it answers.
    pub fn start(&mut self, ground: &Ground) -> anyhow::Result<()> {
        self.spawn(ground)?;
        self.wait_answers()
    }

    pub fn wait_answers(&mut self) -> anyhow::Result<()> {
        let answers = wait_until(START_LIMIT, || {
            if let Some(process) = &mut self.process {
                process.check()?;
            }
            Ok(self.ctl(&["status"]).is_ok())
        })?;
        if !answers {
            bail!(
                "{} does not answer {START_LIMIT:?} after its start",
                self.name
            );
        }
        Ok(())
    }

    pub fn kill(&mut self) -> anyhow::Result<()> {
        let process = self.process.take();
        let killed = process.map_or(Ok(()), Process::kill);
        killed.with_context(|| format!("kill {}", self.name))
    }

    pub fn stop(&mut self) -> anyhow::Result<()> {
        let process = self.process.take();
        let stopped = process.map_or(Ok(()), Process::stop);
        stopped.with_context(|| format!("stop {}", self.name))
    }

    /// SIGSTOP and SIGCONT, by its id.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let process = self.process.as_ref();
        let process = process.with_context(|| format!("{} does not run", self.name))?;
        process.signal(signal)
    }

    pub fn disk(&mut self) -> anyhow::Result<&mut Disk> {
        self.disk
            .as_mut()
            .context("the pair has no disks of its own")
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        // One that writes to a frozen disk cannot end: the disk first.
        if let Some(disk) = &mut self.disk {
            let _ = disk.thaw();
        }
        self.process.take();
    }
}

fn output_of(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().context("run pollux")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
