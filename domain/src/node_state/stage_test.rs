//! A pair for the tests beside this file: what its group has committed, and what its leader sees.
//! Events do to it what the real ones do; the states are derived of it.

use std::collections::BTreeMap;

use super::{Facts, HomeFacts, Moving, NodeSeen, derive};
use crate::contract::Stamp;
use crate::ids::{Epoch, Life, NodeId};
use crate::takeovers::{Owner, Takeover, TakeoverCause, Takeovers};

pub(super) const CASTOR: NodeId = NodeId(1);
pub(super) const POLLUX: NodeId = NodeId(2);

/// See the module.
pub(super) struct Stage {
    pub(super) facts: Facts,
    takeovers: Takeovers,
    serving: BTreeMap<NodeId, Owner>,
}

impl Stage {
    /// Each serves its own users.
    pub(super) fn new() -> Stage {
        let seen = |node| NodeSeen {
            node,
            life: Some(Life(1)),
            is_heard: true,
            is_caught_up: true,
            stands_still: false,
        };
        let mut stage = Stage {
            facts: Facts {
                has_majority: true,
                high_availability: true,
                nodes: vec![seen(CASTOR), seen(POLLUX)],
                ..Facts::default()
            },
            takeovers: Takeovers::default(),
            serving: BTreeMap::new(),
        };
        for home in [CASTOR, POLLUX] {
            stage.moved(home, home, TakeoverCause::First);
        }
        stage
    }

    pub(super) fn seen(&mut self, node: NodeId) -> &mut NodeSeen {
        &mut self.facts.nodes[usize::from(node.0) - 1]
    }

    /// A move begins: decided, or asked for.
    pub(super) fn moves(&mut self, home: NodeId, to: NodeId, cause: TakeoverCause) {
        self.facts.moves.push(Moving {
            home,
            to,
            cause,
            is_another_process: false,
        });
    }

    /// The group has committed it.
    pub(super) fn moved(&mut self, home: NodeId, to: NodeId, cause: TakeoverCause) {
        self.facts.moves.retain(|moving| moving.home != home);
        let life = self.seen(to).life.unwrap();
        let new = Owner { node: to, life };
        let from = self.serving.insert(home, new);
        self.takeovers.note(Takeover {
            home,
            from,
            to: new,
            epoch: Epoch(1),
            cause,
            swaps: false,
            at: Stamp::default(),
        });
    }

    /// Whatever is under way comes about.
    pub(super) fn all_moved(&mut self) {
        for moving in self.facts.moves.clone() {
            self.moved(moving.home, moving.to, moving.cause);
        }
    }

    /// Another process of the node; what it serves, it serves anew.
    pub(super) fn restarts(&mut self, node: NodeId) {
        let life = self.seen(node).life.unwrap().next();
        let seen = self.seen(node);
        (seen.life, seen.is_heard, seen.is_caught_up) = (Some(life), true, true);
        seen.stands_still = false;
        for moving in &mut self.facts.moves {
            moving.is_another_process |= moving.to == node;
        }
        let served = self.serving.clone().into_iter();
        for (home, _) in served.filter(|(_, owner)| owner.node == node) {
            let under_way = self.facts.moves.clone();
            self.moved(home, node, TakeoverCause::StartedAgain);
            self.facts.moves = under_way;
        }
    }

    /// Nothing is heard of it any more.
    pub(super) fn falls_silent(&mut self, node: NodeId) {
        let seen = self.seen(node);
        (seen.is_heard, seen.is_caught_up) = (false, false);
    }

    /// The states with their reasons, Castor's first.
    pub(super) fn states(&mut self) -> Vec<(String, String)> {
        let homes = [CASTOR, POLLUX].map(|home| HomeFacts {
            home,
            serving: self.serving.get(&home).copied(),
            moved: self.takeovers.last_move(home).copied(),
        });
        self.facts.homes = homes.to_vec();
        let states = derive(&self.facts).into_iter();
        states
            .map(|(_, state, reason)| (state.to_string(), reason.to_string()))
            .collect()
    }

    #[track_caller]
    pub(super) fn check(&mut self, castor: (&str, &str), pollux: (&str, &str), what: &str) {
        let states = self.states();
        let said = states.iter();
        let said: Vec<(&str, &str)> = said
            .map(|(state, reason)| (state.as_str(), reason.as_str()))
            .collect();
        assert_eq!(said, [castor, pollux], "{what}");
    }
}
