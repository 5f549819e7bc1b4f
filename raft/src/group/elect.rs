//! Drives the rules of `election` for one group: beats and questions over the control lane, the
//! gate before the log's core, elections in it. Lives on a thread of its own, where nothing else
//! runs, so that saturated cores and slow flushes make no voter look dead.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use openraft::{Raft, ServerState};
use pollux_domain::ids::{NodeId, Voter};
use pollux_domain::seams::{Ambient, Clock};
use pollux_links::peers::{Desk, Lane, Peers, Topic};
use pollux_store::codec;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::gate::Gate;
use super::log_adapter::LogFacts;
use super::types::Types;
use crate::election::{Act, Answer, Beat, Election, Facts, LogPosition, Question, Role};
use crate::machine::Kind;

const VERSION: u16 = 1;
/// How often the rules look at the clock.
const TICK: Duration = Duration::from_millis(20);
/// How long an answer to a question may take.
const ANSWER_PATIENCE: Duration = Duration::from_millis(200);

#[derive(Serialize, Deserialize)]
struct Said<T> {
    from: Voter,
    /// The incarnation that is meant; a beat is for whoever hears it.
    to: Option<Voter>,
    what: T,
}

/// Tells what a node is for in this group.
pub type Roles = Arc<dyn Fn(NodeId) -> Role + Send + Sync>;

/// One voter's mind with what it lives in: shared by the task, the desk and the gate.
pub(super) struct Mind<G: Kind> {
    pub(super) me: Voter,
    pub(super) topic: Topic,
    pub(super) raft: Raft<Types<G>>,
    pub(super) log: Arc<LogFacts>,
    pub(super) peers: Arc<dyn Peers>,
    pub(super) ambient: Ambient,
    pub(super) pause: watch::Sender<bool>,
    pub(super) election: Mutex<Election>,
}

impl<G: Kind> Mind<G> {
    fn clock(&self) -> &dyn Clock {
        self.ambient.clock.as_ref()
    }

    pub(super) fn election(&self) -> MutexGuard<'_, Election> {
        self.election.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Read without asking the core, which may be waiting for a flush.
    pub(super) fn facts(&self) -> Facts {
        let now = self.clock().now();
        let (term, index) = self.log.last();
        let (leads, current) = {
            let metrics = self.raft.server_metrics();
            let metrics = metrics.borrow();
            let leads = metrics.state == ServerState::Leader;
            (leads, metrics.vote.leader_id.term)
        };
        let matched = match leads {
            true => self.matched(),
            false => BTreeMap::new(),
        };
        let pending = self.log.flush_pending_since();
        Facts {
            term: current,
            leads,
            last_log: LogPosition { term, index },
            flush_pending: pending.map_or(Duration::ZERO, |since| now.saturating_sub(since)),
            matched,
        }
    }

    fn matched(&self) -> BTreeMap<Voter, u64> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let replication = metrics.replication.iter().flatten();
        let known = replication.filter_map(|(id, matched)| {
            let matched = matched.as_ref()?;
            Some((Voter::from_number(*id), matched.index))
        });
        known.collect()
    }

    fn voters(&self, roles: &Roles) -> BTreeMap<Voter, Role> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow();
        let voters = metrics.membership_config.voter_ids();
        let voters = voters.map(Voter::from_number);
        voters.map(|voter| (voter, roles(voter.node))).collect()
    }

    /// Runs until it is dropped.
    pub(super) async fn run(self: Arc<Self>, roles: Roles) {
        let mut asked: JoinSet<Option<(Voter, Answer)>> = JoinSet::new();
        loop {
            let mut dice = [0; 8];
            self.ambient.rand.fill(&mut dice);
            let facts = self.facts();
            let voters = self.voters(&roles);
            let acts = {
                let mut election = self.election();
                election.set_voters(voters);
                election.tick(self.clock().now(), &facts, u64::from_le_bytes(dice))
            };
            self.act(acts, &mut asked).await;
            tokio::select! {
                biased;
                Some(answered) = asked.join_next() => {
                    if let Ok(Some((from, answer))) = answered {
                        let facts = self.facts();
                        let now = self.clock().now();
                        let acts = self.election().take_answer(now, &facts, from, answer);
                        self.act(acts, &mut asked).await;
                    }
                }
                () = sleep(TICK) => {}
            }
        }
    }

    async fn act(&self, acts: Vec<Act>, asked: &mut JoinSet<Option<(Voter, Answer)>>) {
        for act in acts {
            match act {
                Act::Beat(beat) => self.say_to_all(&beat),
                Act::Ask(question) => {
                    for voter in self.others() {
                        asked.spawn(self.ask(voter, question));
                    }
                }
                Act::HandOver(voter) => {
                    tracing::info!(group = %self.topic.group, to = %voter, "lead is handed over");
                    let term = self.facts().term;
                    let asking = self.ask(voter, Question::TakeTheLead { term });
                    // What comes of it is seen in the log.
                    asked.spawn(async move {
                        asking.await;
                        None
                    });
                }
                act => self.act_here(act).await,
            }
        }
    }

    /// What needs nobody else.
    async fn act_here(&self, act: Act) {
        match act {
            Act::Elect => {
                tracing::info!(group = %self.topic.group, "voter campaigns");
                if let Err(error) = self.raft.trigger().elect().await {
                    tracing::debug!(group = %self.topic.group, %error, "core has ended");
                }
            }
            Act::Heartbeats(on) => self.raft.runtime_config().heartbeat(on),
            Act::Pause(on) => {
                self.pause.send_replace(on);
            }
            Act::Beat(_) | Act::Ask(_) | Act::HandOver(_) => {}
        }
    }

    fn others(&self) -> Vec<Voter> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow();
        let voters = metrics.membership_config.voter_ids();
        let voters = voters.map(Voter::from_number);
        voters.filter(|voter| *voter != self.me).collect()
    }

    fn say_to_all(&self, beat: &Beat) {
        let said = Said {
            from: self.me,
            to: None,
            what: beat,
        };
        let Ok(body) = codec::encode(VERSION, &said) else {
            return;
        };
        let body = Bytes::from(body);
        for voter in self.others() {
            // Whoever cannot be reached hears nothing, which is what a beat is for.
            let _silent = self
                .peers
                .tell(voter.node, Lane::Control, self.topic, body.clone());
        }
    }

    fn ask(
        &self,
        to: Voter,
        question: Question,
    ) -> impl Future<Output = Option<(Voter, Answer)>> + Send + 'static {
        let said = Said {
            from: self.me,
            to: Some(to),
            what: question,
        };
        let body = codec::encode(VERSION, &said).unwrap_or_default();
        let asked = self
            .peers
            .ask(to.node, Lane::Control, self.topic, body.into());
        async move {
            let answer = timeout(ANSWER_PATIENCE, asked).await.ok()?.ok()?;
            Some((to, codec::decode(VERSION, &answer).ok()?))
        }
    }
}

impl<G: Kind> Gate for Mind<G> {
    fn may_vote(&self, candidate: Voter, term: u64) -> bool {
        let facts = self.facts();
        let now = self.clock().now();
        self.election().begin_vote(now, &facts, candidate, term)
    }

    fn voted(&self, term: u64) {
        self.election().end_vote(term);
    }

    fn may_append(&self, leader: Voter, term: u64) -> bool {
        self.election().may_append(self.clock().now(), leader, term)
    }

    fn appended(&self, term: u64) -> bool {
        self.election().note_entries(self.clock().now(), term)
    }
}

/// Hears beats and answers questions.
pub(super) struct ElectionDesk<G: Kind>(pub(super) Arc<Mind<G>>);

impl<G: Kind> Desk for ElectionDesk<G> {
    fn told(&self, from: NodeId, body: Bytes) {
        match codec::decode::<Said<Beat>>(VERSION, &body) {
            Ok(said) if said.from.node == from => {
                let now = self.0.clock().now();
                self.0.election().take_beat(now, said.from, said.what);
            }
            Ok(said) => tracing::warn!(%from, claimed = %said.from, "beat of another node"),
            Err(error) => tracing::warn!(%from, %error, "beat does not read"),
        }
    }

    fn asked(
        &self,
        from: NodeId,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>> {
        let mind = self.0.clone();
        Box::pin(async move {
            let said: Said<Question> =
                codec::decode(VERSION, &body).map_err(|error| error.to_string())?;
            if said.from.node != from || said.to != Some(mind.me) {
                return Err(format!("this is voter {}", mind.me));
            }
            let facts = mind.facts();
            let now = mind.clock().now();
            let (answer, acts) = mind
                .election()
                .take_question(now, &facts, said.from, said.what);
            for act in acts {
                mind.act_here(act).await;
            }
            let record = codec::encode(VERSION, &answer).map_err(|error| error.to_string())?;
            Ok(record.into())
        })
    }
}
