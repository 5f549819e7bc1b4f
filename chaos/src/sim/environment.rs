//! The simulated twins of clocks, randomness and placement.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pollux_actors::placement::{Job, Placement};
use pollux_domain::ids::WallMs;
use pollux_domain::seams::{Clock, Rand};

use crate::client::Seed;

/// How long the world has been running: a value that only the world sets, before each step.
#[derive(Debug, Clone, Default)]
pub struct VirtualTime(Arc<AtomicU64>);

impl VirtualTime {
    pub fn now(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    pub fn set(&self, now: Duration) {
        self.0.store(now.as_micros() as u64, Ordering::Relaxed);
    }
}

/// The clocks of one machine: two machines have not been running for equally long.
#[derive(Debug)]
pub struct MachineClock {
    time: VirtualTime,
    ahead: Duration,
}

impl MachineClock {
    pub fn new(time: VirtualTime, ahead: Duration) -> MachineClock {
        MachineClock { time, ahead }
    }

    /// What all machines have in common.
    pub fn elapsed(&self) -> Duration {
        self.time.now()
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Duration {
        self.time.now() + self.ahead
    }

    fn wall(&self) -> WallMs {
        const BEGINNING: u64 = 1_000_000_000_000;
        WallMs(BEGINNING + self.time.now().as_millis() as u64)
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
