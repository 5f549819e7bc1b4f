//! One child process: started with its output in a file, ended by its own id only, never left
//! behind.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::free_port::{answers, wait_until};

pub const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How much of its output is shown when a process fails.
const SHOWN_LINES: usize = 20;

#[derive(Debug)]
pub struct Process {
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Starts `command` with its output appended to the file `output`.
    pub fn start(command: &mut Command, output: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(output);
        let file = file.with_context(|| format!("open {}", output.display()))?;
        let errors = file.try_clone().context("share the output file")?;
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .spawn()
            .with_context(|| format!("start {program}"))?;
        Ok(Process {
            child,
            output: output.to_owned(),
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until somebody listens on `address`, or says with what words the process ended.
    pub fn wait_for(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let listens = wait_until(START_LIMIT, || {
            if let Some(status) = self.child.try_wait().context("look at the process")? {
                bail!(
                    "ended with {status} before it listened:\n{}",
                    self.last_words()
                );
            }
            Ok(answers(address))
        })?;
        if !listens {
            bail!(
                "does not listen on {address} after {START_LIMIT:?}:\n{}",
                self.last_words()
            );
        }
        Ok(())
    }

    /// Says with what words the process ended, if it has.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait().context("look at the process")? {
            None => Ok(()),
            Some(status) => bail!("ended with {status}:\n{}", self.last_words()),
        }
    }

    /// Waits until it has ended by itself; none: it goes on.
    pub fn wait_end(&mut self, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let mut ended = None;
        wait_until(limit, || {
            ended = self.child.try_wait().context("look at the process")?;
            Ok(ended.is_some())
        })?;
        Ok(ended)
    }

    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(self.id()?, signal).context("send a signal")
    }

    /// SIGTERM, then its end.
    pub fn stop(mut self) -> anyhow::Result<()> {
        kill_process(self.id()?, Signal::TERM).context("send SIGTERM")?;
        if !wait_until(STOP_LIMIT, || Ok(self.child.try_wait()?.is_some()))? {
            self.child.kill().context("send SIGKILL")?;
            self.child.wait().context("wait for the end")?;
            bail!(
                "did not end {STOP_LIMIT:?} after SIGTERM:\n{}",
                self.last_words()
            );
        }
        Ok(())
    }

    /// SIGKILL, then its end.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().context("send SIGKILL")?;
        self.child.wait().context("wait for the end")?;
        Ok(())
    }

    fn id(&self) -> anyhow::Result<Pid> {
        let raw = i32::try_from(self.pid()).context("read the process id")?;
        Pid::from_raw(raw).context("read the process id")
    }

    fn last_words(&self) -> String {
        let output = std::fs::read_to_string(&self.output).unwrap_or_default();
        let lines: Vec<&str> = output.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.child.kill().is_ok() {
            // Reaped here, so that a test run leaves no zombies behind.
            let _ = self.child.wait();
        }
    }
}
