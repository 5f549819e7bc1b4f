//! What a leader does beside leading: it knows whether a quorum answers, keeps its heartbeats quiet
//! when none does, and, as witness, gives the lead to a twin.

use std::time::Duration;

use pollux_domain::ids::Voter;

use super::Election;
use super::timing::within;
use super::vote::Exemption;
use super::words::{Act, Facts, HandOver, Role};

/// A twin whose log lacks more entries than this has to catch up before proposals wait for it.
const HAND_OVER_GAP_ENTRIES: u64 = 64;
/// A twin is counted on for the next entries where its flush takes no longer than this, …
const PROMPT_FLUSH_MS: u32 = 20;
/// … its last beat answers one of ours of the last so many, …
const ECHO_BEATS: u32 = 3;
/// … and no more than so many entries are not known to be with it: one is written at a time.
const ENTRIES_UNDER_WAY: u64 = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Lead {
    term: u64,
    since: Duration,
    /// A quorum has elected us in this process. If not, the log's core has taken up again the lead
    /// that an earlier process had.
    elected: bool,
    heartbeats_off: bool,
    handing: Handing,
}

/// How far a handover is.
#[derive(Debug, Clone, Copy)]
enum Handing {
    Not {
        before: Duration,
    },
    /// Proposals are stopped until the twin has everything.
    Draining {
        twin: Voter,
        since: Duration,
    },
    /// The twin has been told.
    Told {
        since: Duration,
    },
}

impl Election {
    /// Whether takeovers may be proposed: whether every lease that an earlier leader granted has
    /// run out.
    ///
    /// After an ordinary election it has, at once. A lease counts from a moment before a quorum
    /// took its leader's heartbeat, and counts LEASE. Each of that quorum, the leader among them,
    /// refuses its vote for LEASE and a tenth after that heartbeat or that grant, and for as long
    /// after a restart, since it does not know what it took before. We were elected by a quorum;
    /// one voter is in both.
    ///
    /// After a handover the leader and we have voted in spite of that, so that we wait here for as
    /// long. So does a leader that has been started again: it does not know what it granted.
    pub fn may_take_over(&self, now: Duration) -> bool {
        let Some(lead) = &self.lead else {
            return false;
        };
        let handed = self.handed == Some(lead.term);
        let waits = handed && within(now, Some(lead.since), self.timing.patience());
        !waits && !self.just_started(now)
    }

    /// As leader: a quorum has answered within a lease, and our disk writes.
    pub fn confirmed(&self, now: Duration, facts: &Facts) -> bool {
        let answered = self.answered(now, facts);
        within(now, answered, self.timing.lease) && !self.disk_stopped(facts)
    }

    /// Returns whether we have begun to lead.
    pub(super) fn notice_leadership(
        &mut self,
        now: Duration,
        facts: &Facts,
        acts: &mut Vec<Act>,
    ) -> bool {
        let led = self.lead.as_ref().map(|lead| lead.term);
        if led == facts.leads.then_some(facts.term) {
            return false;
        }
        if let Some(lead) = self.lead.take() {
            lead.undo(acts);
        }
        if !facts.leads {
            return false;
        }
        self.lead = Some(Lead {
            term: facts.term,
            since: now,
            elected: self.campaign.has_elected(),
            heartbeats_off: false,
            handing: Handing::Not { before: now },
        });
        true
    }

    pub(super) fn lead(&mut self, now: Duration, facts: &Facts, acts: &mut Vec<Act>) {
        let answered = self.answered(now, facts);
        let Some(lead) = &mut self.lead else { return };
        let silent = !within(now, answered.max(Some(lead.since)), self.timing.lease);
        if silent != lead.heartbeats_off {
            lead.heartbeats_off = silent;
            acts.push(match silent {
                true => Act::HeartbeatsOff,
                false => Act::HeartbeatsOn,
            });
        }
        if self.role() == Some(Role::Witness) {
            self.hand_over(now, facts, acts);
        }
    }

    /// The witness serves nobody, so that it gives the lead to a twin as soon as one can take it.
    fn hand_over(&mut self, now: Duration, facts: &Facts, acts: &mut Vec<Act>) {
        let twin = self.next_leader(now, facts);
        let confirmed = self.confirmed(now, facts);
        let Some(lead) = &mut self.lead else { return };
        match lead.handing {
            Handing::Not { before } => {
                // The log's core, too, refuses its vote for one lease after its own election.
                let settled = !within(now, Some(lead.since), self.timing.patience());
                if let Some(twin) = twin
                    && confirmed
                    && settled
                    && before <= now
                {
                    lead.handing = Handing::Draining { twin, since: now };
                    acts.push(Act::StopProposals);
                }
            }
            Handing::Draining { twin, since } => self.drain(now, facts, twin, since, acts),
            Handing::Told { since } => {
                if !within(now, Some(since), self.timing.lease) {
                    self.keep_the_lead(now, acts);
                }
            }
        }
    }

    fn drain(
        &mut self,
        now: Duration,
        facts: &Facts,
        twin: Voter,
        since: Duration,
        acts: &mut Vec<Act>,
    ) {
        if !self.alive(now, twin) || !within(now, Some(since), self.timing.drain) {
            self.keep_the_lead(now, acts);
            return;
        }
        if facts.matched.get(&twin) != Some(&facts.last_log.index) {
            return;
        }
        self.exemption = Some(Exemption {
            candidate: twin,
            term: facts.term + 1,
            until: now + self.timing.lease,
        });
        if let Some(lead) = &mut self.lead {
            lead.handing = Handing::Told { since: now };
        }
        let told = HandOver {
            term: facts.term,
            last_log: facts.last_log,
        };
        acts.push(Act::HandOver(twin, told));
    }

    /// The handover did not come about: go on, and try again after a while.
    fn keep_the_lead(&mut self, now: Duration, acts: &mut Vec<Act>) {
        let drawn = Duration::from_micros(self.dice % self.timing.lease.as_micros().max(1) as u64);
        if let Some(lead) = &mut self.lead {
            lead.handing = Handing::Not {
                before: now + self.timing.patience() + drawn,
            };
        }
        acts.push(Act::ResumeProposals);
    }

    /// As leader, the witness, where entries may reach it late: a twin that answers at once and has
    /// all but what is under way makes the majority with us. Says only what costs no time; whom an
    /// entry reaches when is never a matter of safety.
    pub fn may_lag(&self, now: Duration, facts: &Facts) -> Option<Voter> {
        let lead = self.lead.as_ref()?;
        let twin = self.next_leader(now, facts)?;
        let mut living = self.hearing.living(now);
        let (_, beat) = living.find(|(voter, _)| *voter == twin)?;
        let sight = beat
            .sees
            .filter(|sight| (sight.leader, sight.term) == (self.me, lead.term));
        let heard = sight.map(|sight| Duration::from_millis(sight.stamp_ms));
        let at_once = within(now, heard, ECHO_BEATS * self.timing.beat)
            && beat.flush_pending_ms <= PROMPT_FLUSH_MS;
        let has_all = facts.last_log.index <= facts.matched.get(&twin)? + ENTRIES_UNDER_WAY;
        // Among three, two are a majority.
        if !at_once || !has_all || self.voters.len() != 3 {
            return None;
        }
        let mut others = self.voters.iter().filter(|(voter, _)| **voter != self.me);
        let witness = others.find(|(_, role)| **role == Role::Witness);
        witness.map(|(voter, _)| *voter)
    }

    /// The twin that could lead and has most of the log.
    fn next_leader(&self, now: Duration, facts: &Facts) -> Option<Voter> {
        let near = facts.last_log.index.saturating_sub(HAND_OVER_GAP_ENTRIES);
        self.hearing
            .living(now)
            .filter(|(voter, beat)| self.voters.get(voter) == Some(&Role::Twin) && beat.able)
            .filter_map(|(voter, _)| Some((*facts.matched.get(&voter)?, voter)))
            .filter(|(matched, _)| near <= *matched)
            .max()
            .map(|(_, voter)| voter)
    }

    /// When we last said something that a quorum has answered. Its election is an answer too.
    /// Beats count as much as the core's own answers: the core keeps silent for as long as a flush
    /// takes, here or there.
    fn answered(&self, now: Duration, facts: &Facts) -> Option<Duration> {
        let lead = self.lead.as_ref()?;
        let elected = lead.elected.then_some(lead.since);
        let by_core = facts
            .quorum_answered_ago
            .and_then(|ago| now.checked_sub(ago));
        let others = self.quorum() - 1;
        let by_beats = self.hearing.echoed(now, self.me, lead.term, others);
        elected.max(by_core).max(by_beats)
    }
}

impl Lead {
    pub(super) fn term(&self) -> u64 {
        self.term
    }

    /// What was switched off for this leadership must not stay so for the next.
    fn undo(self, acts: &mut Vec<Act>) {
        if self.heartbeats_off {
            acts.push(Act::HeartbeatsOn);
        }
        if !matches!(self.handing, Handing::Not { .. }) {
            acts.push(Act::ResumeProposals);
        }
    }
}
