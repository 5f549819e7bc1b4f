//! When a voter of a group campaigns, for whom it may vote, and when a leader's voice counts: the
//! rules of design section 4, "Elections", as functions of time and of what was heard. No clock, no
//! network, no log: the shell that drives them stands in `group`.
//!
//! ```text
//!   tick ───────────┐                    ┌──► Beat, to all others
//!   beats, answers ─┼──► Election ──► Act ┼──► Ask: would you vote for me?
//!   questions ──────┘        │            └──► Elect, Pause, HandOver
//!                            └──► may_vote, may_append: the gate before the log's core
//! ```

mod beat;
mod campaign;
mod hand_over;
#[cfg(test)]
mod rules_test;

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::ids::Voter;

pub use beat::{Answer, Beat, LogPosition, Question};
use campaign::Attempt;
use hand_over::HandOver;

/// The times by which voters judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For how long a lease holds, and a leader counts as confirmed.
    pub lease: Duration,
    /// Between two beats.
    pub beat: Duration,
    /// A flush that takes longer is a disk that does not work.
    pub flush_stuck: Duration,
}

impl Timing {
    /// Of a local network (design, section 4: "Begin with …").
    pub const LOCAL: Timing = Timing {
        lease: Duration::from_millis(300),
        beat: Duration::from_millis(50),
        flush_stuck: Duration::from_secs(1),
    };

    /// For how long a vote is refused after a leader was heard: a lease and a tenth, so that every
    /// lease that this leader confirmed with our help has run out.
    pub fn hold(&self) -> Duration {
        self.lease + self.lease / 10
    }
}

/// What a voter is for in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Twin,
    /// Leads for a moment at most.
    Witness,
}

/// What the shell knows of its own replica, read without asking the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub term: u64,
    /// The core leads in `term`.
    pub leads: bool,
    pub last_log: LogPosition,
    /// How long the oldest flush has been under way.
    pub flush_pending: Duration,
    /// What each voter is known to have; only a leader knows.
    pub matched: BTreeMap<Voter, u64>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// To every other voter.
    Beat(Beat),
    /// To every other voter; the answers come back by `take_answer`.
    Ask(Question),
    /// Begin an election in the core.
    Elect,
    /// The leader's heartbeats of the core, off or on.
    Heartbeats(bool),
    /// The leader takes no proposals, or takes them again.
    Pause(bool),
    /// Tell this voter to elect: what it has is all there is.
    HandOver(Voter),
}

/// One voter's mind. See the module.
#[derive(Debug)]
pub struct Election {
    me: Voter,
    role: Role,
    timing: Timing,
    voters: BTreeMap<Voter, Role>,
    /// Until then no vote is given to anybody: a leader was heard, a lease granted, or this voter
    /// has just begun to live and does not know what it said before.
    held_until: Duration,
    /// Until then this voter, as leader, decides on no takeover.
    restrained_until: Duration,
    heard: BTreeMap<Voter, Heard>,
    beats_sent: u64,
    last_beat: Option<Duration>,
    /// When this leader was elected, and when each beat that was answered had been sent.
    leads_since: Option<(u64, Duration)>,
    echoed: BTreeMap<Voter, Duration>,
    sent_at: std::collections::VecDeque<(u64, Duration)>,
    heartbeats: bool,
    attempt: Option<Attempt>,
    quiet_until: Duration,
    hand_over: HandOver,
    /// The term in which a leader has asked this voter to follow it.
    called_in: Option<u64>,
    /// A vote for this term is being given, since when: what earlier leaders ask for is answered no
    /// more, so that none of them confirms anything with our help meanwhile.
    voting: Option<(u64, Duration)>,
}

/// What another voter said last.
#[derive(Debug, Clone)]
struct Heard {
    at: Duration,
    beat: Beat,
}

impl Election {
    /// A voter that begins to live at `now`.
    pub fn new(me: Voter, role: Role, timing: Timing, now: Duration) -> Election {
        Election {
            me,
            role,
            timing,
            voters: BTreeMap::new(),
            held_until: now + timing.hold(),
            restrained_until: now + timing.hold(),
            heard: BTreeMap::new(),
            beats_sent: 0,
            last_beat: None,
            leads_since: None,
            echoed: BTreeMap::new(),
            sent_at: std::collections::VecDeque::new(),
            heartbeats: true,
            attempt: None,
            quiet_until: now,
            hand_over: HandOver::default(),
            called_in: None,
            voting: None,
        }
    }

    /// Who votes, as the log says now.
    pub fn set_voters(&mut self, voters: BTreeMap<Voter, Role>) {
        self.heard.retain(|voter, _| voters.contains_key(voter));
        if let Some(role) = voters.get(&self.me) {
            self.role = *role;
        }
        self.voters = voters;
    }

    /// What follows from time alone. `dice`: any number, to part two who try at once.
    pub fn tick(&mut self, now: Duration, facts: &Facts, dice: u64) -> Vec<Act> {
        let mut acts = Vec::new();
        if !self.voters.contains_key(&self.me) {
            return acts;
        }
        self.note_lead(now, facts);
        // Whatever became of a vote is in the core's term by now.
        let old = |(term, since): (u64, Duration)| {
            term <= facts.term || since + self.timing.flush_stuck <= now
        };
        if self.voting.is_some_and(old) {
            self.voting = None;
        }
        if self.voters.len() > 1 && self.last_beat.is_none_or(|at| at + self.timing.beat <= now) {
            acts.push(Act::Beat(self.next_beat(now, facts)));
        }
        if facts.leads {
            self.lead(now, facts, &mut acts);
        } else {
            self.follow(now, facts, dice, &mut acts);
        }
        acts
    }

    /// Whether this voter, as leader, may decide that somebody else serves.
    ///
    /// After an ordinary election it may at once: who confirmed the last lease of an earlier leader
    /// is in every majority, and gave no vote before that lease had run out. After a handover, or
    /// a restart, leases may run that it knows nothing of.
    pub fn may_take_over(&self, now: Duration) -> bool {
        self.leads_since.is_some() && self.restrained_until <= now
    }

    /// Whether a leader counts as one: elected a moment ago, or answered by a majority within one
    /// lease; and its disk works.
    pub fn is_confirmed(&self, now: Duration, facts: &Facts) -> bool {
        if !facts.leads || self.timing.flush_stuck <= facts.flush_pending {
            return false;
        }
        let fresh = |at: Duration| now < at + self.timing.lease;
        if self.leads_since.is_some_and(|(_, at)| fresh(at)) {
            return true;
        }
        let answered = self.voters.keys().filter(|voter| {
            **voter == self.me || self.echoed.get(*voter).copied().is_some_and(fresh)
        });
        self.is_majority(answered.count())
    }

    /// As leader, a lease was granted: no vote is given away before it has run out.
    pub fn note_lease_granted(&mut self, now: Duration) {
        self.hold(now);
    }

    /// Entries, or a confirmation, of the leader of `term` were taken. False: a vote was given
    /// meanwhile, and the leader may not hear that they were.
    pub fn note_entries(&mut self, now: Duration, term: u64) -> bool {
        if self.voting.is_some_and(|(voting, _)| term < voting) {
            return false;
        }
        self.hold(now);
        true
    }

    /// The core has given the vote, or not.
    pub fn end_vote(&mut self, term: u64) {
        if self.voting.is_some_and(|(voting, _)| voting == term) {
            self.voting = None;
        }
    }

    fn hold(&mut self, now: Duration) {
        self.held_until = self.held_until.max(now + self.timing.hold());
    }

    fn is_majority(&self, count: usize) -> bool {
        self.voters.len() < 2 * count
    }

    fn note_lead(&mut self, now: Duration, facts: &Facts) {
        let known = self.leads_since.map(|(term, _)| term);
        if !facts.leads {
            self.leads_since = None;
        } else if known != Some(facts.term) {
            self.leads_since = Some((facts.term, now));
            self.echoed.clear();
            self.attempt = None;
            if self.called_in.is_some_and(|term| term < facts.term) {
                self.restrained_until = self.restrained_until.max(now + self.timing.hold());
            }
            self.called_in = None;
        }
    }

    /// What a leader does besides leading.
    fn lead(&mut self, now: Duration, facts: &Facts, acts: &mut Vec<Act>) {
        if self.voters.len() == 1 {
            return;
        }
        let confirmed = self.is_confirmed(now, facts);
        if confirmed != self.heartbeats {
            self.heartbeats = confirmed;
            acts.push(Act::Heartbeats(confirmed));
        }
        if self.role == Role::Witness {
            self.step_aside(now, facts, acts);
        }
    }
}
