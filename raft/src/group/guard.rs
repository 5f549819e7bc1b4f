//! Holds apart what a voter says to a leader and the votes that it gives. Requests wait in the
//! log's core, so that between the rules' yes to a vote and the vote itself an entry of an earlier
//! leader may be taken: from that yes on, until the core has answered, earlier leaders are told
//! nothing. Not for whether a vote may be given: that is `election`'s.

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::ids::Voter;

/// A voter that leads, or wants to, in a term; ordered as the log's core orders votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ballot {
    pub(crate) term: u64,
    pub(crate) voter: Voter,
}

/// A request whose answer nobody waits for any more is no longer in the core after this long.
const OPEN_MAX: Duration = Duration::from_secs(5);

/// See the module. All of it is used under one lock with the rules of `election`.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// Votes that the core may be giving: how many requests, and since when.
    open: BTreeMap<Ballot, (usize, Duration)>,
    /// Elections of this voter's own that the core may be beginning, in whatever term.
    own: usize,
    /// The greatest vote that the core is known to have given.
    given: Option<Ballot>,
    /// Leaders that say of themselves that nobody answers them: in which term, and when.
    unconfirmed: BTreeMap<Voter, (u64, Duration)>,
}

impl Guard {
    /// The core is asked for a vote next.
    pub(crate) fn begin_vote(&mut self, now: Duration, ballot: Ballot) {
        let (count, since) = self.open.entry(ballot).or_insert((0, now));
        *count += 1;
        *since = now;
    }

    /// The core has answered one request for it; `vote` is its own vote since.
    pub(crate) fn end_vote(&mut self, ballot: Ballot, vote: Option<Ballot>) {
        if let Some((count, _)) = self.open.get_mut(&ballot) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&ballot);
            }
        }
        self.given = self.given.max(vote);
    }

    /// The core is told to campaign next.
    pub(crate) fn begin_election(&mut self) {
        self.own += 1;
    }

    /// It has begun to, or did not; `vote` is its own vote since.
    pub(crate) fn end_election(&mut self, vote: Option<Ballot>) {
        self.own = self.own.saturating_sub(1);
        self.given = self.given.max(vote);
    }

    /// A leader's beat, or another voter's, has come.
    pub(crate) fn note_beat(
        &mut self,
        now: Duration,
        from: Voter,
        term: u64,
        (leads, confirmed): (bool, bool),
    ) {
        // One to a node, whatever incarnation it speaks for.
        self.unconfirmed.retain(|voter, _| voter.node != from.node);
        if leads && !confirmed {
            self.unconfirmed.insert(from, (term, now));
        }
    }

    /// Whether this leader may be told that its entries were taken, or that its lease is granted.
    pub(crate) fn may_confirm(&mut self, now: Duration, leader: Ballot) -> bool {
        self.open.retain(|_, (_, since)| now < *since + OPEN_MAX);
        let greatest = self.open.keys().next_back().copied().max(self.given);
        self.own == 0 && greatest <= Some(leader)
    }

    /// Whether its entries may go to the core, whose own vote is `vote`. A leader that is not
    /// confirmed is not listened to: in a cut in one direction its replication would keep its
    /// followers waiting. But one whose time is over hears so from the core, or never would.
    pub(crate) fn may_append(
        &mut self,
        now: Duration,
        leader: Ballot,
        lease: Duration,
        vote: Ballot,
    ) -> bool {
        if leader < vote {
            return true;
        }
        let unconfirmed = self.unconfirmed.get(&leader.voter);
        let deaf =
            unconfirmed.is_some_and(|(term, heard)| *term == leader.term && now < *heard + lease);
        !deaf && self.may_confirm(now, leader)
    }
}

#[cfg(test)]
mod tests {
    use pollux_domain::ids::{Incarnation, NodeId};

    use super::*;

    const LEASE: Duration = Duration::from_millis(300);

    const fn ballot(term: u64, node: u16) -> Ballot {
        let voter = Voter {
            node: NodeId(node),
            incarnation: Incarnation(1),
        };
        Ballot { term, voter }
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn while_a_vote_may_be_given_earlier_leaders_are_told_nothing() {
        let mut guard = Guard::default();
        assert!(guard.may_confirm(ms(0), ballot(1, 1)));
        guard.begin_vote(ms(0), ballot(2, 2));
        guard.begin_vote(ms(5), ballot(2, 2));
        for (leader, may) in [
            (ballot(1, 3), false),
            (ballot(2, 1), false),
            (ballot(2, 2), true),
            (ballot(3, 1), true),
        ] {
            assert_eq!(guard.may_confirm(ms(10), leader), may, "{leader:?}");
            let appends = guard.may_append(ms(10), leader, LEASE, ballot(1, 1));
            assert_eq!(appends, may, "{leader:?}");
        }
        // The core did not give it, and another request for it waits there.
        guard.end_vote(ballot(2, 2), Some(ballot(1, 1)));
        assert!(!guard.may_confirm(ms(11), ballot(1, 1)));
        guard.end_vote(ballot(2, 2), Some(ballot(1, 1)));
        assert!(guard.may_confirm(ms(12), ballot(1, 1)));
        assert!(!guard.may_confirm(ms(12), ballot(0, 3)), "it has voted");
    }

    #[test]
    fn an_answer_that_is_late_does_not_pass_a_vote_that_was_given() {
        let mut guard = Guard::default();
        guard.begin_vote(ms(0), ballot(2, 2));
        guard.end_vote(ballot(2, 2), Some(ballot(2, 2)));
        assert!(!guard.may_confirm(ms(1), ballot(1, 1)));
        assert!(guard.may_confirm(ms(1), ballot(2, 2)));
    }

    #[test]
    fn a_vote_whose_answer_is_lost_does_not_silence_a_voter_for_ever() {
        let mut guard = Guard::default();
        guard.begin_vote(ms(0), ballot(2, 2));
        assert!(!guard.may_confirm(ms(4_999), ballot(1, 1)));
        assert!(guard.may_confirm(ms(5_000), ballot(1, 1)));
    }

    #[test]
    fn an_election_of_its_own_holds_back_everything_until_it_has_begun() {
        let mut guard = Guard::default();
        guard.begin_election();
        assert!(!guard.may_confirm(ms(0), ballot(9, 3)));
        guard.end_election(Some(ballot(4, 2)));
        assert!(guard.may_confirm(ms(0), ballot(9, 3)));
        assert!(!guard.may_confirm(ms(0), ballot(4, 1)));
    }

    #[test]
    fn entries_of_a_leader_that_is_not_confirmed_are_not_taken() {
        let mut guard = Guard::default();
        let leader = ballot(3, 1);
        guard.note_beat(ms(0), leader.voter, 3, (true, false));
        let mut may = |at, leader, vote| guard.may_append(ms(at), leader, LEASE, vote);
        assert!(!may(299, leader, leader));
        assert!(may(300, leader, leader), "long ago");
        assert!(may(1, ballot(4, 1), leader), "its next term");
        assert!(may(1, ballot(3, 2), leader), "another");
        assert!(
            may(1, leader, ballot(3, 2)),
            "to hear that its time is over"
        );
        guard.note_beat(ms(2), leader.voter, 3, (true, true));
        assert!(guard.may_append(ms(3), leader, LEASE, leader));
    }
}
