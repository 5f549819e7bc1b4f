//! The holder's side, on every node: asks for leases several times within each, publishes them to
//! the writers of sockets, ends streams that may not go on. Lives on the control thread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pollux_domain::ids::{Epoch, Life, NodeId};
use pollux_domain::seams::Clock;
use pollux_links::peers::{Desks, Lane, Peers, Subject, Topic};
use pollux_store::codec;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::keeper::{Keeper, LeaseDesk, Question, Reply, VERSION};
use super::{Pulse, Services, Streams, Tenures, View};
use crate::election::Timing;
use crate::group::Group;
use crate::lease::{Granted, Holder, Outlook, Renewal, Wisher};
use crate::machine::Subcluster;
use crate::plants::{Plant, is_planted};
use crate::unread::Unread;

/// How often a lease is asked for.
pub(super) const INTERVAL: Duration = Duration::from_millis(50);
/// Questions under way at one time.
const QUESTIONS_MAX: usize = 4;
/// Without a lease for so long, streams end (design, section 4).
const LAPSE_MAX: Duration = Duration::from_secs(5);
/// What a leader has said of the nodes is worth nothing after this long.
const OUTLOOK_MAX: Duration = Duration::from_secs(1);
/// A move that has not come about is asked for again after this long.
const WISH_AGAIN: Duration = Duration::from_millis(500);
/// Who asks for a move waits so long for somebody who leads: an election is over by then.
const ELECTED_AFTER: Duration = Duration::from_secs(3);
/// How long clients are given to hear where to go.
const MOVE_PATIENCE: Duration = Duration::from_secs(2);

/// What a node brings to its duty.
pub struct DutyParts {
    pub node: NodeId,
    pub life: Life,
    /// A witness asks for nothing, and may lead.
    pub is_witness: bool,
    pub group: Group<Subcluster>,
    pub tenures: Arc<Tenures>,
    pub streams: Arc<dyn Streams>,
    pub peers: Arc<dyn Peers>,
    pub desks: Arc<Desks>,
    pub clock: Arc<dyn Clock>,
    pub view: View,
    pub pulse: Pulse,
    pub services: Services,
}

/// See the module.
#[derive(Clone)]
pub struct Duty {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    parts: DutyParts,
    topic: Topic,
    pub(super) keeper: Arc<Keeper>,
    /// What the leader has said last, and when that came.
    outlook: Mutex<Option<(Duration, Outlook)>>,
}

/// Why an operator's wish was not noted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    #[error("{0}")]
    Unable(String),
    #[error("the group has no leader that can be asked, try again")]
    NoLeader,
}

/// Those that wait for their answer.
type Questions = JoinSet<Option<(Granted, Outlook)>>;

/// What the loop remembers.
struct Memory {
    holder: Holder,
    applied: u64,
    moved_at: Duration,
    /// Homes that are being given back, since when.
    leaving: BTreeMap<NodeId, (Epoch, Duration)>,
    /// Homes whose streams were cut because of a lapse.
    cut: BTreeSet<NodeId>,
}

impl Duty {
    pub fn new(parts: DutyParts) -> Duty {
        let topic = Topic {
            subject: Subject::Lease,
            group: parts.group.group(),
        };
        let keeper = Arc::new(Keeper {
            group: parts.group.clone(),
            clock: parts.clock.clone(),
            view: parts.view.clone(),
            grants: Mutex::new(None),
            calm: Mutex::default(),
            unread: Unread::new(parts.group.group(), parts.clock.clone()),
        });
        parts.desks.open(topic, Arc::new(LeaseDesk(keeper.clone())));
        Duty {
            inner: Arc::new(Inner {
                parts,
                topic,
                keeper,
                outlook: Mutex::default(),
            }),
        }
    }

    /// Runs until it is dropped. Belongs on the control thread.
    pub async fn run(&self) {
        let inner = &self.inner;
        let mut memory = Memory {
            holder: Holder::new(Timing::DEFAULT.lease),
            applied: 0,
            moved_at: inner.parts.clock.now(),
            leaving: BTreeMap::new(),
            cut: BTreeSet::new(),
        };
        let mut questions: Questions = JoinSet::new();
        let mut proposals: JoinSet<(NodeId, u64)> = JoinSet::new();
        let mut proposed = BTreeSet::new();
        let mut pause = Box::pin(sleep(Duration::ZERO));
        loop {
            tokio::select! {
                biased;
                Some(granted) = questions.join_next() => {
                    if let Ok(Some((granted, outlook))) = granted {
                        inner.note_outlook(outlook);
                        inner.take(granted, &mut memory);
                    }
                }
                Some(done) = proposals.join_next() => {
                    if let Ok(done) = done {
                        proposed.remove(&done);
                    }
                }
                () = &mut pause => {
                    pause = Box::pin(sleep(INTERVAL));
                    inner.keeper.decide(&mut proposed, &mut proposals);
                    if inner.parts.is_witness {
                        if questions.is_empty() && inner.is_to_look() {
                            inner.look(&mut questions);
                        }
                        continue;
                    }
                    inner.look_after(&mut memory);
                    if questions.len() < QUESTIONS_MAX {
                        inner.ask(&mut memory, &mut questions);
                    }
                }
            }
        }
    }

    /// Whether the leader that this node is hears that node; none: it is not the leader.
    #[cfg(test)]
    pub(super) fn hears(&self, node: NodeId) -> Option<bool> {
        let keeper = &self.inner.keeper;
        let grants = keeper.grants.lock().unwrap();
        let (_, grants) = grants.as_ref()?;
        Some(grants.is_alive(keeper.clock.now(), node))
    }

    /// What the leader sees and means to do, as far as it is known here.
    pub fn outlook(&self) -> Option<Outlook> {
        let inner = &self.inner;
        if let Some(own) = inner.keeper.outlook() {
            return Some(own);
        }
        let known = inner.outlook.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, outlook) = known.as_ref()?;
        (inner.now() < *at + OUTLOOK_MAX).then(|| outlook.clone())
    }

    /// Somebody asks for these moves, each of a home to a node, and this waits until `is_so` says
    /// of all that they have come about. A leader forgets with its lead what it was asked: it, or
    /// the next, is asked again.
    ///
    /// # Errors
    /// The first who is asked refuses, or there has been nobody to ask for as long as an election
    /// takes. Who is asked again may refuse: what was noted before may still come about.
    pub async fn bring_about(
        &self,
        moves: &[(NodeId, NodeId)],
        wisher: Wisher,
        is_so: impl Fn(NodeId, NodeId) -> bool,
    ) -> Result<(), WishError> {
        let begun = self.inner.now();
        let mut noted: Option<Duration> = None;
        loop {
            let missing = moves.iter().filter(|(home, to)| !is_so(*home, *to));
            let missing: Vec<_> = missing.collect();
            if missing.is_empty() {
                return Ok(());
            }
            let now = self.inner.now();
            let is_late = |at| at + WISH_AGAIN <= now && !is_planted(Plant::AskedOnce);
            if noted.is_none_or(is_late) {
                let mut wished = Ok(());
                for (home, to) in missing {
                    wished = wished.and(self.wish(*home, *to, wisher).await);
                }
                match wished {
                    Ok(()) => noted = Some(now),
                    Err(error) if noted.is_some() => {
                        tracing::info!(%error, "a move is asked for again");
                        noted = Some(now);
                    }
                    Err(WishError::NoLeader) if now < begun + ELECTED_AFTER => {}
                    Err(error) => return Err(error),
                }
            }
            sleep(INTERVAL).await;
        }
    }

    /// The present owner gives them up first.
    async fn wish(&self, home: NodeId, to: NodeId, wisher: Wisher) -> Result<(), WishError> {
        let reply = self.inner.say(Question::Wish { home, to, wisher }).await;
        match reply {
            Some(Reply::Noted) => Ok(()),
            Some(Reply::Unable(reason)) => Err(WishError::Unable(reason)),
            _ => Err(WishError::NoLeader),
        }
    }
}

impl Inner {
    fn now(&self) -> Duration {
        self.parts.clock.now()
    }

    /// An answer that comes later than a lease is worth nothing, also a leader's to itself: its
    /// core may be waiting for the disk.
    async fn say(&self, question: Question) -> Option<Reply> {
        timeout(Timing::DEFAULT.lease, self.ask_leader(question))
            .await
            .ok()?
    }

    async fn ask_leader(&self, question: Question) -> Option<Reply> {
        let leader = self.parts.group.speaker()?;
        if leader == self.parts.group.me() {
            return Some(self.keeper.answer(question).await);
        }
        let body = codec::encode(VERSION, &question).ok()?;
        let peers = &self.parts.peers;
        let asked = peers.ask(leader.node, Lane::Control, self.topic, body.into());
        codec::decode(VERSION, &asked.await.ok()?).ok()
    }

    /// The homes that the log gives to this process.
    fn mine(&self) -> BTreeMap<NodeId, Epoch> {
        let homes = (self.parts.view)().homes;
        self.parts.group.read(|state| {
            let mine = homes.iter().filter_map(|home| {
                let serving = state.serving(*home)?;
                let mine = serving.node == self.parts.node && serving.life == self.parts.life;
                mine.then_some((*home, serving.epoch))
            });
            mine.collect()
        })
    }

    fn ask(self: &Arc<Self>, memory: &mut Memory, questions: &mut Questions) {
        let now = self.now();
        let (_, applied, _) = self.parts.group.indexes();
        if applied != memory.applied || !self.parts.group.has_work() {
            memory.applied = applied;
            memory.moved_at = now;
        }
        let flush = self.parts.group.flush_pending(now);
        let stuck = now
            .saturating_sub(memory.moved_at)
            .max(flush)
            .max((self.parts.pulse)());
        let asked = memory.holder.ask(now, &self.mine());
        let renewal = Renewal {
            node: self.parts.node,
            life: self.parts.life,
            nonce: asked.nonce,
            applied,
            stuck,
            flush,
            down: (self.parts.services)().filter(|_| !is_planted(Plant::ServiceUnsaid)),
            well_for: asked.well_for,
            homes: asked.homes,
            given_back: asked.given_back,
        };
        let inner = self.clone();
        questions.spawn(async move {
            match inner.say(Question::Renew(renewal)).await {
                Some(Reply::Granted(granted, outlook)) => Some((granted, outlook)),
                _ => None,
            }
        });
    }

    /// A witness looks a little before what it has seen is worth nothing.
    fn is_to_look(&self) -> bool {
        let known = self.outlook.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .as_ref()
            .is_none_or(|(at, _)| *at + OUTLOOK_MAX / 4 <= self.now())
    }

    fn look(self: &Arc<Self>, questions: &mut Questions) {
        let inner = self.clone();
        questions.spawn(async move {
            match inner.say(Question::Look).await {
                Some(Reply::Granted(nothing, outlook)) => Some((nothing, outlook)),
                _ => None,
            }
        });
    }

    fn note_outlook(&self, outlook: Outlook) {
        let mut known = self.outlook.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((self.now(), outlook));
    }

    /// The lease runs from when it was asked for.
    fn take(&self, granted: Granted, memory: &mut Memory) {
        let now = self.now();
        for (home, epoch, until) in memory.holder.granted(&granted, &self.mine()) {
            if self.parts.tenures.of(home).extend(epoch, until, now) {
                memory.cut.remove(&home);
                self.parts.streams.wake(home);
            }
        }
        for (home, epoch) in granted.give_back {
            memory.leaving.entry(home).or_insert((epoch, now));
        }
    }

    /// What time and the log have done to the tenures.
    fn look_after(&self, memory: &mut Memory) {
        let now = self.now();
        let mine = self.mine();
        if is_planted(Plant::LeaseFromMetrics) && self.parts.group.leader().is_some() {
            for (home, epoch) in &mine {
                let until = now + Timing::DEFAULT.lease;
                self.parts.tenures.of(*home).extend(*epoch, until, now);
            }
        }
        for tenure in self.parts.tenures.all() {
            let home = tenure.home();
            match (tenure.epoch(), mine.get(&home)) {
                (Some(held), Some(epoch)) if held == *epoch => {
                    if LAPSE_MAX < tenure.lapsed_for(now) && memory.cut.insert(home) {
                        tracing::warn!(%home, "lease has lapsed, streams end");
                        self.parts.streams.cut(home);
                    }
                }
                (Some(held), _) => {
                    if tenure.drop_epoch() {
                        // This process stood still or was cut off, and its lease has run out.
                        tracing::info!(
                            %home,
                            %held,
                            "home is served under a newer epoch, its streams end"
                        );
                        self.parts.streams.cut(home);
                    }
                }
                (None, _) => {}
            }
        }
        let leaving = std::mem::take(&mut memory.leaving);
        for (home, (epoch, since)) in leaving {
            if mine.get(&home) != Some(&epoch) {
                continue;
            }
            let left = self.parts.streams.move_on(home);
            if left == 0 || since + MOVE_PATIENCE <= now {
                tracing::info!(%home, %epoch, "home is given back");
                self.parts.tenures.of(home).drop_epoch();
                self.parts.streams.cut(home);
                memory.holder.give_back(home, epoch);
            } else {
                memory.leaving.insert(home, (epoch, since));
            }
        }
    }
}
