//! Watches the wall clock against the clock that never jumps, and says when it did. Nothing here
//! depends on it: what the wall clock is for are stamps that people read, tickets of TLS and
//! certificates.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pollux_domain::ids::WallMs;
use pollux_domain::seams::Clock;

use crate::node::Node;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(2);
/// Time synchronisation turns a clock by less than a thousandth of the time that passes; more than
/// this between two looks is a step.
const JUMP_MS_MIN: u64 = 1_000;

/// What both clocks said at one look. The process may stand still while it looks.
#[derive(Debug, Clone, Copy)]
struct Look {
    before: Duration,
    wall: WallMs,
    after: Duration,
}

impl Look {
    fn take(clock: &dyn Clock) -> Look {
        Look {
            before: clock.now(),
            wall: clock.wall(),
            after: clock.now(),
        }
    }
}

/// By how many milliseconds the wall clock has moved beyond the time that passed between two looks,
/// if that is a jump.
fn jump(then: &Look, now: &Look) -> Option<i64> {
    let least = now.before.saturating_sub(then.after).as_millis() as i64;
    let most = now.after.saturating_sub(then.before).as_millis() as i64;
    let moved = now.wall.0.wrapping_sub(then.wall.0) as i64;
    let beyond = moved - moved.clamp(least, most.max(least));
    (JUMP_MS_MIN <= beyond.unsigned_abs()).then_some(beyond)
}

/// Runs until the node stops.
pub async fn run(node: Arc<Node>) {
    let clock = node.ambient.clock.clone();
    let mut then = Look::take(&*clock);
    while !node.is_stopping() {
        tokio::time::sleep(INTERVAL).await;
        let now = Look::take(&*clock);
        if let Some(by_ms) = jump(&then, &now) {
            node.metrics
                .wall_clock_jumps
                .fetch_add(1, Ordering::Relaxed);
            let advice = "check time synchronisation on this machine: what people read as the \
                          time of a message is wrong until its clock is right; leases and \
                          takeovers do not depend on it";
            tracing::warn!(by_ms, advice, "wall clock jumped");
        }
        then = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(before_ms: u64, wall_ms: u64, after_ms: u64) -> Look {
        Look {
            before: Duration::from_millis(before_ms),
            wall: WallMs(wall_ms),
            after: Duration::from_millis(after_ms),
        }
    }

    const HOUR: u64 = 3_600_000;
    const DAY_ZERO: u64 = 1_800_000_000_000;

    #[test]
    fn a_step_of_the_wall_clock_is_told_from_time_that_passes() {
        let then = look(10_000, DAY_ZERO, 10_000);
        let cases = [
            ("as it should", look(12_000, DAY_ZERO + 2_000, 12_000), None),
            (
                "turned a little",
                look(12_000, DAY_ZERO + 2_002, 12_000),
                None,
            ),
            (
                "an hour on",
                look(12_000, DAY_ZERO + HOUR + 2_000, 12_000),
                Some(3_600_000),
            ),
            (
                "an hour back",
                look(12_000, DAY_ZERO - HOUR + 2_000, 12_000),
                Some(-3_600_000),
            ),
            (
                "a second on",
                look(12_000, DAY_ZERO + 3_000, 12_000),
                Some(1_000),
            ),
            (
                "almost a second",
                look(12_000, DAY_ZERO + 2_999, 12_000),
                None,
            ),
            ("it stands", look(12_000, DAY_ZERO, 12_000), Some(-2_000)),
            (
                "to the epoch",
                look(12_000, 0, 12_000),
                Some(-1_800_000_002_000),
            ),
            // The machine slept, or the process stood still: both clocks went on.
            (
                "a night's sleep",
                look(40_000_000, DAY_ZERO + 39_990_000, 40_000_000),
                None,
            ),
            (
                "stopped within a look",
                look(12_000, DAY_ZERO + 32_000, 42_000),
                None,
            ),
            (
                "stopped, and a jump",
                look(12_000, DAY_ZERO + HOUR + 32_000, 42_000),
                Some(3_600_000),
            ),
        ];
        for (what, now, expected) in cases {
            assert_eq!(jump(&then, &now), expected, "{what}");
        }
    }
}
