//! The simulated twins of clock, randomness and placement.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pollux_actors::placement::{Job, Placement};
use pollux_domain::ids::WallMs;
use pollux_domain::seams::{Ambient, Clock, Rand};

use crate::client::Seed;

/// Virtual time, as one machine reckons it: two machines have not been running for equally long.
struct VirtualClock {
    ahead: Duration,
}

impl VirtualClock {
    fn elapsed() -> Duration {
        turmoil::sim_elapsed().unwrap_or_default()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        VirtualClock::elapsed() + self.ahead
    }

    fn wall(&self) -> WallMs {
        const BEGINNING: u64 = 1_000_000_000_000;
        WallMs(BEGINNING + VirtualClock::elapsed().as_millis() as u64)
    }
}

/// Seeded randomness; goes on over restarts of the node, so that no token comes twice.
pub struct SeededRand(Mutex<Seed>);

impl SeededRand {
    pub fn new(seed: u64) -> SeededRand {
        SeededRand(Mutex::new(Seed::new(seed)))
    }

    /// A number below `below`.
    pub fn below(&self, below: u64) -> u64 {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .below(below)
    }
}

impl Rand for SeededRand {
    fn fill(&self, out: &mut [u8]) {
        let mut seed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in out.chunks_mut(8) {
            let bytes = seed.number().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

pub fn ambient(rand: Arc<SeededRand>) -> Ambient {
    ambient_ahead(rand, Duration::ZERO)
}

/// Of a machine whose monotonic clock is ahead by so much.
pub fn ambient_ahead(rand: Arc<SeededRand>, ahead: Duration) -> Ambient {
    Ambient {
        clock: Arc::new(VirtualClock { ahead }),
        rand,
    }
}

/// Everything on the one thread, at once.
pub struct OneThread;

impl Placement for OneThread {
    fn arbiter_count(&self) -> usize {
        1
    }

    fn run(&self, _arbiter: usize, job: Job) {
        job();
    }

    fn run_aside(&self, job: Job) {
        job();
    }
}
