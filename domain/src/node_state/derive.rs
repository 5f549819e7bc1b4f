//! Finds the state of each node of a subcluster out of facts: what the group has committed, and
//! what its leader sees and means to do. Decides nothing: an operator reads it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{NodeState, Reason};
use crate::ids::{Life, NodeId};
use crate::takeovers::{Owner, Takeover, TakeoverCause};

/// One node that serves users, as its leader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSeen {
    pub node: NodeId,
    /// Its process; none where it is not known.
    pub life: Option<Life>,
    pub is_heard: bool,
    /// It has what is committed, but for so little that it could serve.
    pub is_caught_up: bool,
    /// Its disk, its threads or its log do not move.
    pub stands_still: bool,
}

/// A home that is to get another owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    pub home: NodeId,
    pub to: NodeId,
    pub cause: TakeoverCause,
    /// The process that takes the home is another one than when that began.
    pub is_another_process: bool,
}

/// Who serves the users of a home, and how that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HomeFacts {
    pub home: NodeId,
    pub serving: Option<Owner>,
    /// By which it came to that node.
    pub moved: Option<Takeover>,
}

/// What is known of a subcluster by one who looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Who looks has just started, and has heard nobody yet.
    pub is_starting: bool,
    /// Who looks hears so many votes that they decide.
    pub has_majority: bool,
    pub high_availability: bool,
    pub nodes: Vec<NodeSeen>,
    pub homes: Vec<HomeFacts>,
    pub moves: Vec<Moving>,
    /// Nodes on which a critical service does not run.
    pub services_down: BTreeSet<NodeId>,
}

/// The state of each node, in the order of the facts.
pub fn derive(facts: &Facts) -> Vec<(NodeId, NodeState, Reason)> {
    let states = facts.nodes.iter().map(|node| {
        let (state, reason) = facts.state_of(node);
        (node.node, state, reason)
    });
    states.collect()
}

impl Facts {
    fn state_of(&self, node: &NodeSeen) -> (NodeState, Reason) {
        if !node.is_heard {
            return (NodeState::Down, Reason::NotHeard);
        }
        if !self.has_majority {
            return match self.is_starting {
                true => (NodeState::Initializing, Reason::Initialization),
                false => (NodeState::RunningInFailedMode, Reason::NoMajority),
            };
        }
        if !self.high_availability {
            return (NodeState::Unknown, Reason::HighAvailabilityNotEnabled);
        }
        self.moving(node.node).unwrap_or_else(|| self.at_rest(node))
    }

    /// What a move under way makes of a node. Who loses users says so first, then who takes another
    /// node's, then the two sides of a fallback.
    fn moving(&self, node: NodeId) -> Option<(NodeState, Reason)> {
        let moves = self.moves.iter();
        let moves: Vec<(&Moving, NodeId)> = moves
            .filter_map(|moving| Some((moving, self.serving(moving.home)?.node)))
            .filter(|(moving, from)| moving.to != *from)
            .collect();
        let is_back = |moving: &Moving| moving.home == moving.to && !moving.cause.is_failure();
        let find = |wanted: &dyn Fn(&Moving, NodeId) -> bool| {
            let mut found = moves.iter().filter(|(moving, from)| wanted(moving, *from));
            found.next().map(|(moving, _)| *moving)
        };
        if let Some(moving) = find(&|moving, from| from == node && !is_back(moving)) {
            let swaps = moving.home == moving.to;
            let reason = match swaps {
                true => Reason::AutoRecover(moving.cause),
                false => Reason::of_loss(moving.cause),
            };
            return Some((NodeState::FailingOver, reason));
        }
        let taken = |moving: &Moving, state| match moving.is_another_process {
            true => (state, Reason::Initialization),
            false => (state, Reason::Takeover(moving.cause)),
        };
        if let Some(moving) = find(&|moving, _| moving.to == node && !is_back(moving)) {
            return Some(taken(moving, NodeState::TakingOver));
        }
        if let Some(moving) = find(&|moving, _| moving.to == node) {
            return Some(taken(moving, NodeState::TakingBack));
        }
        let moving = find(&|_, from| from == node)?;
        Some((NodeState::FallingBack, Reason::Takeover(moving.cause)))
    }

    fn at_rest(&self, node: &NodeSeen) -> (NodeState, Reason) {
        let mut others = self.homes.iter().filter(|home| home.home != node.node);
        let guests = others.find(|home| home.serving.is_some_and(|by| by.node == node.node));
        if let Some(guests) = guests {
            return (NodeState::RunningInBackupMode, backup_reason(guests));
        }
        let own = self.homes.iter().find(|home| home.home == node.node);
        let Some((own, serving)) = own.and_then(|own| Some((own, own.serving?))) else {
            return (NodeState::Initializing, Reason::Initialization);
        };
        if serving.node != node.node {
            return self.relieved(node, own.moved.as_ref());
        }
        match node.life.is_none_or(|life| life == serving.life) {
            true => (NodeState::Normal, Reason::Normal),
            false => (NodeState::Initializing, Reason::Initialization),
        }
    }

    /// The twin serves its users, by this takeover.
    fn relieved(&self, node: &NodeSeen, lost: Option<&Takeover>) -> (NodeState, Reason) {
        let Some(lost) = lost else {
            return (NodeState::FailedOver, Reason::Unknown);
        };
        let has_restarted = lost
            .from
            .is_none_or(|from| node.life.is_some_and(|life| life != from.life));
        let reason = match (has_restarted, lost.swaps) {
            (true, _) => Reason::Initialization,
            (false, true) => Reason::AutoRecover(lost.cause),
            (false, false) => Reason::of_loss(lost.cause),
        };
        if matches!(lost.cause, TakeoverCause::Operator | TakeoverCause::Drained) {
            return (NodeState::Idle, reason);
        }
        if node.stands_still || self.services_down.contains(&node.node) {
            let state = NodeState::FailedOverWithCriticalServicesNotRunning;
            return (state, reason);
        }
        match node.is_caught_up {
            true => (NodeState::FailedOver, reason),
            false => (NodeState::Initializing, Reason::Initialization),
        }
    }

    fn serving(&self, home: NodeId) -> Option<Owner> {
        let known = self.homes.iter().find(|known| known.home == home);
        known.and_then(|known| known.serving)
    }
}

/// Why a node serves the users of another.
fn backup_reason(guests: &HomeFacts) -> Reason {
    let Some(moved) = guests.moved else {
        return Reason::Unknown;
    };
    let process = guests.serving.map(|serving| serving.life);
    match (process == Some(moved.to.life), moved.swaps) {
        (false, _) => Reason::Initialization,
        (true, true) => Reason::AutoRecover(moved.cause),
        (true, false) => Reason::Takeover(moved.cause),
    }
}
