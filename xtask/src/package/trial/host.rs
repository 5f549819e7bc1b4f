//! What a page of the book needs of the machines that it names. What they are made of stands in
//! `machine` and `containers`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

/// A machine of the book.
pub trait Host {
    fn name(&self) -> &str;

    /// Runs a line of a shell as root, and returns what it printed.
    fn run(&self, line: &str) -> anyhow::Result<String>;

    /// Puts a file into the folder in which lines run.
    fn give(&self, file: &Path, name: &str) -> anyhow::Result<()>;

    /// How `pollux ctl` is called here.
    fn ctl(&self) -> String;

    /// What its node has said.
    fn journal(&self) -> String;
}

/// Runs a line behind what enters the host: the end of `enter` must be the environment.
pub fn shell(mut enter: Command, line: &str) -> anyhow::Result<String> {
    enter.args(["DEBIAN_FRONTEND=noninteractive", "/bin/sh", "-c", line]);
    let output = enter.stdin(Stdio::null()).output();
    let output = output.context("run a command in a machine")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {said}{errors}", output.status);
    }
    Ok(said)
}

/// Whether it succeeded; what it says is not shown.
pub fn quiet(command: &mut Command) -> bool {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Before a machine is asked again.
#[expect(
    clippy::disallowed_methods,
    reason = "a tool for a terminal has nothing else to do"
)]
pub fn pause() {
    std::thread::sleep(Duration::from_secs(1));
}
