//! Messages to users who are away: what one costs the server to keep, and what to hand out.

use std::rc::Rc;

use anyhow::bail;
use serde::Serialize;

use super::target::Target;

#[derive(Debug, Clone, Copy)]
pub struct Offline {
    /// Users who send, each to one of as many others, who are away. Needs twice as many users.
    pub senders: usize,
    pub messages_each: usize,
    pub body_bytes: usize,
    pub stream_management: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct OfflineReport {
    pub senders: usize,
    pub starttls: bool,
    pub stream_management: bool,
    pub stored: u64,
    pub delivered: u64,
    pub cpu_ms_per_stored: Option<f64>,
    pub cpu_ms_per_delivered: Option<f64>,
    pub store_per_second: f64,
    pub deliver_per_second: f64,
}

impl Offline {
    pub async fn run(&self, _target: Rc<Target>) -> anyhow::Result<OfflineReport> {
        bail!("the body comes with the next commit")
    }
}
