//! The built program as a process: run to its end, or kept and ended by its own id. Not for what a
//! node is.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::deadline::{PATIENCE, found, wait_for};

/// How a run of the program ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The program in `folder`, with none of the caller's environment that could change what it does.
pub fn pollux(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pollux"));
    command.current_dir(folder).env_remove("POLLUX_LOG");
    command.stdin(Stdio::null());
    command
}

/// Runs the program to its end.
#[track_caller]
pub fn run(folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Ended {
    ended(pollux(folder).args(arguments))
}

#[track_caller]
pub fn ended(command: &mut Command) -> Ended {
    let output = command.output().expect("the program runs");
    Ended {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A process that lives beside the test, and never longer.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts the command with what it says appended to `log`.
    #[track_caller]
    pub fn start(command: &mut Command, log: &Path) -> Process {
        let file = File::options().create(true).append(true).open(log);
        let file = file.expect("the log can be written");
        command.stdout(file.try_clone().expect("a file has two handles"));
        command.stderr(file).stdin(Stdio::null());
        Process(command.spawn().expect("the process starts"))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it has.
    pub fn end(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child can be looked at")
    }

    /// Waits for an end that comes by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the end of the process", || self.end())
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        let _gone = kill_process(id.expect("a child has an id"), signal);
    }

    /// SIGKILL, and its end.
    pub fn kill(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.end().is_none() {
            self.signal(Signal::TERM);
            if found(PATIENCE / 3, || self.end()).is_none() {
                self.kill();
            }
        }
    }
}
