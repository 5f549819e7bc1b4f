//! Who has served the users of a home one after the other, and why each time: what a group keeps of
//! its takeovers. Not for deciding on one: a leader's leases do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::contract::Stamp;
use crate::ids::{Epoch, GroupMs, Life, NodeId};
use crate::limits;

/// Why the users of a home are served by somebody else, or by the same under another epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TakeoverCause {
    /// An operator's failover or fallback.
    Operator,
    /// The home node has been well for long enough.
    AutomaticFallback,
    /// The node was told to stop, and leaves its users to its twin.
    Stopping,
    /// The leader hears nothing of it.
    Silent,
    /// Its disk does not take what is written.
    DatabaseFailure,
    /// It is heard, and its threads or its log do not move.
    NoProgress,
    /// A critical service stays down.
    CriticalServiceDown,
    /// It was removed from the cluster.
    Removed,
    /// Its process was started again.
    StartedAgain,
    /// It had given the home back, and goes on.
    GivenBack,
    /// Nobody had served the home before.
    First,
    /// The same, and its home node did not come.
    FirstWithoutHome,
    /// The node is being emptied.
    Drained,
}

impl TakeoverCause {
    pub const ALL: [TakeoverCause; 13] = [
        Self::Operator,
        Self::AutomaticFallback,
        Self::Stopping,
        Self::Silent,
        Self::DatabaseFailure,
        Self::NoProgress,
        Self::CriticalServiceDown,
        Self::Removed,
        Self::StartedAgain,
        Self::GivenBack,
        Self::First,
        Self::FirstWithoutHome,
        Self::Drained,
    ];

    /// Whether it befell the node that served: nobody asked for it, and it may befall it again.
    pub fn is_failure(self) -> bool {
        match self {
            Self::Silent | Self::DatabaseFailure | Self::NoProgress | Self::CriticalServiceDown => {
                true
            }
            Self::Operator
            | Self::AutomaticFallback
            | Self::Stopping
            | Self::Removed
            | Self::StartedAgain
            | Self::GivenBack
            | Self::First
            | Self::FirstWithoutHome
            | Self::Drained => false,
        }
    }

    /// In the words of Cisco Unified Presence, as the node says it that serves from then on; where
    /// there are none (No Progress, Peer Removed, Peer Drained, Given Back) in words of the same
    /// kind.
    pub fn words(self) -> &'static str {
        match self {
            Self::Operator => "On Admin Request",
            Self::AutomaticFallback => "Automatic Fallback",
            Self::Stopping => "Peer Reboot",
            Self::Silent => "Peer Down",
            Self::DatabaseFailure => "Database Failure",
            Self::CriticalServiceDown => "Critical Service Down",
            Self::StartedAgain | Self::First => "Initialization",
            Self::NoProgress => "No Progress",
            Self::Removed => "Peer Removed",
            Self::GivenBack => "Given Back",
            Self::FirstWithoutHome => "Peer Down During Initialization",
            Self::Drained => "Peer Drained",
        }
    }
}

impl fmt::Display for TakeoverCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// One process of one node, as it served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub node: NodeId,
    pub life: Life,
}

/// One takeover, as it was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Takeover {
    pub home: NodeId,
    /// None: nobody had served the home before.
    pub from: Option<Owner>,
    pub to: Owner,
    pub epoch: Epoch,
    pub cause: TakeoverCause,
    /// The node that failed was serving its twin's users with its own: the two change places.
    pub swaps: bool,
    /// By the leader that proposed it.
    pub at: Stamp,
}

impl Takeover {
    /// Whether another node serves than before.
    pub fn moves(&self) -> bool {
        self.from.is_none_or(|from| from.node != self.to.node)
    }

    /// Whether the home node lost its users because it failed.
    fn is_failover(&self) -> bool {
        self.to.node != self.home && self.moves() && self.cause.is_failure()
    }
}

/// What a group keeps of its takeovers; the same on each replica.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Takeovers {
    /// The newest, the oldest of them first.
    rows: VecDeque<Takeover>,
    /// By which each home came to the node that serves it. They count on after they have left the
    /// history.
    moves: BTreeMap<NodeId, Takeover>,
}

impl Takeovers {
    /// Notes one that was applied. Beyond [`limits::TAKEOVERS_KEPT`] the oldest is forgotten.
    /// `swaps` is found out here.
    pub fn note(&mut self, mut takeover: Takeover) {
        takeover.swaps = self.swaps(&takeover);
        if takeover.moves() {
            self.moves.insert(takeover.home, takeover);
        }
        self.rows.push_back(takeover);
        while limits::TAKEOVERS_KEPT < self.rows.len() {
            self.rows.pop_front();
        }
    }

    /// Of a node that served two homes both go to its twin, one right after the other.
    fn swaps(&self, new: &Takeover) -> bool {
        let Some(from) = new.from.filter(|_| new.moves() && new.cause.is_failure()) else {
            return false;
        };
        let goes_home = |row: &Takeover| row.home == row.to.node && row.home == new.to.node;
        let came_back = |row: &Takeover| {
            let left = row.from.is_some_and(|left| left.node == from.node);
            goes_home(row) && left && row.cause.is_failure()
        };
        let is_there = |row: &Takeover| row.home == new.to.node && row.to.node == from.node;
        goes_home(new)
            || self.moves.values().any(is_there)
            || self.rows.back().is_some_and(came_back)
    }

    /// The newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Takeover> {
        self.rows.iter().rev()
    }

    /// By which the home came to the node that serves it.
    pub fn last_move(&self, home: NodeId) -> Option<&Takeover> {
        self.moves.get(&home)
    }

    /// The nodes that an operator has relieved of their own users: time alone does not send these
    /// home.
    pub fn relieved(&self) -> BTreeSet<NodeId> {
        let away = self.moves.values();
        let away =
            away.filter(|last| last.to.node != last.home && last.cause == TakeoverCause::Operator);
        away.map(|last| last.home).collect()
    }

    /// How often the home node has failed since then, as far as the history goes.
    pub fn failovers_since(&self, home: NodeId, since: GroupMs) -> u32 {
        let rows = self.rows.iter();
        let failovers =
            rows.filter(|row| row.home == home && row.is_failover() && since <= row.at.group);
        u32::try_from(failovers.count()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::WallMs;

    const CASTOR: NodeId = NodeId(1);
    const POLLUX: NodeId = NodeId(2);

    fn owner(node: NodeId) -> Owner {
        Owner {
            node,
            life: Life(1),
        }
    }

    fn takeover(home: NodeId, from: NodeId, to: NodeId, cause: TakeoverCause, at: u64) -> Takeover {
        Takeover {
            home,
            from: Some(owner(from)),
            to: owner(to),
            epoch: Epoch(at),
            cause,
            swaps: false,
            at: Stamp {
                group: GroupMs(at),
                wall: WallMs(at),
            },
        }
    }

    fn noted(rows: &[(NodeId, NodeId, NodeId, TakeoverCause)]) -> Takeovers {
        let mut takeovers = Takeovers::default();
        for (at, (home, from, to, cause)) in rows.iter().enumerate() {
            takeovers.note(takeover(*home, *from, *to, *cause, at as u64));
        }
        takeovers
    }

    #[test]
    fn the_history_is_bounded_and_the_last_move_of_a_home_outlives_it() {
        let mut takeovers = noted(&[(CASTOR, CASTOR, POLLUX, TakeoverCause::Operator)]);
        for at in 1..=limits::TAKEOVERS_KEPT as u64 {
            let cause = TakeoverCause::StartedAgain;
            takeovers.note(takeover(CASTOR, POLLUX, POLLUX, cause, at));
        }
        let rows: Vec<u64> = takeovers.newest_first().map(|row| row.epoch.0).collect();
        assert_eq!(rows.len(), limits::TAKEOVERS_KEPT);
        assert_eq!(rows[0], limits::TAKEOVERS_KEPT as u64, "the newest first");
        assert_eq!(rows.last(), Some(&1), "the oldest is forgotten");
        assert_eq!(takeovers.relieved(), BTreeSet::from([CASTOR]));
        let cause = takeovers.last_move(CASTOR).map(|last| last.cause);
        assert_eq!(cause, Some(TakeoverCause::Operator));
    }

    #[test]
    fn an_operator_relieves_a_node_until_its_users_come_home() {
        let away = (CASTOR, CASTOR, POLLUX, TakeoverCause::Operator);
        assert_eq!(noted(&[away]).relieved(), BTreeSet::from([CASTOR]));
        for back in [TakeoverCause::Operator, TakeoverCause::Silent] {
            let home = (CASTOR, POLLUX, CASTOR, back);
            assert_eq!(noted(&[away, home]).relieved(), BTreeSet::new());
        }
        for cause in [TakeoverCause::Silent, TakeoverCause::Stopping] {
            let failed = (CASTOR, CASTOR, POLLUX, cause);
            assert_eq!(noted(&[failed]).relieved(), BTreeSet::new());
        }
    }

    #[test]
    fn failovers_are_counted_by_home_and_time() {
        let takeovers = noted(&[
            (CASTOR, CASTOR, POLLUX, TakeoverCause::Silent),
            (CASTOR, POLLUX, CASTOR, TakeoverCause::AutomaticFallback),
            (CASTOR, CASTOR, POLLUX, TakeoverCause::NoProgress),
            (CASTOR, POLLUX, CASTOR, TakeoverCause::Operator),
            (CASTOR, CASTOR, POLLUX, TakeoverCause::Operator),
            (POLLUX, POLLUX, CASTOR, TakeoverCause::Silent),
        ]);
        for (home, since, count) in [
            (CASTOR, 0, 2),
            (CASTOR, 1, 1),
            (CASTOR, 2, 1),
            (CASTOR, 3, 0),
            (POLLUX, 0, 1),
        ] {
            let failovers = takeovers.failovers_since(home, GroupMs(since));
            assert_eq!(failovers, count, "{home} since {since}");
        }
    }

    /// Castor has failed and is well again, and then Pollux fails, which serves both: in whichever
    /// order its homes go.
    #[test]
    fn two_nodes_change_places_when_the_one_that_serves_both_fails() {
        let first = (CASTOR, CASTOR, POLLUX, TakeoverCause::Silent);
        let castors = (CASTOR, POLLUX, CASTOR, TakeoverCause::DatabaseFailure);
        let polluxes = (POLLUX, POLLUX, CASTOR, TakeoverCause::DatabaseFailure);
        for order in [[first, castors, polluxes], [first, polluxes, castors]] {
            let takeovers = noted(&order);
            let swaps: Vec<bool> = takeovers.newest_first().map(|row| row.swaps).collect();
            assert_eq!(swaps, [true, true, false], "{order:?}");
        }
        let fallback = (CASTOR, POLLUX, CASTOR, TakeoverCause::Operator);
        let takeovers = noted(&[first, fallback, polluxes]);
        assert!(takeovers.newest_first().all(|row| !row.swaps));
    }

    #[test]
    fn a_restart_moves_nobody() {
        let restart = takeover(CASTOR, CASTOR, CASTOR, TakeoverCause::StartedAgain, 1);
        assert!(!restart.moves());
        let mut first = restart;
        first.from = None;
        assert!(first.moves());
    }
}
