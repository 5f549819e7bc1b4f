//! Silence, the question to the others, the election; and the votes that are given.

use std::collections::BTreeSet;
use std::time::Duration;

use pollux_domain::ids::Voter;

use super::{Act, Answer, Election, Facts, LogPosition, Question, Role};

/// Who would vote for this voter in the election that it thinks of.
#[derive(Debug)]
pub(super) struct Attempt {
    term: u64,
    yes: BTreeSet<Voter>,
}

/// Between two attempts at least, and what the dice add at most.
const PAUSE_MS: u64 = 60;
const DICE_MS: u64 = 120;

impl Election {
    /// What a voter does that does not lead.
    pub(super) fn follow(&mut self, now: Duration, facts: &Facts, dice: u64, acts: &mut Vec<Act>) {
        if !self.hand_over.is_idle() {
            self.hand_over = Default::default();
            acts.push(Act::Pause(false));
        }
        if !self.heartbeats {
            self.heartbeats = true;
            acts.push(Act::Heartbeats(true));
        }
        let stuck = self.timing.flush_stuck <= facts.flush_pending;
        if now < self.quiet_until || stuck {
            return;
        }
        if self.voters.len() == 1 {
            self.wait(now, dice);
            acts.push(Act::Elect);
            return;
        }
        if now < self.held_until || !self.should_lead(now, facts) {
            return;
        }
        self.wait(now, dice);
        self.attempt = Some(Attempt {
            term: facts.term,
            yes: BTreeSet::from([self.me]),
        });
        acts.push(Act::Ask(Question::WouldYouVote {
            term: facts.term,
            last_log: facts.last_log,
        }));
    }

    fn wait(&mut self, now: Duration, dice: u64) {
        self.quiet_until = now + Duration::from_millis(PAUSE_MS + dice % DICE_MS);
    }

    /// The witness campaigns only where its log is longer than that of every twin that lives, and
    /// one does.
    fn should_lead(&self, now: Duration, facts: &Facts) -> bool {
        if self.role == Role::Twin {
            return true;
        }
        let twins = self.voters.iter().filter(|(_, role)| **role == Role::Twin);
        let mut alive = twins
            .filter_map(|(voter, _)| self.alive_beat(now, *voter))
            .filter(|beat| !beat.is_stuck)
            .peekable();
        alive.peek().is_some() && alive.all(|beat| beat.last_log < facts.last_log)
    }

    /// A question of another voter.
    pub fn take_question(
        &mut self,
        now: Duration,
        facts: &Facts,
        from: Voter,
        question: Question,
    ) -> (Answer, Vec<Act>) {
        match question {
            Question::WouldYouVote { term, last_log } => {
                let yes = facts.last_log <= last_log && self.may_vote(now, facts, from);
                (Answer { term, yes }, Vec::new())
            }
            Question::TakeTheLead { term } => {
                let yes = self.voters.contains_key(&from) && term == facts.term && !facts.leads;
                let mut acts = Vec::new();
                if yes {
                    self.called_in = Some(term);
                    acts.push(self.elect(now, facts));
                }
                (Answer { term, yes }, acts)
            }
        }
    }

    pub fn take_answer(
        &mut self,
        now: Duration,
        facts: &Facts,
        from: Voter,
        answer: Answer,
    ) -> Vec<Act> {
        let Some(attempt) = &mut self.attempt else {
            return Vec::new();
        };
        if !answer.yes || answer.term != attempt.term || facts.term != attempt.term {
            return Vec::new();
        }
        attempt.yes.insert(from);
        let count = attempt.yes.len();
        // Somebody may have begun to lead while the answers came.
        if !self.is_majority(count) || now < self.held_until || facts.leads {
            return Vec::new();
        }
        self.attempt = None;
        self.quiet_until = self.quiet_until.max(now + self.timing.lease / 2);
        vec![self.elect(now, facts)]
    }

    /// A candidate votes for itself.
    fn elect(&mut self, now: Duration, facts: &Facts) -> Act {
        self.voting = Some((facts.term + 1, now));
        Act::Elect
    }

    /// [`Election::may_vote`], and from here on no earlier leader is answered until
    /// [`Election::end_vote`].
    pub fn begin_vote(
        &mut self,
        now: Duration,
        facts: &Facts,
        candidate: Voter,
        term: u64,
    ) -> bool {
        let may = self.may_vote(now, facts, candidate);
        if may && self.voting.is_none_or(|(voting, _)| voting < term) {
            self.voting = Some((term, now));
        }
        may
    }

    /// The gate before the core's vote: no leader was heard and no lease granted for a lease and a
    /// tenth; or this leader itself has asked the candidate to take the lead.
    pub fn may_vote(&self, now: Duration, facts: &Facts, candidate: Voter) -> bool {
        if !self.voters.contains_key(&candidate) || candidate == self.me {
            return false;
        }
        if self.hand_over.is_to(candidate, now) {
            return true;
        }
        self.held_until <= now && !self.is_confirmed(now, facts)
    }

    /// The gate before the core's entries: a leader that says of itself that nobody answers it is
    /// not listened to, so that a cut in one direction does not keep its followers waiting.
    pub fn may_append(&self, now: Duration, leader: Voter, term: u64) -> bool {
        if self.voting.is_some_and(|(voting, _)| term < voting) {
            return false;
        }
        let Some(beat) = self.alive_beat(now, leader) else {
            return true;
        };
        beat.term != term || !beat.leads || beat.confirmed
    }

    /// The end of a log that a voter has told.
    pub fn last_log_of(&self, voter: Voter) -> Option<LogPosition> {
        self.heard.get(&voter).map(|heard| heard.beat.last_log)
    }
}
