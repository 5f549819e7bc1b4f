//! What a run consists of: pairs, people and how many faults, partly drawn from the seed; and who
//! sits where. Not for what happens to them.

use std::time::Duration;

use pollux_domain::delivery::Deliver;
use pollux_domain::ids::{NodeId, SubclusterId};

use crate::client::Seed;

/// The seats of all pairs: two nodes and a witness each.
pub const NAMES: [&str; 6] = [
    "castor", "pollux", "witness", "romulus", "remus", "witness2",
];
/// Of one pair.
pub const SEATS: usize = 3;

/// Where users go home by themselves, and where services fail: as short as can be set.
pub const STABLE: Duration = Duration::from_secs(1);
pub const SERVICE_DELAY: Duration = Duration::from_secs(1);

/// What happens in a run, besides what the seed decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairPlan {
    /// One or two, in one cluster.
    pub pairs: usize,
    /// An even number: they talk in couples.
    pub people: usize,
    /// Messages that each says at most.
    pub messages: u64,
    pub faults: u64,
    /// Drawn from the seed in each run: whose users they are, how fast they talk, whether they
    /// close streams, whether users go home by themselves, whether services fail, nodes are emptied
    /// and users moved.
    pub assignment: Assignment,
    /// With two pairs, the one that the last couple belongs to; all others have a partner in the
    /// other pair.
    pub together: usize,
    pub pace_ms: u64,
    pub leaves: bool,
    /// Users go home when their node has been well for [`STABLE`].
    pub falls_back: bool,
    /// Beside the faults services fail, and nodes are emptied; one of these once more when all is
    /// well, or users are moved.
    pub is_tended: bool,
    /// When all is well again somebody goes for good, and the node that serves the session dies;
    /// the run lasts until the session has been given up.
    pub outlives: bool,
    /// The mode of all nodes.
    pub deliver: Deliver,
}

/// Which node of their pair the people belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignment {
    Balanced,
    /// All of them to this twin, 0 or 1; the other stands by.
    Active(usize),
}

impl Default for PairPlan {
    fn default() -> PairPlan {
        PairPlan {
            pairs: 1,
            people: 4,
            messages: 80,
            faults: 6,
            assignment: Assignment::Balanced,
            together: 0,
            pace_ms: 60,
            leaves: false,
            falls_back: false,
            is_tended: false,
            outlives: false,
            deliver: Deliver::Committed,
        }
    }
}

impl PairPlan {
    /// The usual plan for one pair or two.
    pub fn of(pairs: usize) -> PairPlan {
        PairPlan {
            pairs,
            people: 2 + 2 * pairs,
            faults: 4 + 2 * pairs as u64,
            ..PairPlan::default()
        }
    }

    pub(super) fn drawn(self, dice: &mut Seed) -> PairPlan {
        let assignment = match dice.below(4) {
            0 => Assignment::Active(0),
            1 => Assignment::Active(1),
            _ => Assignment::Balanced,
        };
        let pace_ms = 8 + dice.below(100);
        PairPlan {
            assignment,
            pace_ms,
            leaves: dice.below(4) == 0,
            // Of what is drawn already: the seeds of before go on as they were.
            falls_back: pace_ms.is_multiple_of(3),
            is_tended: pace_ms.is_multiple_of(2),
            together: dice.below(self.pairs as u64) as usize,
            ..self
        }
    }

    pub fn seats(&self) -> usize {
        self.pairs * SEATS
    }

    /// The pair whose user a person is.
    pub fn pair_of(&self, who: usize) -> usize {
        let is_last = who / 2 + 1 == self.people / 2;
        match self.pairs {
            1 => 0,
            _ if is_last => self.together,
            _ => who % 2,
        }
    }

    pub fn home(&self, who: usize) -> NodeId {
        let twin = match self.assignment {
            Assignment::Balanced => (who + who / 2) % 2,
            Assignment::Active(twin) => twin,
        };
        node_at(node_seat(self.pair_of(who), twin))
    }

    /// Whether what a person says goes from one group to the other.
    pub fn crosses(&self, who: usize) -> bool {
        self.pair_of(who) != self.pair_of(who ^ 1)
    }

    pub fn subclusters(&self) -> impl Iterator<Item = SubclusterId> {
        (0..self.pairs).map(subcluster)
    }
}

/// The number of the node at a seat.
pub fn node_at(seat: usize) -> NodeId {
    NodeId(seat as u16 + 1)
}

/// The seat of one of the two nodes of a pair.
pub fn node_seat(pair: usize, twin: usize) -> usize {
    pair * SEATS + twin
}

pub fn pair_at(seat: usize) -> usize {
    seat / SEATS
}

/// The pair that a node belongs to.
pub fn pair_of_node(node: NodeId) -> usize {
    pair_at(usize::from(node.0).saturating_sub(1))
}

pub fn is_witness(seat: usize) -> bool {
    seat % SEATS == 2
}

pub fn subcluster(pair: usize) -> SubclusterId {
    SubclusterId(pair as u16 + 1)
}

/// The nodes of a subcluster that serve users.
pub fn homes(subcluster: SubclusterId) -> [NodeId; 2] {
    let pair = usize::from(subcluster.0) - 1;
    [0, 1].map(|twin| node_at(node_seat(pair, twin)))
}
