//! The leader's book of leases: what it has granted in this leadership, to whom, and to whom it
//! grants no more.

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::ids::{Epoch, Life, NodeId};
use pollux_domain::limits::BEHIND_MAX;
use pollux_domain::services::Down;

use super::decide::Decision;
use super::{Cause, Granted, Renewal, ServedBy, Wisher, World};
use crate::election::Timing;

/// See the module. One for each leadership: what earlier leaders granted is not known here, and
/// `may_take_over` says when it has run out.
#[derive(Debug)]
pub struct Grants {
    pub(super) timing: Timing,
    /// Since when this node has led without interruption.
    pub(super) leads_since: Duration,
    pub(super) nodes: BTreeMap<NodeId, Sign>,
    pub(super) homes: BTreeMap<NodeId, Home>,
    /// What was asked for: who is to serve a home.
    pub(super) wishes: BTreeMap<NodeId, Wish>,
}

/// That a node serves a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) to: NodeId,
    pub(super) cause: Cause,
    /// The process that it was then.
    pub(super) life: Option<Life>,
}

/// A node's last sign of life.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sign {
    at: Duration,
    pub(super) life: Life,
    pub(super) applied: u64,
    /// When that last moved, or had no reason to.
    moved: Duration,
    /// For how long nothing has moved on it, as it says itself.
    stuck: Duration,
    /// For how long its disk has not taken what was written.
    flush: Duration,
    /// What it says of its services.
    pub(super) down: Option<Down>,
    /// Since when it has given signs without a gap, has kept up and made progress, and all its
    /// critical services have run.
    pub(super) well_since: Option<Duration>,
    /// It makes no progress, as it says itself or as its log shows.
    pub(super) stands_still: bool,
}

impl Sign {
    /// Why it is to serve no more although it is heard.
    pub(super) fn cause(&self) -> Cause {
        Cause::StandsStill {
            says: self.stuck,
            flush: self.flush,
            unmoved: self.at.saturating_sub(self.moved),
        }
    }
}

/// One home under one epoch.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) served: Option<ServedBy>,
    /// When the last question arrived that was granted.
    pub(super) granted: Option<Duration>,
    /// Its owner has given it back.
    pub(super) given_back: bool,
    /// From here on every renewal is refused.
    pub(super) decision: Option<Decision>,
}

/// How long a node may stand still while there is work.
const STANDSTILL_MAX: Duration = Duration::from_secs(1);

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

    /// A question has arrived. Returns the homes that may be granted once the leader has confirmed
    /// that it leads: ask [`Grants::confirm`] then. The grant is recorded now, so that its time is
    /// never thought to be over too early.
    pub fn take(&mut self, now: Duration, renewal: &Renewal, world: &World) -> Granted {
        let mut granted = Granted {
            nonce: renewal.nonce,
            homes: Vec::new(),
            give_back: Vec::new(),
            is_well: false,
        };
        let known = self.nodes.get(&renewal.node);
        if known.is_some_and(|sign| renewal.life < sign.life) {
            // The last words of an earlier process.
            return granted;
        }
        let stands_still = self.note_sign(now, renewal, world);
        let noted = self.nodes.get(&renewal.node);
        granted.is_well = world.is_confirmed && noted.is_some_and(|sign| sign.well_since.is_some());
        for (home, epoch) in &renewal.given_back {
            if self.is_theirs(*home, *epoch, renewal, world) {
                let book = self.home(*home, world);
                book.given_back = true;
                book.granted = None;
            }
        }
        for (home, epoch) in &renewal.homes {
            if !self.is_theirs(*home, *epoch, renewal, world) {
                continue;
            }
            let wished = self.wish_for(now, *home, world).map(|wish| wish.to);
            // Not for one that could not take it: its owner would give it back in vain.
            let wanted =
                wished.is_some_and(|to| to != renewal.node && self.able(now, to, world).is_some());
            let book = self.home(*home, world);
            let decided = book
                .decision
                .is_some_and(|decided| decided.to != renewal.node);
            if wanted || decided {
                granted.give_back.push((*home, *epoch));
            }
            if !stands_still && book.is_open() {
                book.granted = Some(now);
                granted.homes.push((*home, *epoch));
            }
        }
        granted
    }

    /// The leader is confirmed since the question was taken, and has applied everything up to then:
    /// `world` is to be read after that. What of it may still be granted.
    pub fn confirm(&self, mut granted: Granted, renewal: &Renewal, world: &World) -> Granted {
        granted.homes.retain(|(home, epoch)| {
            let book = self.homes.get(home);
            self.is_theirs(*home, *epoch, renewal, world)
                && book.is_some_and(|book| {
                    book.served == world.serving.get(home).copied() && book.is_open()
                })
        });
        granted
    }

    fn is_theirs(&self, home: NodeId, epoch: Epoch, renewal: &Renewal, world: &World) -> bool {
        let theirs = ServedBy {
            node: renewal.node,
            life: renewal.life,
            epoch,
        };
        world.serving.get(&home) == Some(&theirs)
    }

    /// What is known of a home, begun afresh when someone else serves it.
    pub(super) fn home(&mut self, home: NodeId, world: &World) -> &mut Home {
        let served = world.serving.get(&home).copied();
        let known = self.homes.entry(home).or_insert_with(|| Home::new(served));
        if known.served != served {
            *known = Home::new(served);
        }
        known
    }

    /// Notes what a node says of itself, and says whether it stands still. Its index has a reason
    /// to move while the leader has committed more.
    fn note_sign(&mut self, now: Duration, renewal: &Renewal, world: &World) -> bool {
        let same = |sign: &&Sign| {
            let (life, applied) = (renewal.life, renewal.applied);
            sign.life == life && sign.applied == applied && applied < world.committed
        };
        let known = self.nodes.get(&renewal.node);
        let moved = known.filter(same).map_or(now, |sign| sign.moved);
        let stands_still =
            self.timing.flush_stuck <= renewal.stuck || STANDSTILL_MAX <= now.saturating_sub(moved);
        let known = known.filter(|sign| sign.life == renewal.life);
        let has_kept_up = world.committed <= renewal.applied + BEHIND_MAX;
        let is_well = !stands_still && has_kept_up && renewal.down.is_none();
        let well_since = match known {
            Some(sign) if now < sign.at + self.timing.patience() => sign.well_since.unwrap_or(now),
            Some(_gap) => now,
            // The first that this leader hears of it.
            None => now.saturating_sub(renewal.well_for),
        };
        let sign = Sign {
            at: now,
            life: renewal.life,
            applied: renewal.applied,
            moved,
            stuck: renewal.stuck,
            flush: renewal.flush,
            down: renewal.down,
            well_since: is_well.then_some(well_since),
            stands_still,
        };
        self.nodes.insert(renewal.node, sign);
        stands_still
    }

    /// Somebody asks that `to` serves the users of `home`. Asked again, it is the same wish.
    pub fn wish(&mut self, home: NodeId, to: NodeId, wisher: Wisher) {
        let cause = match wisher {
            Wisher::Operator => Cause::Wished,
            Wisher::Owner => Cause::Stops,
        };
        let life = self.nodes.get(&to).map(|sign| sign.life);
        let known = self.wishes.get(&home);
        if known.is_none_or(|known| (known.to, known.cause) != (to, cause)) {
            self.wishes.insert(home, Wish { to, cause, life });
        }
    }

    #[cfg(test)]
    pub(crate) fn is_wished(&self, home: NodeId) -> bool {
        self.wishes.contains_key(&home)
    }

    /// What the node has said of its services, where it has said anything lately.
    pub fn down(&self, now: Duration, node: NodeId) -> Option<Down> {
        let sign = self.nodes.get(&node)?;
        sign.down.filter(|_| self.is_alive(now, node))
    }

    /// Whether this leader has led for long enough to have heard everybody who lives.
    pub fn knows_all(&self, now: Duration) -> bool {
        self.leads_since + self.timing.patience() <= now
    }

    /// Whether a node has asked within one lease and a tenth.
    pub fn is_alive(&self, now: Duration, node: NodeId) -> bool {
        let sign = self.nodes.get(&node);
        sign.is_some_and(|sign| now < sign.at + self.timing.patience())
    }
}

impl Home {
    fn new(served: Option<ServedBy>) -> Home {
        Home {
            served,
            granted: None,
            given_back: false,
            decision: None,
        }
    }

    fn is_open(&self) -> bool {
        self.decision.is_none() && !self.given_back
    }
}
