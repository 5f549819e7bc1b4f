//! The sentences of the design's section 4 on elections, one test each.

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::ids::{Incarnation, NodeId, Voter};

use super::{
    Act, Answer, Beat, Election, Facts, HandOver, LogPosition, Question, Refusal, Role, Sight,
    Timing,
};

mod campaign;
mod lead;
mod vote;
mod witness;

const A: Voter = voter(1, 1);
const B: Voter = voter(2, 1);
const W: Voter = voter(3, 1);
/// Long after the start, so that nothing binds a voter because of that.
const LATER: u64 = 10_000;
/// LEASE and a tenth.
const PATIENCE: u64 = 330;

const fn voter(node: u16, incarnation: u32) -> Voter {
    Voter {
        node: NodeId(node),
        incarnation: Incarnation(incarnation),
    }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn log(index: u64) -> LogPosition {
    LogPosition {
        term: 1,
        leader: A.number(),
        index,
    }
}

fn facts() -> Facts {
    Facts {
        term: 1,
        last_log: log(10),
        ..Facts::default()
    }
}

fn leading() -> Facts {
    Facts {
        leads: true,
        matched: BTreeMap::from([(A, 10), (B, 10), (W, 10)]),
        ..facts()
    }
}

fn beat() -> Beat {
    Beat {
        term: 1,
        leads: false,
        confirmed: false,
        able: true,
        last_log: log(10),
        flush_pending_ms: 0,
        stamp_ms: 0,
        sees: None,
    }
}

fn leaders_beat() -> Beat {
    Beat {
        leads: true,
        confirmed: true,
        ..beat()
    }
}

/// A voter and its clock. Ticks leave out beats.
struct Play {
    election: Election,
    voters: BTreeMap<Voter, Role>,
    facts: Facts,
}

impl Play {
    /// Started at zero.
    fn new(me: Voter) -> Play {
        let voters = [(A, Role::Twin), (B, Role::Twin), (W, Role::Witness)];
        let mut play = Play {
            election: Election::new(me, Timing::DEFAULT, ms(0)),
            voters: BTreeMap::from(voters),
            facts: facts(),
        };
        // Whoever hears a leader at the first tick asks nothing.
        play.election.note_entries(ms(0), A, 1);
        play.tick(0);
        play
    }

    /// Has become leader at `at`, by an election.
    fn elected(me: Voter, at: u64) -> Play {
        let mut play = Play::new(me);
        assert_eq!(play.ask_and_win(at - 1, B), [Act::Elect]);
        play.facts = leading();
        play.tick(at);
        play
    }

    fn tick(&mut self, at: u64) -> Vec<Act> {
        let mut acts = self.election.tick(ms(at), &self.facts, &self.voters, 0);
        acts.retain(|act| !matches!(act, Act::Beat(_)));
        acts
    }

    fn ask_and_win(&mut self, at: u64, from: Voter) -> Vec<Act> {
        if self.voters[&self.election.me] == Role::Witness {
            let behind = Beat {
                last_log: log(9),
                ..beat()
            };
            self.election.take_beat(ms(at), from, behind);
        }
        let round = asked(&self.tick(at)).expect("it asks");
        let answer = Answer {
            round,
            refusal: None,
        };
        self.election.take_answer(ms(at), &self.facts, from, answer)
    }

    fn said_beat(&mut self, at: u64) -> Beat {
        let acts = self.election.tick(ms(at), &self.facts, &self.voters, 0);
        let beats = acts.into_iter().find_map(|act| match act {
            Act::Beat(beat) => Some(beat),
            _ => None,
        });
        beats.expect("a beat is due")
    }

    fn hear(&mut self, at: u64, from: Voter, beat: Beat) {
        self.election.take_beat(ms(at), from, beat);
    }

    /// Both others have heard what we said as leader at `stamp`.
    fn echo(&mut self, at: u64, from: Voter, stamp_ms: u64) {
        let leader = self.election.me;
        let sees = Some(Sight {
            leader,
            term: self.facts.term,
            stamp_ms,
        });
        self.hear(at, from, Beat { sees, ..beat() });
    }

    fn refusal(&mut self, at: u64, from: Voter, last_log: LogPosition) -> Option<Refusal> {
        let question = Question::WouldYouElect { round: 7, last_log };
        let answer = self
            .election
            .take_question(ms(at), &self.facts, from, question);
        assert_eq!(answer.round, 7);
        answer.refusal
    }

    fn votes(&self, at: u64, candidate: Voter, term: u64) -> bool {
        self.election
            .may_vote(ms(at), &self.facts, candidate, term, log(10))
    }
}

fn asked(acts: &[Act]) -> Option<u64> {
    acts.iter().find_map(|act| match act {
        Act::Ask(_, Question::WouldYouElect { round, .. }) => Some(*round),
        _ => None,
    })
}
