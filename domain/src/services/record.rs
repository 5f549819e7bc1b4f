//! One service: what its operator wants of it, what is seen of it, and what is to be done about the
//! difference. Knows no service by name.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Between two looks at a service that runs, or at one that mends by itself.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Looks in vain, one after the other, that make a service failed: one may be bad luck.
const MISSES_MAX: u32 = 2;
/// How long a service has to run until what was before is forgotten: one that comes up for a
/// moment and falls again has been down all the time.
const STEADY: Duration = Duration::from_secs(5);
/// Before a service is started again: twice as long after each failure, up to the other. It is
/// never given up: whoever has mended what it lacked need not know that it waits.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    Running,
    Stopped,
}

/// What is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Observed {
    Stopped = 0,
    Starting = 1,
    Running = 2,
    Stopping = 3,
    Failed = 4,
}

impl Observed {
    /// As `/metrics` has it.
    pub fn number(self) -> u8 {
        self as u8
    }

    pub fn word(self) -> &'static str {
        match self {
            Observed::Stopped => "stopped",
            Observed::Starting => "starting",
            Observed::Running => "running",
            Observed::Stopping => "stopping",
            Observed::Failed => "failed",
        }
    }
}

/// What happens to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Wished(Wish),
    /// An operator wants it stopped, and started again.
    Restart,
    Begun(Act),
    Started,
    Stopped,
    /// A look at it found nothing wrong.
    Passed,
    /// It did not start, or a look found something wrong.
    Failed(String),
}

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Start,
    Stop,
    Check,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Now(Act),
    /// Nothing before this time, unless something happens.
    At(Duration),
    Never,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    wish: Wish,
    observed: Observed,
    /// Why it has failed.
    reason: Option<String>,
    /// Since when it has been as it is.
    since: Duration,
    /// Since when it has not run but for moments.
    unwell: Option<Duration>,
    misses: u32,
    /// Failures since it ran steadily.
    failures: u32,
    /// All of this process.
    failures_total: u64,
    next: Duration,
    is_to_stop: bool,
    /// An operator waits for what comes of the next attempt.
    is_awaited: bool,
    /// Whether a failure ends in a start.
    starts_again: bool,
}

impl Record {
    fn new(wish: Wish, observed: Observed, now: Duration) -> Record {
        Record {
            wish,
            observed,
            reason: None,
            since: now,
            unwell: (observed != Observed::Running).then_some(now),
            misses: 0,
            failures: 0,
            failures_total: 0,
            next: now + CHECK_INTERVAL,
            is_to_stop: false,
            is_awaited: false,
            starts_again: true,
        }
    }

    /// It runs already.
    pub fn running(now: Duration) -> Record {
        Record::new(Wish::Running, Observed::Running, now)
    }

    /// It does not, as its operator wants.
    pub fn stopped(now: Duration) -> Record {
        Record::new(Wish::Stopped, Observed::Stopped, now)
    }

    /// One that mends by itself.
    pub fn that_mends_itself(self) -> Record {
        Record {
            starts_again: false,
            ..self
        }
    }

    pub fn wish(&self) -> Wish {
        self.wish
    }

    pub fn observed(&self) -> Observed {
        self.observed
    }

    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    pub fn since(&self) -> Duration {
        self.since
    }

    pub fn failures_total(&self) -> u64 {
        self.failures_total
    }

    /// Nothing is under way, and it is as its operator wants it, or has failed to become so.
    pub fn is_settled(&self) -> bool {
        match self.observed {
            Observed::Running => self.wish == Wish::Running && !self.is_to_stop,
            Observed::Stopped => self.wish == Wish::Stopped,
            Observed::Failed => self.wish == Wish::Running && !self.is_to_stop && !self.is_awaited,
            Observed::Starting | Observed::Stopping => false,
        }
    }

    /// What an operator is told who has waited for it; none: it is as is wanted.
    pub fn shortfall(&self) -> Option<String> {
        match (self.wish, self.observed, &self.reason) {
            (Wish::Stopped, Observed::Stopped, _) => None,
            (Wish::Running, Observed::Running, _) if self.is_settled() => None,
            (Wish::Running, Observed::Failed, Some(reason)) if self.is_settled() => Some(format!(
                "does not run: {reason}; it is tried again by itself"
            )),
            (_, observed, _) => Some(format!(
                "is still {}; what is wanted is done as soon as it can be: see `pollux ctl \
                 service list`",
                observed.word()
            )),
        }
    }

    /// For how long it has been down; none: it runs.
    pub fn down_for(&self, now: Duration) -> Option<Duration> {
        if self.observed == Observed::Running && self.wish == Wish::Running {
            return None;
        }
        Some(now.saturating_sub(self.unwell.unwrap_or(self.since)))
    }

    /// What is to be done now, as far as is known.
    pub fn due(&self, now: Duration) -> Due {
        let at = |act| match self.next <= now {
            true => Due::Now(act),
            false => Due::At(self.next),
        };
        match (self.wish, self.observed) {
            (Wish::Stopped, Observed::Stopped) => Due::Never,
            (Wish::Stopped, _) => Due::Now(Act::Stop),
            (Wish::Running, Observed::Stopped) => Due::Now(Act::Start),
            (Wish::Running, _) if self.is_to_stop => Due::Now(Act::Stop),
            (Wish::Running, Observed::Running) => at(Act::Check),
            (Wish::Running, Observed::Failed) if self.starts_again => at(Act::Start),
            (Wish::Running, Observed::Failed) => at(Act::Check),
            // What was begun has not ended, for whoever did it is gone: once more.
            (Wish::Running, Observed::Starting | Observed::Stopping) => at(Act::Start),
        }
    }

    pub fn happens(&mut self, event: Event, now: Duration) {
        self.is_awaited = event == Event::Wished(Wish::Running);
        match event {
            Event::Wished(wish) => {
                self.wish = wish;
                self.is_to_stop = false;
                // Whoever asks does not wait for a pause.
                self.next = now;
                if wish == Wish::Stopped {
                    self.unwell.get_or_insert(now);
                    self.failures = 0;
                }
            }
            Event::Restart => {
                self.wish = Wish::Running;
                self.is_to_stop = self.observed != Observed::Stopped;
                self.next = now;
                self.failures = 0;
            }
            Event::Begun(Act::Start) => self.becomes(Observed::Starting, now),
            Event::Begun(Act::Stop) => self.becomes(Observed::Stopping, now),
            Event::Begun(Act::Check) => {}
            Event::Started => self.runs(now),
            Event::Stopped => {
                self.is_to_stop = false;
                self.reason = None;
                self.becomes(Observed::Stopped, now);
            }
            Event::Passed => match self.observed {
                Observed::Running => {
                    self.misses = 0;
                    self.next = now + CHECK_INTERVAL;
                    if self.since + STEADY <= now {
                        self.unwell = None;
                        self.failures = 0;
                    }
                }
                _ => self.runs(now),
            },
            Event::Failed(reason) => self.fails(reason, now),
        }
    }

    fn runs(&mut self, now: Duration) {
        self.reason = None;
        self.misses = 0;
        self.next = now + CHECK_INTERVAL;
        self.becomes(Observed::Running, now);
    }

    fn fails(&mut self, reason: String, now: Duration) {
        if self.observed == Observed::Running {
            self.misses += 1;
            if self.misses < MISSES_MAX {
                self.next = now + CHECK_INTERVAL;
                return;
            }
        }
        self.reason = Some(reason);
        if self.observed != Observed::Failed || self.starts_again {
            self.failures = self.failures.saturating_add(1);
            self.failures_total += 1;
        }
        self.next = now
            + match self.starts_again {
                true => pause(self.failures),
                false => CHECK_INTERVAL,
            };
        self.becomes(Observed::Failed, now);
    }

    fn becomes(&mut self, observed: Observed, now: Duration) {
        if self.observed != observed {
            self.observed = observed;
            self.since = now;
        }
        if observed != Observed::Running {
            self.unwell.get_or_insert(now);
        }
    }
}

/// How long a service waits after so many failures in a row.
pub fn pause(failures: u32) -> Duration {
    let times = 1_u32.checked_shl(failures.saturating_sub(1));
    let paused = times.and_then(|times| PAUSE.checked_mul(times));
    paused.map_or(PAUSE_MAX, |paused| paused.min(PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn failed(reason: &str) -> Event {
        Event::Failed(reason.to_owned())
    }

    fn check(record: &Record, observed: Observed, due: Due, now: u64) {
        assert_eq!(
            (record.observed(), record.due(at(now))),
            (observed, due),
            "{now}"
        );
    }

    #[test]
    fn a_service_that_runs_is_looked_at_and_one_miss_is_no_failure() {
        let mut record = Record::running(at(0));
        check(&record, Observed::Running, Due::At(at(1_000)), 0);
        check(&record, Observed::Running, Due::Now(Act::Check), 1_000);
        record.happens(failed("refused"), at(1_000));
        check(&record, Observed::Running, Due::At(at(2_000)), 1_000);
        record.happens(Event::Passed, at(2_000));
        record.happens(failed("refused"), at(3_000));
        check(&record, Observed::Running, Due::At(at(4_000)), 3_000);
        record.happens(failed("refused"), at(4_000));
        check(&record, Observed::Failed, Due::At(at(5_000)), 4_000);
        assert_eq!(record.reason(), Some("refused"));
        assert_eq!(record.down_for(at(4_500)), Some(at(500)));
    }

    #[test]
    fn one_that_has_failed_is_started_again_after_growing_pauses() {
        let mut record = Record::running(at(0));
        record.happens(failed("refused"), at(0));
        record.happens(failed("refused"), at(0));
        let mut now = 0;
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            check(
                &record,
                Observed::Failed,
                Due::At(at(now + seconds * 1_000)),
                now,
            );
            now += seconds * 1_000;
            check(&record, Observed::Failed, Due::Now(Act::Start), now);
            record.happens(Event::Begun(Act::Start), at(now));
            assert_eq!(record.observed(), Observed::Starting);
            record.happens(failed("in use"), at(now));
        }
        assert_eq!(record.failures_total(), 9);
        record.happens(Event::Begun(Act::Start), at(now));
        record.happens(Event::Started, at(now));
        assert_eq!((record.reason(), record.down_for(at(now))), (None, None));
    }

    #[test]
    fn one_that_comes_up_for_a_moment_has_been_down_all_the_time() {
        let mut record = Record::running(at(0));
        record.happens(Event::Wished(Wish::Stopped), at(0));
        record.happens(Event::Stopped, at(0));
        record.happens(Event::Wished(Wish::Running), at(4_000));
        record.happens(Event::Started, at(4_000));
        assert_eq!(record.down_for(at(4_100)), None);
        record.happens(Event::Wished(Wish::Stopped), at(4_500));
        assert_eq!(record.down_for(at(5_000)), Some(at(5_000)));
        record.happens(Event::Stopped, at(5_000));
        record.happens(Event::Wished(Wish::Running), at(6_000));
        record.happens(Event::Started, at(6_000));
        record.happens(Event::Passed, at(11_000));
        record.happens(Event::Wished(Wish::Stopped), at(12_000));
        assert_eq!(record.down_for(at(12_500)), Some(at(500)));
    }

    #[test]
    fn an_operator_stops_it_starts_it_and_lets_it_begin_anew() {
        let mut record = Record::running(at(0));
        record.happens(Event::Wished(Wish::Stopped), at(100));
        check(&record, Observed::Running, Due::Now(Act::Stop), 100);
        assert!(!record.is_settled());
        record.happens(Event::Begun(Act::Stop), at(100));
        assert_eq!(record.observed(), Observed::Stopping);
        record.happens(Event::Stopped, at(110));
        check(&record, Observed::Stopped, Due::Never, 110);
        assert!(record.is_settled());
        record.happens(Event::Restart, at(200));
        check(&record, Observed::Stopped, Due::Now(Act::Start), 200);
        record.happens(Event::Started, at(210));
        record.happens(Event::Restart, at(300));
        check(&record, Observed::Running, Due::Now(Act::Stop), 300);
        assert!(!record.is_settled());
        record.happens(Event::Stopped, at(310));
        check(&record, Observed::Stopped, Due::Now(Act::Start), 310);
        record.happens(Event::Started, at(320));
        assert!(record.is_settled());
        assert_eq!((record.shortfall(), record.down_for(at(320))), (None, None));
    }

    #[test]
    fn who_starts_one_that_waits_for_its_next_attempt_does_not_wait() {
        let mut record = Record::running(at(0));
        for _ in 0..9 {
            record.happens(failed("in use"), at(0));
        }
        check(&record, Observed::Failed, Due::At(at(60_000)), 0);
        assert!(record.is_settled());
        record.happens(Event::Wished(Wish::Running), at(10));
        check(&record, Observed::Failed, Due::Now(Act::Start), 10);
        assert!(!record.is_settled(), "the failure before is no answer");
        record.happens(Event::Begun(Act::Start), at(10));
        let slow = record.shortfall().unwrap();
        assert!(slow.starts_with("is still starting; "), "{slow}");
        record.happens(failed("in use"), at(20));
        assert!(record.is_settled());
        let words = "does not run: in use; it is tried again by itself";
        assert_eq!(record.shortfall().as_deref(), Some(words));
        record.happens(Event::Wished(Wish::Stopped), at(20));
        check(&record, Observed::Failed, Due::Now(Act::Stop), 20);
        record.happens(Event::Stopped, at(30));
        assert_eq!(record.shortfall(), None);
    }

    #[test]
    fn one_that_mends_itself_is_looked_at_until_it_has() {
        let mut record = Record::running(at(0)).that_mends_itself();
        record.happens(failed("full"), at(1_000));
        record.happens(failed("full"), at(2_000));
        for now in [2_000, 3_000, 4_000] {
            check(&record, Observed::Failed, Due::At(at(now + 1_000)), now);
            check(&record, Observed::Failed, Due::Now(Act::Check), now + 1_000);
            record.happens(failed("full"), at(now + 1_000));
        }
        assert_eq!(record.failures_total(), 1, "it is one failure");
        assert_eq!(record.down_for(at(6_000)), Some(at(4_000)));
        record.happens(Event::Passed, at(6_000));
        check(&record, Observed::Running, Due::At(at(7_000)), 6_000);
    }
}
