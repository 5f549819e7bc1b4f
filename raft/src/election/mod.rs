//! When a voter campaigns, whom it may vote for, and when a leader keeps quiet (design, section 4).
//! Not for votes and entries themselves: those are the log's core's. No clock, no sockets:
//!
//! ```text
//!  tick, beats, questions, answers,      ┌──────────┐   beats, questions, Elect,
//!  entries taken, leases granted ───────►│ Election │──► heartbeats off/on, proposals
//!  (each with the time)                  └──────────┘   stopped/resumed, HandOver
//!          may_vote in front of every vote request ──► yes or no
//!          may_take_over in front of every takeover ─► yes or no
//! ```
//!
//! `hearing` keeps what came in; `campaign`, `vote` and `lead` decide. What a voter promises by
//! taking entries or granting a lease holds only if nothing slips between the promise and the log's
//! core. So who drives this tells an earlier leader nothing, and grants no lease, from a yes of
//! `may_vote` or an `Elect` on until the core has answered it: see `group::guard`.

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::ids::Voter;

mod campaign;
#[cfg(test)]
mod election_test;
mod hearing;
mod lead;
mod timing;
mod vote;
mod words;

pub use timing::Timing;
pub use words::{Act, Answer, Beat, Facts, HandOver, LogPosition, Question, Refusal, Role, Sight};

use campaign::Campaign;
use hearing::Hearing;
use lead::Lead;
use timing::within;
use vote::Exemption;

/// One voter's part in the elections of one group.
#[derive(Debug)]
pub struct Election {
    me: Voter,
    timing: Timing,
    /// When this process began. What an earlier one promised is not known.
    started: Duration,
    voters: BTreeMap<Voter, Role>,
    /// The term of our vote at the last tick.
    term: u64,
    dice: u64,
    hearing: Hearing,
    /// When we last granted a lease.
    granted: Option<Duration>,
    campaign: Campaign,
    /// While we lead.
    lead: Option<Lead>,
    /// The twin that we told to campaign.
    exemption: Option<Exemption>,
    /// Whom we last told that we would elect it, and when.
    promised: Option<(Voter, Duration)>,
    /// The term in which we campaign because a leader told us to.
    handed: Option<u64>,
    last_beat: Option<Duration>,
}

impl Election {
    /// For a process that begins now.
    pub fn new(me: Voter, timing: Timing, now: Duration) -> Election {
        Election {
            me,
            timing,
            started: now,
            voters: BTreeMap::new(),
            term: 0,
            dice: 0,
            hearing: Hearing::new(timing),
            granted: None,
            campaign: Campaign::default(),
            lead: None,
            exemption: None,
            promised: None,
            handed: None,
            last_beat: None,
        }
    }

    /// To be called every few ten milliseconds, and whenever leadership was won or lost. `dice` is
    /// any random number.
    pub fn tick(
        &mut self,
        now: Duration,
        facts: &Facts,
        voters: &BTreeMap<Voter, Role>,
        dice: u64,
    ) -> Vec<Act> {
        if self.voters != *voters {
            self.voters.clone_from(voters);
            self.hearing.keep(voters);
        }
        self.dice = dice;
        self.term = facts.term;
        let mut acts = Vec::new();
        let changed = self.notice_leadership(now, facts, &mut acts);
        if self.lead.is_some() {
            self.lead(now, facts, &mut acts);
        } else {
            self.campaign(now, facts, &mut acts);
        }
        if changed || !within(now, self.last_beat, self.timing.beat) {
            self.last_beat = Some(now);
            acts.push(Act::Beat(self.beat(now, facts)));
        }
        acts
    }

    /// Another voter's beat has come. Those of strangers are not heard.
    pub fn take_beat(&mut self, now: Duration, from: Voter, beat: Beat) {
        if from != self.me && self.voters.contains_key(&from) {
            self.hearing.take(now, self.term, from, beat);
        }
    }

    /// Entries or a heartbeat of `leader` have come and go to the log's core next. From here on we
    /// refuse our vote: a quorum of such promises is what a lease stands on.
    pub fn note_entries(&mut self, now: Duration, leader: Voter, term: u64) {
        if self.term <= term && leader != self.me {
            self.hearing.take_entries(now);
        }
    }

    /// As leader, a grant was recorded, and is to be confirmed next.
    pub fn note_lease_granted(&mut self, now: Duration) {
        self.granted = Some(now);
    }

    /// Whether a voter has been heard within one lease. We always hear ourselves.
    pub fn alive(&self, now: Duration, voter: Voter) -> bool {
        voter == self.me || self.hearing.living(now).any(|(other, _)| other == voter)
    }

    /// The leader that speaks at this moment, as far as is known here. It is where a lease is asked
    /// for; it may be wrong.
    pub fn leader(&self, now: Duration) -> Option<Voter> {
        match self.lead {
            Some(_) => Some(self.me),
            None => self.hearing.sight(now).map(|sight| sight.leader),
        }
    }

    /// The term in which we lead, as of the last tick.
    pub fn leads_in(&self) -> Option<u64> {
        self.lead.as_ref().map(Lead::term)
    }

    fn beat(&self, now: Duration, facts: &Facts) -> Beat {
        let flush = facts.flush_pending_for.unwrap_or_default();
        Beat {
            term: facts.term,
            leads: self.lead.is_some(),
            confirmed: self.confirmed(now, facts),
            able: self.able(now, facts),
            last_log: facts.last_log,
            flush_pending_ms: u32::try_from(flush.as_millis()).unwrap_or(u32::MAX),
            stamp_ms: now.as_millis() as u64,
            sees: match self.lead {
                Some(_) => None,
                None => self.hearing.sight(now),
            },
        }
    }

    /// Our disk writes, and we are not bound by what an earlier process may have promised.
    fn able(&self, now: Duration, facts: &Facts) -> bool {
        !self.just_started(now) && !self.disk_stopped(facts)
    }

    fn just_started(&self, now: Duration) -> bool {
        within(now, Some(self.started), self.timing.patience())
    }

    fn disk_stopped(&self, facts: &Facts) -> bool {
        let stuck = |pending| self.timing.flush_stuck < pending;
        facts.flush_pending_for.is_some_and(stuck)
    }

    fn granted_recently(&self, now: Duration) -> bool {
        within(now, self.granted, self.timing.patience())
    }

    fn hears_leader(&self, now: Duration) -> bool {
        self.hearing.leader_within(now, self.timing.patience())
    }

    fn quorum(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    fn role(&self) -> Option<Role> {
        self.voters.get(&self.me).copied()
    }
}
