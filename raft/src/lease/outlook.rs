//! What a leader sees of the nodes and means to do, for whoever shows it. Decides nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use pollux_domain::ids::NodeId;
use pollux_domain::limits::BEHIND_MAX;
use pollux_domain::node_state::{Moving, NodeSeen};
use serde::{Deserialize, Serialize};

use super::{Grants, World};

/// See the module. It goes to each node with its leases, so that it costs no question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    pub nodes: Vec<NodeSeen>,
    pub moves: Vec<Moving>,
    /// Those that say that a critical service of theirs does not run.
    pub services_down: BTreeSet<NodeId>,
    /// Those that are given nobody, as far as the leader has heard.
    pub drained: BTreeSet<NodeId>,
}

impl Grants {
    pub fn outlook(&self, now: Duration, world: &World) -> Outlook {
        let present = world.homes.iter();
        let present = present.filter(|node| !world.removed.contains(node));
        let nodes = present.map(|node| self.seen(now, *node, world));
        let services_down = world.homes.iter().copied();
        let services_down = services_down.filter(|node| self.down(now, *node).is_some());
        let moves = world.homes.iter();
        let moves = moves.filter_map(|home| self.move_of(now, *home, world));
        Outlook {
            nodes: nodes.collect(),
            moves: moves.collect(),
            services_down: services_down.collect(),
            drained: world.drained.clone(),
        }
    }

    fn seen(&self, now: Duration, node: NodeId, world: &World) -> NodeSeen {
        let sign = self.nodes.get(&node);
        let is_alive = self.is_alive(now, node);
        NodeSeen {
            node,
            life: sign.map(|sign| sign.life),
            is_heard: is_alive || world.heard.contains(&node),
            is_caught_up: is_alive
                && sign.is_some_and(|sign| world.committed <= sign.applied + BEHIND_MAX),
            stands_still: sign.is_some_and(|sign| sign.stands_still),
        }
    }

    /// What is decided of a home; else what is asked for and can be done.
    fn move_of(&self, now: Duration, home: NodeId, world: &World) -> Option<Moving> {
        let wish = self.wish_for(now, home, world);
        let wish = wish.filter(|wish| self.able(now, wish.to, world).is_some());
        let served = world.serving.get(&home).copied();
        let book = self.homes.get(&home).filter(|book| book.served == served);
        let decision = book.and_then(|book| book.decision);
        let (to, cause) = match (&decision, &wish) {
            (Some(decision), _) => (decision.to, decision.cause),
            (None, Some(wish)) => (wish.to, wish.cause),
            (None, None) => return None,
        };
        let began_with = wish.filter(|wish| wish.to == to).and_then(|wish| wish.life);
        let is_another = |began| self.nodes.get(&to).is_some_and(|sign| sign.life != began);
        Some(Moving {
            home,
            to,
            cause: cause.kind(&self.timing),
            is_another_process: began_with.is_some_and(is_another),
        })
    }
}
