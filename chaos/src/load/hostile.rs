//! Hostile neighbours: what pairs who talk at a steady rate notice of them, and what the server
//! keeps of them when they have gone.

use std::rc::Rc;
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;

use super::histogram::Latency;
use super::target::Target;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostileKind {
    /// Connections that open a stream and never sign in.
    Unauthenticated,
    /// Sessions that read one byte a second while they are sent to.
    SlowReaders,
    /// Users who send as fast as their sockets take it.
    Flood,
}

#[derive(Debug, Clone, Copy)]
pub struct Hostile {
    pub kind: HostileKind,
    /// How many of them.
    pub count: usize,
    /// Pairs of good clients.
    pub pairs: usize,
    /// Messages a second of all pairs together.
    pub rate: f64,
    /// Measured before and after.
    pub calm: Duration,
    /// Measured while they are there.
    pub during: Duration,
}

#[derive(Debug, Clone, Serialize)]
pub struct HostileReport {
    pub kind: HostileKind,
    pub count: usize,
    pub pairs: usize,
    pub rate: f64,
    pub starttls: bool,
    pub before: Latency,
    pub during: Latency,
    pub after: Latency,
    pub pss_before_kib: u64,
    pub pss_during_kib: u64,
    pub pss_after_kib: u64,
    /// Good messages that were lost, came twice or out of order.
    pub wrong: u64,
    /// Bytes that the neighbours sent.
    pub hostile_bytes: u64,
    /// The 99th percentile at most doubled.
    pub latency_holds: bool,
    pub memory_returns: bool,
}

impl HostileReport {
    pub fn holds(&self) -> bool {
        self.latency_holds && self.memory_returns && self.wrong == 0
    }
}

impl Hostile {
    pub async fn run(&self, _target: Rc<Target>) -> anyhow::Result<HostileReport> {
        bail!("the body comes with the next commit")
    }
}
