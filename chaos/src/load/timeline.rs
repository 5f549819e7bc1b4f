//! What happened when in a run with faults: who came back, which messages arrived. Judges nothing:
//! see `recovery`.

use std::time::Duration;

use tokio::time::Instant;

/// Arrivals that are kept; a drill has some ten thousand.
const ARRIVALS_MAX: usize = 4_000_000;

/// A client is back after a lost connection.
#[derive(Debug, Clone, Copy)]
pub struct Return {
    pub flow: u32,
    pub lost: Instant,
    pub back: Instant,
    /// Whether its session goes on.
    pub resumed: bool,
}

/// A message has arrived.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Whose message.
    pub flow: u32,
    /// When it was meant to go, after the run's beginning.
    pub meant: Duration,
    pub at: Instant,
}

#[derive(Debug, Default)]
pub struct Timeline {
    pub returns: Vec<Return>,
    pub arrivals: Vec<Arrival>,
}

impl Timeline {
    pub fn arrived(&mut self, arrival: Arrival) {
        if self.arrivals.len() < ARRIVALS_MAX {
            self.arrivals.push(arrival);
        }
    }
}
