//! Whether a home gets another owner, which, and when that may be proposed.

use std::time::Duration;

use pollux_domain::fallback::{self, Away};
use pollux_domain::ids::{Epoch, Life, NodeId};
use pollux_domain::limits::BEHIND_MAX;

use super::grants::{Grants, Wish};
use super::{Cause, ServedBy, TakeOver, World};
use crate::plants::{Plant, is_planted};

/// At a cold start the home node has this long before its twin serves its users.
const COLD_START: Duration = Duration::from_secs(2);
/// A takeover that was proposed and is not applied is proposed again after this long.
const PROPOSE_AGAIN: Duration = Duration::from_secs(1);

/// Who is to serve a home next, in which life, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decision {
    pub(super) to: NodeId,
    life: Life,
    pub(super) cause: Cause,
    proposed: Option<Duration>,
}

/// Who could serve, and why it should.
type Successor = (NodeId, Life, Cause);

impl Grants {
    /// What is to be proposed now, by the leader as such: it must be nothing under the next. To be
    /// called every few ten milliseconds.
    pub fn decide(&mut self, now: Duration, world: &World) -> Vec<TakeOver> {
        if !world.may_take_over {
            return Vec::new();
        }
        let homes = world.homes.iter();
        homes
            .filter_map(|home| self.decide_home(now, *home, world))
            .collect()
    }

    /// Why the home gets another owner, or the same under another epoch; none where nothing is
    /// decided.
    pub fn cause(&self, home: NodeId) -> Option<Cause> {
        self.homes.get(&home)?.decision.map(|known| known.cause)
    }

    fn decide_home(&mut self, now: Duration, home: NodeId, world: &World) -> Option<TakeOver> {
        let served = world.serving.get(&home).copied();
        let (granted, known) = {
            let book = self.home(home, world);
            (book.granted, book.decision)
        };
        let decision = match known {
            // What is proposed may be applied at any time, and so no other may be.
            Some(known) if known.proposed.is_some() => known,
            // Its target can no longer take: the owner goes on, under the same epoch.
            Some(known) if self.able(now, known.to, world) != Some(known.life) => {
                self.home(home, world).decision = None;
                return None;
            }
            Some(known) => known,
            None => {
                let (to, life, cause) = self.successor(now, home, served, world)?;
                Decision {
                    to,
                    life,
                    cause,
                    proposed: None,
                }
            }
        };
        let due = match decision.proposed {
            Some(proposed) => proposed + PROPOSE_AGAIN <= now,
            None => granted.is_none_or(|granted| granted + self.timing.patience() <= now),
        };
        let proposed = if due { Some(now) } else { decision.proposed };
        self.home(home, world).decision = Some(Decision {
            proposed,
            ..decision
        });
        due.then(|| TakeOver {
            home,
            to: decision.to,
            life: decision.life,
            epoch: served
                .map_or(Epoch::default(), |served| served.epoch)
                .next(),
        })
    }

    /// Who should serve instead of who does; none while all is well.
    fn successor(
        &mut self,
        now: Duration,
        home: NodeId,
        served: Option<ServedBy>,
        world: &World,
    ) -> Option<Successor> {
        let wish = self.wishes.get(&home);
        if wish.is_some_and(|wish| served.is_some_and(|served| served.node == wish.to)) {
            self.wishes.remove(&home);
        }
        if let Some(wish) = self.wish_for(now, home, world)
            && let Some(life) = self.able(now, wish.to, world)
        {
            return Some((wish.to, life, wish.cause));
        }
        let Some(served) = served else {
            let may = world.high_availability || world.removed.contains(&home);
            let patient = now < self.leads_since + COLD_START || !may;
            let twin = || self.twin(now, home, world, Cause::HomeAbsent);
            return self
                .able(now, home, world)
                .map(|life| (home, life, Cause::Unserved))
                .or_else(|| twin().filter(|_| !patient));
        };
        let alive = self.is_alive(now, served.node);
        match self.nodes.get(&served.node) {
            // Another process of the same node: it holds nothing.
            Some(sign) if sign.life > served.life && alive => {
                let life = self.able(now, served.node, world)?;
                Some((served.node, life, Cause::Restarted))
            }
            // It has given up its lease, for a leader that leads no more or for a node that is gone
            // meanwhile: it goes on, under another epoch.
            Some(sign) if alive && !sign.stands_still => {
                let given_back = self.home(home, world).given_back;
                given_back.then_some((served.node, served.life, Cause::GivenBack))
            }
            // It lives, and has not asked a leader that has just begun.
            None if world.heard.contains(&served.node) && !self.knows_all(now) => None,
            _ if world.removed.contains(&served.node) => {
                self.twin(now, served.node, world, Cause::Removed)
            }
            _ if !world.high_availability => None,
            Some(sign) if alive => self.twin(now, served.node, world, sign.cause()),
            _ => self.twin(now, served.node, world, Cause::Silent),
        }
    }

    /// What an operator has decided for good; else what somebody asks for, or time has made due. A
    /// node that is emptied takes nobody's users.
    pub(super) fn wish_for(&self, now: Duration, home: NodeId, world: &World) -> Option<Wish> {
        let wish = self.wishes.get(&home).copied();
        let wish = wish
            .or_else(|| self.falls_back(now, home, world))
            .or_else(|| self.leaves(now, home, world));
        self.empties(now, home, world)
            .or_else(|| wish.filter(|wish| !world.drained.contains(&wish.to)))
    }

    /// A node that is emptied is left by its users.
    fn empties(&self, now: Duration, home: NodeId, world: &World) -> Option<Wish> {
        let served = world.serving.get(&home)?;
        if !world.drained.contains(&served.node) {
            return None;
        }
        let (to, life, cause) = self.twin(now, served.node, world, Cause::Drained)?;
        Some(Wish {
            to,
            cause,
            life: Some(life),
        })
    }

    /// A critical service of the node that serves stays down, and its twin has been well for as
    /// long: of two nodes with the same trouble neither gets the users of the other.
    fn leaves(&self, now: Duration, home: NodeId, world: &World) -> Option<Wish> {
        let owner = world.serving.get(&home)?.node;
        let down = self.down(now, owner)?;
        let is_due = world.high_availability && world.service_delay <= down.lasts;
        let mut others = world.homes.iter().filter(|node| **node != owner);
        let twin = others.find_map(|node| Some((*node, self.nodes.get(node)?)));
        let (to, sign) = twin.filter(|(_, sign)| {
            let well_for = sign.well_since.map(|since| now.saturating_sub(since));
            is_due && well_for.is_some_and(|well_for| world.service_delay <= well_for)
        })?;
        Some(Wish {
            to,
            cause: Cause::ServiceDown {
                service: down.service,
                lasts: down.lasts,
            },
            life: Some(sign.life),
        })
    }

    fn falls_back(&self, now: Duration, home: NodeId, world: &World) -> Option<Wish> {
        let is_away = world.serving.get(&home).is_some_and(|by| by.node != home);
        let sign = self.nodes.get(&home)?;
        let away = Away {
            stable: world.stable.filter(|_| world.high_availability),
            is_relieved: world.relieved.contains(&home),
            well_for: sign.well_since.map(|since| now.saturating_sub(since)),
            quiet_for: world.quiet_for,
            failovers: match is_planted(Plant::FallbackUndamped) {
                true => 0,
                false => world.failovers.get(&home).copied().unwrap_or_default(),
            },
        };
        (is_away && fallback::is_due(&away)).then_some(Wish {
            to: home,
            cause: Cause::Fallback,
            life: Some(sign.life),
        })
    }

    /// The other node, where it can serve; also one that an operator has relieved: nobody else is
    /// left. One that is emptied is none.
    fn twin(&self, now: Duration, of: NodeId, world: &World, cause: Cause) -> Option<Successor> {
        let others = world.homes.iter();
        let is_drained =
            |node: &NodeId| world.drained.contains(node) && !is_planted(Plant::DrainedTakes);
        let others = others.filter(|node| **node != of && !is_drained(node));
        let mut able =
            others.filter_map(|node| Some((*node, self.able(now, *node, world)?, cause)));
        able.next()
    }

    pub(super) fn able(&self, now: Duration, node: NodeId, world: &World) -> Option<Life> {
        let sign = self.nodes.get(&node)?;
        let behind = world.committed.saturating_sub(sign.applied);
        let able = self.is_alive(now, node) && !sign.stands_still && behind <= BEHIND_MAX;
        able.then_some(sign.life)
    }
}
