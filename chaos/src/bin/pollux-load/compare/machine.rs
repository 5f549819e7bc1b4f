//! On what, when, and with which versions a comparison ran: whoever reads figures asks first.

use std::fs;
use std::path::Path;
use std::process::Command;

use pollux_chaos::servers::{Ejabberd, Prosody};
use serde::Serialize;

#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    pub cores: usize,
    pub processor: String,
    pub kernel: String,
    /// In UTC.
    pub date: String,
    pub commit: String,
    /// Of the servers that took part.
    pub versions: Vec<String>,
    /// What makes the same again.
    pub command: String,
}

impl Machine {
    /// Fails where a peer is not installed, with what to type; `alone` where none takes part.
    pub fn look(pollux: Option<&Path>, alone: bool) -> anyhow::Result<Self> {
        let mut versions = match alone {
            true => Vec::new(),
            false => vec![Prosody::version()?, Ejabberd::version()?],
        };
        if let Some(program) = pollux {
            versions.push(said(Command::new(program).arg("--version")));
        }
        let mut words: Vec<String> = std::env::args().skip(2).collect();
        // Where the program lies and where the numbers go is not part of what was done.
        while let Some(at) = words
            .iter()
            .position(|one| matches!(&**one, "--pollux" | "--json" | "--record"))
        {
            words.drain(at..(at + 2).min(words.len()));
        }
        let what = if alone { "profile" } else { "peers" };
        words.insert(0, format!("cargo xtask bench {what}"));
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = cpuinfo.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == "model name").then(|| value.trim().to_owned())
        });
        Ok(Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor.unwrap_or_else(|| "unknown processor".to_owned()),
            kernel: said(Command::new("uname").arg("-sr")),
            date: said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M"])),
            commit: said(Command::new("git").args(["describe", "--always", "--dirty"])),
            versions,
            command: words.join(" "),
        })
    }
}

/// The first line of what a command prints.
fn said(command: &mut Command) -> String {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let line = text.as_deref().and_then(|text| text.lines().next());
    line.unwrap_or("unknown").trim().to_owned()
}
