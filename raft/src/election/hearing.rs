//! What a voter has heard from the others. Does not decide what follows from it.

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::ids::Voter;

use super::Timing;
use super::timing::within;
use super::words::{Beat, Role, Sight};

/// See the module.
#[derive(Debug)]
pub(super) struct Hearing {
    timing: Timing,
    /// The last beat of each voter, and when it came.
    peers: BTreeMap<Voter, (Duration, Beat)>,
    /// The last beat of a leader, and when it came.
    sight: Option<(Duration, Sight)>,
    /// When a leader was last heard: a beat that counts, or entries.
    leader: Option<Duration>,
}

impl Hearing {
    pub(super) fn new(timing: Timing) -> Hearing {
        Hearing {
            timing,
            peers: BTreeMap::new(),
            sight: None,
            leader: None,
        }
    }

    /// Voters that are no more are not listened to.
    pub(super) fn keep(&mut self, voters: &BTreeMap<Voter, Role>) {
        self.peers.retain(|voter, _| voters.contains_key(voter));
        if self
            .sight
            .is_some_and(|(_, sight)| !voters.contains_key(&sight.leader))
        {
            self.sight = None;
        }
    }

    /// `term` is our own: a leader of an earlier one is none.
    pub(super) fn take(&mut self, now: Duration, term: u64, from: Voter, beat: Beat) {
        self.peers.insert(from, (now, beat));
        if !beat.leads || beat.term < term || self.sees_higher(now, from, beat.term) {
            return;
        }
        let sight = Sight {
            leader: from,
            term: beat.term,
            stamp_ms: beat.stamp_ms,
        };
        self.sight = Some((now, sight));
        if beat.confirmed && !beat.disk_stopped(&self.timing) {
            self.leader = Some(now);
        }
    }

    pub(super) fn take_entries(&mut self, now: Duration) {
        self.leader = Some(now);
    }

    pub(super) fn leader_within(&self, now: Duration, length: Duration) -> bool {
        within(now, self.leader, length)
    }

    /// What is given back to the leader.
    pub(super) fn sight(&self, now: Duration) -> Option<Sight> {
        let (at, sight) = self.sight?;
        within(now, Some(at), self.timing.patience()).then_some(sight)
    }

    /// Those who were heard within one lease.
    pub(super) fn living(&self, now: Duration) -> impl Iterator<Item = (Voter, &Beat)> {
        self.peers
            .iter()
            .filter(move |(_, (at, _))| within(now, Some(*at), self.timing.lease))
            .map(|(voter, (_, beat))| (*voter, beat))
    }

    /// When we said, as leader of `term`, what `others` other voters have heard since.
    pub(super) fn echoed(
        &self,
        now: Duration,
        me: Voter,
        term: u64,
        others: usize,
    ) -> Option<Duration> {
        let Some(last) = others.checked_sub(1) else {
            return Some(now);
        };
        let mut stamps: Vec<Duration> = self
            .peers
            .values()
            .filter_map(|(_, beat)| beat.sees)
            .filter(|sight| sight.leader == me && sight.term == term)
            .map(|sight| Duration::from_millis(sight.stamp_ms))
            // One from the future was made by an earlier process with another clock.
            .filter(|stamp| *stamp <= now)
            .collect();
        stamps.sort_unstable_by(|a, b| b.cmp(a));
        stamps.get(last).copied()
    }

    /// The log's core knows one leader to a term and voter, the greater voter above the other.
    fn sees_higher(&self, now: Duration, from: Voter, term: u64) -> bool {
        self.sight(now)
            .is_some_and(|sight| (term, from) < (sight.term, sight.leader))
    }
}
