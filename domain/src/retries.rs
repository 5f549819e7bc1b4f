//! Something that is begun again when it fails, after growing pauses. Not for how it is begun.

use std::time::Duration;

use crate::services::pause;

/// What has run for so long fails for the first time again.
pub const STEADY: Duration = Duration::from_secs(60);

/// What is known of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retries {
    /// In a row.
    failures: u32,
    total: u64,
    /// Since when it runs, if it does.
    since: Option<Duration>,
    /// Not before.
    again: Duration,
    /// Of the last failure, until it runs.
    reason: Option<String>,
}

impl Retries {
    pub fn is_due(&self, now: Duration) -> bool {
        self.again <= now
    }

    pub fn begun(&mut self, now: Duration) {
        self.since = Some(now);
        self.reason = None;
    }

    /// It did not begin, or ran and does no more. Returns for how long it is left alone.
    pub fn failed(&mut self, now: Duration, reason: String) -> Duration {
        let was_steady = { self.since.take() }.is_some_and(|since| STEADY <= now - since);
        self.failures = match was_steady {
            true => 1,
            false => self.failures.saturating_add(1),
        };
        self.total += 1;
        self.reason = Some(reason);
        let pause = pause(self.failures);
        self.again = now + pause;
        pause
    }

    pub fn is_running(&self) -> bool {
        self.since.is_some()
    }

    /// Why it does not run, where it has failed.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// How often it has failed at all.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_pauses_grow_until_it_has_run_for_a_while() {
        let mut retries = Retries::default();
        assert!(retries.is_due(at(0)) && !retries.is_running());
        let mut fails = |now, ran: Option<u64>| {
            if let Some(since) = ran {
                retries.begun(at(since));
                assert!(retries.is_running() && retries.reason().is_none());
            }
            let pause = retries.failed(at(now), "disk".to_owned());
            assert_eq!(retries.reason(), Some("disk"));
            assert!(!retries.is_due(at(now) + pause - Duration::from_millis(1)));
            assert!(retries.is_due(at(now) + pause) && !retries.is_running());
            (pause.as_secs(), retries.total())
        };
        assert_eq!(fails(10, None), (1, 1));
        assert_eq!(fails(11, None), (2, 2));
        assert_eq!(fails(14, Some(13)), (4, 3), "it ran for a moment");
        for total in 4..40 {
            assert!(fails(20, None).0 <= 60 && total > 0);
        }
        assert_eq!(fails(20, None), (60, 40), "no longer than that");
        assert_eq!(fails(300, Some(300 - STEADY.as_secs())), (1, 41));
    }
}
