//! The group's own time, as the leader stamps it and as the node that serves reckons it: goes on
//! from where the state stands, by the monotonic clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pollux_domain::contract::Stamp;
use pollux_domain::ids::GroupMs;
use pollux_domain::seams::Clock;

/// See the module.
pub(super) struct Timekeeper {
    clock: Arc<dyn Clock>,
    /// What is added to the clock, in milliseconds, to make the group's time. Modulo 2^64: the
    /// clock may be ahead of the group by any time in which nobody served.
    offset: AtomicU64,
}

impl Timekeeper {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Timekeeper {
        Timekeeper {
            clock,
            offset: AtomicU64::new(0),
        }
    }

    pub(super) fn continue_from(&self, from: GroupMs) {
        let now = self.clock.now().as_millis() as u64;
        self.offset
            .store(from.0.wrapping_sub(now), Ordering::Relaxed);
    }

    pub(super) fn stamp(&self) -> Stamp {
        let now = self.clock.now().as_millis() as u64;
        let group = GroupMs(now.wrapping_add(self.offset.load(Ordering::Relaxed)));
        Stamp {
            group,
            wall: self.clock.wall(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pollux_domain::ids::WallMs;

    use super::*;

    struct At(AtomicU64);

    impl Clock for At {
        fn now(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::Relaxed))
        }

        fn wall(&self) -> WallMs {
            WallMs(0)
        }
    }

    /// `GroupMs`: neither a restart nor the time in which nobody served makes anything expire,
    /// however long the machine has been running.
    #[test]
    fn group_time_goes_on_where_the_state_stands() {
        for (clock, from) in [(500, 0), (1_000_000, 20), (30, 7_000_000), (40, 40)] {
            let at = Arc::new(At(AtomicU64::new(clock)));
            let time = Timekeeper::new(at.clone());
            time.continue_from(GroupMs(from));
            assert_eq!(time.stamp().group, GroupMs(from));
            at.0.fetch_add(17, Ordering::Relaxed);
            assert_eq!(time.stamp().group, GroupMs(from + 17));
        }
    }
}
