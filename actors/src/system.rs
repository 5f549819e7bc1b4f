//! Time and randomness of the operating system.

use std::time::Duration;

use pollux_domain::ids::WallMs;
use pollux_domain::seams::{Ambient, Clock, Rand};

/// The clocks of the operating system: CLOCK_BOOTTIME goes on while the machine sleeps, so that
/// nobody holds a lease for longer than it was given.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(
            now.tv_sec.unsigned_abs(),
            u32::try_from(now.tv_nsec).unwrap_or(0),
        )
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the adapter of the operating system's clock"
    )]
    fn wall(&self) -> WallMs {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        WallMs(since.map_or(0, |since| since.as_millis() as u64))
    }
}

/// The operating system's random numbers.
#[derive(Debug, Clone, Copy)]
pub struct SystemRand;

impl Rand for SystemRand {
    #[expect(
        clippy::disallowed_methods,
        reason = "the adapter of the operating system's randomness"
    )]
    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("the operating system has random numbers");
    }
}

/// Both.
pub fn ambient() -> Ambient {
    Ambient {
        clock: std::sync::Arc::new(SystemClock),
        rand: std::sync::Arc::new(SystemRand),
    }
}
