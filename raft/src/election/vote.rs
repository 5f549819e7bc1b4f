//! Whom a voter would elect, and whom it may vote for. What it promised by hearing a leader, or by
//! granting a lease, it keeps here.

use std::time::Duration;

use pollux_domain::ids::Voter;

use super::Election;
use super::timing::within;
use super::words::{Answer, Facts, LogPosition, Question, Refusal};

/// A twin that we, as leader, told to campaign: the one vote that breaks the promise. It names one
/// term, so that the twin knows of each of its elections whether such a vote was in it; and it
/// ends before a twin that was started again meanwhile may campaign.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exemption {
    pub(super) candidate: Voter,
    pub(super) term: u64,
    pub(super) until: Duration,
}

impl Election {
    /// Another voter wants to know whether it would be elected. One who was told yes goes first for
    /// as long as its question takes: two that were told yes by the same voter would depose one
    /// another.
    pub fn take_question(
        &mut self,
        now: Duration,
        facts: &Facts,
        from: Voter,
        question: Question,
    ) -> Answer {
        let Question::WouldYouElect { round, last_log } = question;
        let we_go_first = self
            .campaign
            .asks_with()
            .is_some_and(|ours| (last_log, from) < (ours, self.me));
        let other_goes_first = self.promised_within(now, self.timing.ask, from);
        let refusal = self
            .binds(now, facts, from, last_log)
            .or((we_go_first || other_goes_first).then_some(Refusal::GoesFirst));
        if refusal.is_none() {
            self.promised = Some((from, now));
        }
        Answer { round, refusal }
    }

    /// Stands in front of the log's core: a request for a vote to which this says no does not reach
    /// it, nor does it change our term.
    pub fn may_vote(
        &self,
        now: Duration,
        facts: &Facts,
        candidate: Voter,
        term: u64,
        last_log: LogPosition,
    ) -> bool {
        match self.binds(now, facts, candidate, last_log) {
            None => true,
            Some(Refusal::HearsLeader | Refusal::GrantedLease | Refusal::Leads) => {
                self.exempt(now, candidate, term)
            }
            Some(_) => false,
        }
    }

    /// What keeps us from electing a candidate now. The log comes last, so that whoever is exempt
    /// from what comes before is told of it.
    fn binds(
        &self,
        now: Duration,
        facts: &Facts,
        candidate: Voter,
        last_log: LogPosition,
    ) -> Option<Refusal> {
        if self.is_stranger(candidate) {
            Some(Refusal::Stranger)
        } else if self.just_started(now) {
            Some(Refusal::JustStarted)
        } else if self.disk_stopped(facts) {
            Some(Refusal::DiskStopped)
        } else if last_log < facts.last_log {
            Some(Refusal::LongerLog)
        } else if facts.leads && (self.lead.is_none() || self.confirmed(now, facts)) {
            // One that was elected since the last tick is confirmed by that.
            Some(Refusal::Leads)
        } else if self.hears_leader(now) {
            Some(Refusal::HearsLeader)
        } else if self.granted_recently(now) {
            Some(Refusal::GrantedLease)
        } else {
            None
        }
    }

    /// Whether another than `voter` was told yes so shortly ago.
    pub(super) fn promised_within(&self, now: Duration, length: Duration, voter: Voter) -> bool {
        self.promised
            .is_some_and(|(to, at)| to != voter && within(now, Some(at), length))
    }

    fn exempt(&self, now: Duration, candidate: Voter, term: u64) -> bool {
        self.exemption.is_some_and(|exemption| {
            exemption.candidate == candidate && exemption.term == term && now < exemption.until
        })
    }

    /// A node that has come back under a newer incarnation never votes or leads under the old name.
    /// A voter that we have not heard of is none: our own log may lag behind the membership.
    fn is_stranger(&self, voter: Voter) -> bool {
        let mut known = self.voters.keys();
        known.any(|other| other.node == voter.node && voter.incarnation < other.incarnation)
    }
}
