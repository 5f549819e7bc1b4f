//! Changes of availability among users who watch each other: what one delivery costs the server and
//! how long it takes.

use std::rc::Rc;
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;

use super::histogram::Latency;
use super::target::Target;

#[derive(Debug, Clone, Copy)]
pub struct Availability {
    pub users: usize,
    /// Of each user; an even number, half of them on either side in a ring of all users.
    pub contacts: usize,
    /// Deliveries a second in all; a closed loop where there is none.
    pub rate: Option<f64>,
    pub warm_up: Duration,
    pub duration: Duration,
}

#[derive(Debug, Clone, Serialize)]
pub struct AvailabilityReport {
    pub users: usize,
    pub contacts: usize,
    pub rate: Option<f64>,
    pub starttls: bool,
    pub seconds: f64,
    /// Announced in the measured time.
    pub changes: u64,
    /// Delivered in the measured time.
    pub deliveries: u64,
    pub deliveries_per_second: f64,
    pub cpu_ms_per_delivery: Option<f64>,
    /// From the change, or the moment at which it was meant to be, to each delivery.
    pub latency: Latency,
    /// Deliveries that a later one of the same user made needless, of the whole run.
    pub superseded: u64,
}

impl Availability {
    pub async fn run(&self, _target: Rc<Target>) -> anyhow::Result<AvailabilityReport> {
        bail!("the body comes with the next commit")
    }
}
