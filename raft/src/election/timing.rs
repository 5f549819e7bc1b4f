//! The times of an election, in one place. What is decided with them stands beside this file.

use std::time::Duration;

/// How long a voter waits for what. All are lengths of a monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long a lease runs from the moment at which its owner asked for it.
    pub lease: Duration,
    /// How often a voter says that it is there.
    pub beat: Duration,
    /// A flush that is pending for longer has stopped, and is not merely slow.
    pub flush_stuck: Duration,
    /// How long the answers to a question are waited for.
    pub ask: Duration,
    /// How long a handover may keep proposals waiting for the twin's log.
    pub drain: Duration,
}

impl Timing {
    /// For nodes in one site.
    pub const DEFAULT: Timing = Timing {
        lease: Duration::from_millis(300),
        beat: Duration::from_millis(50),
        flush_stuck: Duration::from_secs(1),
        ask: Duration::from_millis(100),
        drain: Duration::from_secs(1),
    };

    /// A lease and a tenth: longer than any lease that was running, though the clock that measured
    /// it went slower by a tenth.
    pub fn patience(&self) -> Duration {
        self.lease + self.lease / 10
    }

    /// How long an election that was begun may take while disks are slow: the candidate and a voter
    /// flush one after the other.
    pub(super) fn election_max(&self) -> Duration {
        2 * self.flush_stuck
    }
}

/// Whether `then` is less than `length` ago.
pub(super) fn within(now: Duration, then: Option<Duration>, length: Duration) -> bool {
    then.is_some_and(|then| now.saturating_sub(then) < length)
}
