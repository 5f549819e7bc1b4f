//! From what happened when to what people call recovery. Pure.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::load::Timeline;

/// What one run's clients noticed of a fault; none where nothing of that kind happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Recovery {
    /// From the fault to the first session that went on over a new connection.
    pub first_resumed_ms: Option<f64>,
    /// From the fault to the first message that was meant to go after it and arrived at a client
    /// that had come back.
    pub first_message_ms: Option<f64>,
    /// From the fault to the last client that came back.
    pub last_back_ms: Option<f64>,
    /// How often clients lost their connection and came back.
    pub returns: usize,
    /// The longest that any message was under way, from the moment at which it was meant to go.
    pub longest_wait_ms: f64,
}

impl Recovery {
    /// `start` is the beginning of the run, from which messages count their time.
    pub fn of(timeline: &Timeline, start: Instant, fault: Instant) -> Self {
        let ms = |moment: Instant| (moment - fault).as_secs_f64() * 1e3;
        let returns = || timeline.returns.iter().filter(|one| one.back > fault);
        let back_at = |flow: u32| returns().filter(move |one| one.flow == flow);
        let mut first_back = vec![None; flows(timeline)];
        for (flow, first) in (0..).zip(&mut first_back) {
            *first = back_at(flow).map(|one| one.back).min();
        }
        let through = timeline.arrivals.iter().filter(|arrival| {
            let receiver = first_back
                .get((arrival.flow ^ 1) as usize)
                .copied()
                .flatten();
            fault <= start + arrival.meant && receiver.is_some_and(|back| back <= arrival.at)
        });
        let waits = timeline.arrivals.iter();
        let waits = waits.map(|one| one.at.saturating_duration_since(start + one.meant));
        Recovery {
            first_resumed_ms: returns()
                .filter(|one| one.resumed)
                .map(|one| one.back)
                .min()
                .map(ms),
            first_message_ms: through.map(|one| one.at).min().map(ms),
            last_back_ms: returns().map(|one| one.back).max().map(ms),
            returns: returns().count(),
            longest_wait_ms: waits.max().unwrap_or(Duration::ZERO).as_secs_f64() * 1e3,
        }
    }
}

fn flows(timeline: &Timeline) -> usize {
    let flows = timeline.returns.iter().map(|one| one.flow as usize + 1);
    flows.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Arrival, Return, now};

    #[test]
    fn counts_from_the_fault_and_only_what_came_by_a_new_connection() {
        let start = now();
        let at = |ms| start + Duration::from_millis(ms);
        let returning = |flow, back, resumed| Return {
            flow,
            lost: at(1_000),
            back: at(back),
            resumed,
        };
        let arrival = |flow, meant, ms| Arrival {
            flow,
            meant: Duration::from_millis(meant),
            at: at(ms),
        };
        let timeline = Timeline {
            returns: vec![
                returning(0, 1_500, false),
                returning(1, 1_600, true),
                returning(0, 900, true),
            ],
            arrivals: vec![
                arrival(0, 1_001, 1_002), // flow 1 had not come back
                arrival(0, 990, 1_610),   // was meant before
                arrival(0, 1_100, 1_650),
                arrival(2, 1_100, 1_101), // flow 3 had lost nothing
            ],
        };
        let recovery = Recovery::of(&timeline, start, at(1_000));
        let expected = Recovery {
            first_resumed_ms: Some(600.0),
            first_message_ms: Some(650.0),
            last_back_ms: Some(600.0),
            returns: 2,
            longest_wait_ms: 620.0,
        };
        assert_eq!(recovery, expected);
        assert_eq!(
            Recovery::of(&Timeline::default(), start, at(1)),
            Recovery::default()
        );
    }
}
