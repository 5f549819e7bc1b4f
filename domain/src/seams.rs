//! The two seams that every crate may need: time and randomness come in from outside. Sockets,
//! threads and disks have their seams where they are used.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ids::WallMs;

/// A source of time. The real one reads CLOCK_BOOTTIME; the simulated one reads the virtual clock
/// of its host.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time since some fixed point of this process.
    fn now(&self) -> Duration;
    /// The calendar's time, for stamps that people read.
    fn wall(&self) -> WallMs;
}

/// A source of randomness. The real one asks the operating system; the simulated one is seeded.
pub trait Rand: Send + Sync + 'static {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);

    /// Sixteen random bytes: a token that nobody guesses.
    fn token(&self) -> [u8; 16] {
        let mut out = [0; 16];
        self.fill(&mut out);
        out
    }
}

/// Both, as the parts of a node carry them.
#[derive(Clone)]
pub struct Ambient {
    pub clock: Arc<dyn Clock>,
    pub rand: Arc<dyn Rand>,
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ambient")
    }
}
