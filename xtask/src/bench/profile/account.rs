//! The account of one recording: how many samples each kind of work and each thread has, and what
//! becomes of them on a unit of the row. Reads no file.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::kinds::{Kind, kind, role};
use super::stacks::Sample;
use crate::bench::figures::Machine;

/// What `docs/performance/profile.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pub machine: Machine,
    /// Of small sizes: it shows that it works.
    pub quick: bool,
    pub profiled: Vec<Row>,
}

/// One figure of the comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub key: String,
    pub what: String,
    /// Pollux first, then the ceilings.
    pub columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub rank: String,
    /// CPU of one unit in microseconds, as the kernel counts it.
    pub cost: f64,
    pub samples: u64,
    /// In the order in which kinds are declared.
    pub kinds: Vec<Share>,
    /// The largest first.
    pub threads: Vec<Share>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    pub what: String,
    /// Of 1.
    pub part: f64,
}

impl Profile {
    pub fn read(text: &str) -> anyhow::Result<Profile> {
        serde_json::from_str(text)
            .context("this is no profile of `cargo xtask bench profile --json`")
    }
}

/// Samples by what they were spent for.
#[derive(Debug, Default)]
pub struct Account {
    kinds: BTreeMap<Kind, u64>,
    threads: BTreeMap<&'static str, u64>,
    samples: u64,
}

impl Account {
    pub fn add(&mut self, sample: &Sample) {
        *self.kinds.entry(kind(&sample.frames)).or_default() += 1;
        *self.threads.entry(role(&sample.thread)).or_default() += 1;
        self.samples += 1;
    }

    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// `cost` is that of one unit in microseconds.
    pub fn column(self, name: &str, rank: &str, cost: f64) -> Column {
        let whole = self.samples.max(1) as f64;
        let share = |what: String, samples: u64| Share {
            what,
            part: samples as f64 / whole,
        };
        let kinds = self.kinds.iter();
        let kinds = kinds.map(|(kind, samples)| share(kind.to_string(), *samples));
        let threads = self.threads.iter();
        let threads = threads.map(|(role, samples)| share((*role).to_owned(), *samples));
        let mut threads: Vec<Share> = threads.collect();
        threads.sort_by(|one, other| other.part.total_cmp(&one.part));
        Column {
            name: name.to_owned(),
            rank: rank.to_owned(),
            cost,
            samples: self.samples,
            kinds: kinds.collect(),
            threads,
        }
    }
}

impl Column {
    /// What one unit takes of this, in microseconds.
    pub fn of(&self, what: &str) -> Option<f64> {
        let share = self.kinds.iter().find(|share| share.what == what);
        share.map(|share| share.part * self.cost)
    }
}
