//! When the users of a home go back to it by themselves. Not for moving them.

use std::time::Duration;

use crate::limits;

/// What is known of a home that another node than its own serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Away {
    /// For how long its node is to have been well; none: an operator decides.
    pub stable: Option<Duration>,
    /// An operator has moved it away, and will move it back.
    pub is_relieved: bool,
    /// For how long its node has been heard, has kept up, and has made progress.
    pub well_for: Option<Duration>,
    /// For how long nobody's users have got another owner.
    pub quiet_for: Duration,
    /// How often its node has failed within [`limits::FALLBACK_DAMPING_MS`].
    pub failovers: u32,
}

/// Whether its users are to go home now.
pub fn is_due(away: &Away) -> bool {
    let (Some(stable), Some(well_for)) = (away.stable, away.well_for) else {
        return false;
    };
    !away.is_relieved && wait(stable, away.failovers) <= well_for.min(away.quiet_for)
}

/// A node that fails again and again is trusted later each time: twice as late for each failure of
/// a day after the first, up to [`limits::FALLBACK_SECONDS_MAX`].
pub fn wait(stable: Duration, failovers: u32) -> Duration {
    let longest = stable.max(Duration::from_secs(limits::FALLBACK_SECONDS_MAX));
    let times = 1_u32.checked_shl(failovers.saturating_sub(1));
    let waited = times.and_then(|times| stable.checked_mul(times));
    waited.map_or(longest, |waited| waited.min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STABLE: Duration = Duration::from_secs(1_800);

    fn away() -> Away {
        Away {
            stable: Some(STABLE),
            is_relieved: false,
            well_for: Some(STABLE),
            quiet_for: STABLE,
            failovers: 1,
        }
    }

    #[test]
    fn users_go_home_when_their_node_has_been_well_for_long_enough() {
        let short = STABLE - Duration::from_millis(1);
        assert!(is_due(&away()));
        for not in [
            Away {
                stable: None,
                ..away()
            },
            Away {
                is_relieved: true,
                ..away()
            },
            Away {
                well_for: None,
                ..away()
            },
            Away {
                well_for: Some(short),
                ..away()
            },
            Away {
                quiet_for: short,
                ..away()
            },
            Away {
                failovers: 2,
                ..away()
            },
        ] {
            assert!(!is_due(&not), "{not:?}");
        }
        let twice = Away {
            failovers: 2,
            well_for: Some(2 * STABLE),
            quiet_for: 2 * STABLE,
            ..away()
        };
        assert!(is_due(&twice));
    }

    #[test]
    fn each_failure_of_a_day_doubles_the_wait_up_to_a_limit() {
        let day = Duration::from_secs(limits::FALLBACK_SECONDS_MAX);
        for (failovers, want) in [
            (0, STABLE),
            (1, STABLE),
            (2, 2 * STABLE),
            (6, 32 * STABLE),
            (7, day),
            (33, day),
            (u32::MAX, day),
        ] {
            assert_eq!(wait(STABLE, failovers), want, "{failovers}");
        }
        assert_eq!(wait(2 * day, 5), 2 * day, "what was set is the least");
    }
}
