//! The measured part of a run: what the server's processes use of the CPU in it and, where somebody
//! wants to know, a recording of where. Says nothing of what a unit is.

use std::path::PathBuf;

use anyhow::Context;

use super::recording::Recording;
use super::target::Target;
use super::usage::{CpuTime, cpu_time, family};

/// Where recordings go: `FOLDER/KEY/NAME.data`.
#[derive(Debug, Clone)]
pub struct Recordings {
    pub folder: PathBuf,
    /// Of the figure; a run of several parts adds the name of the part.
    pub key: String,
    /// Of the server.
    pub name: String,
    /// Samples a second of each running thread.
    pub frequency: u32,
}

impl Recordings {
    /// Begins one for these processes and what descends from them.
    pub fn start(&self, pids: &[u32], part: &str) -> anyhow::Result<Recording> {
        let mut all = Vec::new();
        for pid in pids {
            all.extend(family(*pid)?);
        }
        let key = match part {
            "" => self.key.clone(),
            part => format!("{}-{part}", self.key),
        };
        let file = self.folder.join(key).join(format!("{}.data", self.name));
        Recording::start(&all, self.frequency, &file)
    }
}

pub struct Span {
    pids: Vec<u32>,
    before: Option<CpuTime>,
    recording: Option<Recording>,
}

impl Span {
    /// Begins to measure; `part` is empty where a run has one.
    pub fn begin(target: &Target, part: &str) -> anyhow::Result<Self> {
        Self::of(target, target.pids(), part)
    }

    /// The same for other processes than those that were there at first.
    pub fn of(target: &Target, pids: Vec<u32>, part: &str) -> anyhow::Result<Self> {
        let recordings = target.recordings.as_ref().filter(|_| !pids.is_empty());
        // Attaching takes a moment that is in no measurement.
        let recording = recordings.map(|recordings| recordings.start(&pids, part));
        let recording = recording.transpose()?;
        Ok(Span {
            before: used(&pids)?,
            pids,
            recording,
        })
    }

    /// CPU in milliseconds since it began; `None` where no process was named.
    pub fn end(self) -> anyhow::Result<Option<f64>> {
        let cpu = match (self.before, used(&self.pids)?) {
            (Some(before), Some(after)) => Some((after - before).ms()),
            _ => None,
        };
        self.recording.map_or(Ok(()), Recording::stop)?;
        Ok(cpu)
    }
}

fn used(pids: &[u32]) -> anyhow::Result<Option<CpuTime>> {
    if pids.is_empty() {
        return Ok(None);
    }
    let times: anyhow::Result<Vec<CpuTime>> = pids.iter().copied().map(cpu_time).collect();
    Ok(Some(times.context("measure the server")?.into_iter().sum()))
}
