//! The simulated twins of clocks, randomness and placement.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pollux_actors::placement::{Job, Placement};
use pollux_domain::ids::WallMs;
use pollux_domain::seams::{Clock, Rand};

use crate::client::Seed;

/// Where the hands of all clocks on walls stand at first, unless one is off.
pub const WALL_BEGINNING_MS: u64 = 1_000_000_000_000;
/// How far such a clock jumps, one way or the other: further than a run lasts.
pub const WALL_JUMP_MS: i64 = 3_600_000;

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

/// The clocks of one machine: two machines have not been running for equally long, and where the
/// hands of a clock on the wall stand is anybody's guess.
#[derive(Debug)]
pub struct MachineClock {
    time: VirtualTime,
    ahead: Duration,
    wall_off_ms: AtomicI64,
}

impl MachineClock {
    pub fn new(time: VirtualTime, ahead: Duration) -> MachineClock {
        MachineClock {
            time,
            ahead,
            wall_off_ms: AtomicI64::new(0),
        }
    }

    /// What all machines have in common.
    pub fn elapsed(&self) -> Duration {
        self.time.now()
    }

    /// The wall clock is so much ahead of the true time from now on.
    pub fn set_wall_off(&self, ms: i64) {
        self.wall_off_ms.store(ms, Ordering::Relaxed);
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Duration {
        self.time.now() + self.ahead
    }

    fn wall(&self) -> WallMs {
        let right = WALL_BEGINNING_MS + self.time.now().as_millis() as u64;
        WallMs(right.saturating_add_signed(self.wall_off_ms.load(Ordering::Relaxed)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_jumps_both_ways_and_the_other_clock_goes_on() {
        let time = VirtualTime::default();
        let clock = MachineClock::new(time.clone(), Duration::from_secs(5));
        time.set(Duration::from_secs(1));
        let right = clock.wall().0;
        for off in [3_600_000, -3_600_000, 0] {
            clock.set_wall_off(off);
            assert_eq!(
                i128::from(clock.wall().0) - i128::from(right),
                i128::from(off)
            );
            assert_eq!(clock.now(), Duration::from_secs(6));
        }
    }
}
