//! How a voter comes to campaign: silence, a question to the others, a majority's yes. It also
//! takes a leader's handover.

use std::collections::BTreeSet;
use std::time::Duration;

use pollux_domain::ids::Voter;

use super::Election;
use super::timing::within;
use super::words::{Act, Answer, Facts, HandOver, LogPosition, Question, Role};

/// Attempts that make the waiting longer; more do not.
const BACKOFF_STEPS_MAX: u32 = 4;

/// What has been tried since a leader was last heard.
#[derive(Debug, Default)]
pub(super) struct Campaign {
    round: u64,
    asking: Option<Asking>,
    /// When the log's core was last told to campaign.
    elected: Option<Duration>,
    failures: u32,
    not_before: Duration,
}

/// One round of questions.
#[derive(Debug)]
struct Asking {
    since: Duration,
    last_log: LogPosition,
    yes: BTreeSet<Voter>,
}

impl Campaign {
    /// Whether this process has campaigned at all.
    pub(super) fn has_elected(&self) -> bool {
        self.elected.is_some()
    }

    /// The log that goes with the question being asked.
    pub(super) fn asks_with(&self) -> Option<LogPosition> {
        self.asking.as_ref().map(|asking| asking.last_log)
    }
}

impl Election {
    /// An answer to a question of ours has come.
    pub fn take_answer(
        &mut self,
        now: Duration,
        facts: &Facts,
        from: Voter,
        answer: Answer,
    ) -> Vec<Act> {
        let stands = self.campaigns(now, facts) && self.voters.contains_key(&from);
        let quorum = self.quorum();
        let round = self.campaign.round;
        let Some(asking) = &mut self.campaign.asking else {
            return Vec::new();
        };
        if !stands || answer.round != round || answer.refusal.is_some() {
            return Vec::new();
        }
        asking.yes.insert(from);
        if asking.yes.len() < quorum {
            return Vec::new();
        }
        vec![self.elect(now)]
    }

    /// A witness that leads tells us to campaign at once. We hear that leader and campaign all the
    /// same: so the leases that it granted may still run when we lead, see `may_take_over`.
    pub fn take_hand_over(
        &mut self,
        now: Duration,
        facts: &Facts,
        from: Voter,
        told: HandOver,
    ) -> Vec<Act> {
        let fits = self.voters.contains_key(&from)
            && self.role() == Some(Role::Twin)
            && !facts.leads
            && facts.term == told.term
            && told.last_log <= facts.last_log;
        if !fits || !self.able(now, facts) {
            return Vec::new();
        }
        self.handed = Some(told.term + 1);
        vec![self.elect(now)]
    }

    pub(super) fn campaign(&mut self, now: Duration, facts: &Facts, acts: &mut Vec<Act>) {
        if self.hears_leader(now) {
            self.campaign.failures = 0;
        }
        let alone = self.quorum() == 1 && self.role().is_some();
        if alone && !within(now, self.campaign.elected, self.timing.lease) {
            acts.push(self.elect(now));
            return;
        }
        let asked = self.campaign.asking.as_ref().map(|asking| asking.since);
        if asked.is_some_and(|since| !within(now, Some(since), self.timing.ask)) {
            self.back_off(now);
        }
        if alone || !self.campaigns(now, facts) {
            self.campaign.asking = None;
            return;
        }
        let waits = now < self.campaign.not_before
            || self.election_runs(now, facts)
            || self.promised_within(now, self.timing.ask, self.me);
        if self.campaign.asking.is_none() && !waits {
            self.ask(now, facts, acts);
        }
    }

    /// Silence, and nothing that binds us.
    fn campaigns(&self, now: Duration, facts: &Facts) -> bool {
        !facts.leads
            && self.able(now, facts)
            && !self.hears_leader(now)
            && !self.granted_recently(now)
            && match self.role() {
                Some(Role::Twin) => true,
                Some(Role::Witness) => self.has_longest_log(now, facts),
                None => false,
            }
    }

    /// The witness leaves an election to a twin that could win it, now or when its start is long
    /// enough ago, and does not try one that it could not win itself. A twin whose disk has stopped
    /// wins none, though its log is the longest for what it could not give away.
    fn has_longest_log(&self, now: Duration, facts: &Facts) -> bool {
        let is_twin = |voter| self.voters.get(&voter) == Some(&Role::Twin);
        let mut someone = false;
        for (voter, beat) in self.hearing.living(now) {
            someone = true;
            let could_win = !beat.disk_stopped(&self.timing) && facts.last_log <= beat.last_log;
            if is_twin(voter) && could_win {
                return false;
            }
        }
        someone
    }

    fn ask(&mut self, now: Duration, facts: &Facts, acts: &mut Vec<Act>) {
        self.campaign.round += 1;
        self.campaign.asking = Some(Asking {
            since: now,
            last_log: facts.last_log,
            yes: BTreeSet::from([self.me]),
        });
        let question = Question::WouldYouElect {
            round: self.campaign.round,
            last_log: facts.last_log,
        };
        let others = self.voters.keys().filter(|voter| **voter != self.me);
        acts.extend(others.map(|voter| Act::Ask(*voter, question)));
    }

    fn elect(&mut self, now: Duration) -> Act {
        self.back_off(now);
        self.campaign.elected = Some(now);
        Act::Elect
    }

    /// An election that was begun is given the time of the flushes that it needs: to begin another
    /// would only raise the term under those that are about to vote.
    fn election_runs(&self, now: Duration, facts: &Facts) -> bool {
        let flushes = || {
            let mut beats = self.hearing.living(now).map(|(_, beat)| beat);
            facts.flush_pending_for.is_some() || beats.any(|beat| 0 < beat.flush_pending_ms)
        };
        within(now, self.campaign.elected, self.timing.lease)
            || within(now, self.campaign.elected, self.timing.election_max()) && flushes()
    }

    /// The dice keep two voters from failing together for ever.
    fn back_off(&mut self, now: Duration) {
        self.campaign.asking = None;
        self.campaign.failures = (self.campaign.failures + 1).min(BACKOFF_STEPS_MAX);
        let range = (self.timing.lease * self.campaign.failures).as_micros() as u64;
        let drawn = Duration::from_micros(self.dice % range.max(1));
        self.campaign.not_before = now + self.timing.beat + drawn;
    }
}
