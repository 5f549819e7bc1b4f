//! What voters tell each other outside the log: beats, and the question before an election.

use std::time::Duration;

use pollux_domain::ids::Voter;
use serde::{Deserialize, Serialize};

use super::{Election, Facts, Heard};

/// The end of a log; a later term goes before a greater index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogPosition {
    pub term: u64,
    pub index: u64,
}

/// A voter lives, and this is how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    pub number: u64,
    pub term: u64,
    pub leads: bool,
    /// A leader that a majority has answered within one lease, and whose disk works.
    pub confirmed: bool,
    pub last_log: LogPosition,
    /// Its disk has not finished a flush for too long.
    pub is_stuck: bool,
    /// The last beat that was heard of each other voter.
    pub echoes: Vec<(Voter, u64)>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Would you vote for me?
    WouldYouVote { term: u64, last_log: LogPosition },
    /// The leader of `term` asks this voter to take the lead.
    TakeTheLead { term: u64 },
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Of the question's term.
    pub term: u64,
    pub yes: bool,
}

/// Beats whose time of sending is remembered.
const SENT_MAX: usize = 64;

impl Election {
    pub(super) fn next_beat(&mut self, now: Duration, facts: &Facts) -> Beat {
        self.last_beat = Some(now);
        self.beats_sent += 1;
        self.sent_at.push_back((self.beats_sent, now));
        if SENT_MAX < self.sent_at.len() {
            self.sent_at.pop_front();
        }
        let echoes = self.heard.iter();
        Beat {
            number: self.beats_sent,
            term: facts.term,
            leads: facts.leads,
            confirmed: self.is_confirmed(now, facts),
            last_log: facts.last_log,
            is_stuck: self.timing.flush_stuck <= facts.flush_pending,
            echoes: echoes
                .map(|(voter, heard)| (*voter, heard.beat.number))
                .collect(),
        }
    }

    /// A beat of another voter. Strangers, old incarnations among them, are not heard.
    pub fn take_beat(&mut self, now: Duration, from: Voter, beat: Beat) {
        if !self.voters.contains_key(&from) || from == self.me {
            return;
        }
        if beat.leads && beat.confirmed {
            self.hold(now);
        }
        let echo = beat.echoes.iter().find(|(voter, _)| *voter == self.me);
        if let Some((_, number)) = echo {
            // It counts from when our beat was sent, since that is what was heard.
            let sent = self.sent_at.iter().find(|(sent, _)| sent == number);
            if let Some((_, at)) = sent {
                let known = self.echoed.entry(from).or_default();
                *known = (*known).max(*at);
            }
        }
        self.heard.insert(from, Heard { at: now, beat });
    }

    /// Whether another voter was heard within one lease.
    pub fn is_alive(&self, now: Duration, voter: Voter) -> bool {
        let heard = self.heard.get(&voter);
        heard.is_some_and(|heard| now < heard.at + self.timing.lease)
    }

    pub(super) fn alive_beat(&self, now: Duration, voter: Voter) -> Option<&Beat> {
        self.is_alive(now, voter)
            .then(|| self.heard.get(&voter).map(|heard| &heard.beat))
            .flatten()
    }
}
