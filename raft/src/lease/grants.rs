//! The leader's book of leases: what it has granted, to whom it grants no more, and when a home
//! gets another node.

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::ids::{Epoch, Life, NodeId};

use super::{Granted, Renewal, ServedBy, TakeOver, World};
use crate::election::Timing;

/// See the module.
#[derive(Debug)]
pub struct Grants {
    timing: Timing,
    /// Since when this node has led without interruption.
    leads_since: Duration,
    nodes: BTreeMap<NodeId, Sign>,
    homes: BTreeMap<NodeId, Home>,
    /// What an operator has asked for: who is to serve a home.
    wishes: BTreeMap<NodeId, NodeId>,
}

/// A node's last sign of life.
#[derive(Debug, Clone, Copy)]
struct Sign {
    at: Duration,
    life: Life,
    applied: u64,
    stuck: Duration,
}

/// What was granted for a home.
#[derive(Debug, Clone, Copy, Default)]
struct Home {
    /// When the last question arrived that was granted.
    granted: Option<Duration>,
    /// No lease is granted under this epoch or an older one: a takeover is decided.
    closed: Option<Epoch>,
    /// Its owner has given it back.
    given_back: Option<Epoch>,
}

/// At a cold start the home node has this long before its twin serves its users.
const COLD_START: Duration = Duration::from_secs(2);
/// A node that is behind by more entries does not take over.
const BEHIND_MAX: u64 = 4_096;

impl Grants {
    /// The book of a leader that begins at `now`.
    pub fn new(timing: Timing, now: Duration) -> Grants {
        Grants {
            timing,
            leads_since: now,
            nodes: BTreeMap::new(),
            homes: BTreeMap::new(),
            wishes: BTreeMap::new(),
        }
    }

    /// A question has arrived. Returns the homes that may be granted, once the leader has confirmed
    /// that it leads: ask [`Grants::confirm`] then. The grant counts from now.
    pub fn take(&mut self, now: Duration, renewal: &Renewal, world: &World) -> Granted {
        let sign = Sign {
            at: now,
            life: renewal.life,
            applied: renewal.applied,
            stuck: renewal.stuck,
        };
        self.nodes.insert(renewal.node, sign);
        for (home, epoch) in &renewal.given_back {
            self.homes.entry(*home).or_default().given_back = Some(*epoch);
        }
        let mut granted = Granted {
            nonce: renewal.nonce,
            homes: Vec::new(),
            give_back: Vec::new(),
        };
        for (home, epoch) in &renewal.homes {
            let served = world.serving.get(home);
            let theirs = served.is_some_and(|served| {
                served.node == renewal.node && served.life == renewal.life && served.epoch == *epoch
            });
            let wished = self.wishes.get(home).is_some_and(|to| *to != renewal.node);
            if theirs && wished {
                granted.give_back.push((*home, *epoch));
            }
            if !theirs || self.is_stuck(renewal.stuck) || !self.is_open(*home, *epoch) {
                continue;
            }
            self.homes.entry(*home).or_default().granted = Some(now);
            granted.homes.push((*home, *epoch));
        }
        granted
    }

    /// The leader is confirmed since the question was taken: what of it may still be granted.
    pub fn confirm(&self, mut granted: Granted) -> Granted {
        granted
            .homes
            .retain(|(home, epoch)| self.is_open(*home, *epoch));
        granted
    }

    fn is_open(&self, home: NodeId, epoch: Epoch) -> bool {
        let home = self.homes.get(&home).copied().unwrap_or_default();
        home.closed.is_none_or(|closed| closed < epoch)
            && home.given_back.is_none_or(|given_back| given_back < epoch)
    }

    fn is_stuck(&self, stuck: Duration) -> bool {
        self.timing.flush_stuck <= stuck
    }

    /// An operator asks that `to` serves the users of `home`.
    pub fn wish(&mut self, home: NodeId, to: NodeId) {
        self.wishes.insert(home, to);
    }

    /// Who gets which home now. From here on the lease of each is renewed no more.
    pub fn decide(&mut self, now: Duration, world: &World) -> Vec<TakeOver> {
        if !world.may_take_over {
            return Vec::new();
        }
        let homes = world.homes.iter();
        homes
            .filter_map(|home| self.decide_home(now, *home, world))
            .collect()
    }

    fn decide_home(&mut self, now: Duration, home: NodeId, world: &World) -> Option<TakeOver> {
        let served = world.serving.get(&home).copied();
        let (to, life) = self.successor(now, home, served, world)?;
        let old = served.map_or(Epoch::default(), |served| served.epoch);
        let book = self.homes.entry(home).or_default();
        book.closed = book.closed.max(Some(old));
        let over = match book.granted {
            _ if book.given_back == Some(old) => true,
            Some(granted) => granted + self.timing.hold() <= now,
            None => true,
        };
        over.then(|| TakeOver {
            home,
            to,
            life,
            epoch: old.next(),
        })
    }

    /// Who should serve instead of who does; none while all is well.
    fn successor(
        &mut self,
        now: Duration,
        home: NodeId,
        served: Option<ServedBy>,
        world: &World,
    ) -> Option<(NodeId, Life)> {
        if let Some(to) = self.wishes.get(&home).copied() {
            if served.is_some_and(|served| served.node == to) {
                self.wishes.remove(&home);
            } else if let Some(life) = self.able(now, to, world) {
                return Some((to, life));
            }
        }
        let Some(served) = served else {
            let may = world.high_availability || world.removed.contains(&home);
            let patient = now < self.leads_since + COLD_START || !may;
            let twin = || self.twin(now, home, world).filter(|_| !patient);
            return self
                .able(now, home, world)
                .map(|life| (home, life))
                .or_else(twin);
        };
        match self.nodes.get(&served.node) {
            // Another process of the same node: it holds nothing.
            Some(sign) if sign.life > served.life && self.is_alive(now, served.node) => {
                let life = self.able(now, served.node, world)?;
                Some((served.node, life))
            }
            // It came back after others had been chosen, who are gone meanwhile: it goes on, under
            // another epoch, since its lease is renewed no more.
            Some(sign) if self.is_alive(now, served.node) && !self.is_stuck(sign.stuck) => {
                let closed = !self.is_open(home, served.epoch);
                closed.then_some((served.node, served.life))
            }
            // It lives, and has not asked a leader that has just begun.
            None if world.heard.contains(&served.node)
                && now < self.leads_since + self.timing.hold() =>
            {
                None
            }
            _ if !world.high_availability && !world.removed.contains(&served.node) => None,
            _ => self.twin(now, served.node, world),
        }
    }

    /// The other node, where it can serve.
    fn twin(&self, now: Duration, of: NodeId, world: &World) -> Option<(NodeId, Life)> {
        let others = world.homes.iter().filter(|node| **node != of);
        let mut able = others.filter_map(|node| Some((*node, self.able(now, *node, world)?)));
        able.next()
    }

    fn able(&self, now: Duration, node: NodeId, world: &World) -> Option<Life> {
        let sign = self.nodes.get(&node)?;
        let behind = world.committed.saturating_sub(sign.applied);
        let able = self.is_alive(now, node) && !self.is_stuck(sign.stuck) && behind <= BEHIND_MAX;
        able.then_some(sign.life)
    }

    /// Whether a node has asked within one lease and a tenth.
    pub fn is_alive(&self, now: Duration, node: NodeId) -> bool {
        let sign = self.nodes.get(&node);
        sign.is_some_and(|sign| now < sign.at + self.timing.hold())
    }
}
