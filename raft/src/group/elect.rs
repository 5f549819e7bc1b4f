//! Drives the rules of `election` for one group: beats and questions over the control lane, the
//! gate before the log's core, elections in it. Lives on a thread of its own, where nothing else
//! runs, so that saturated cores and slow flushes make no voter look dead.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use openraft::raft::AppendEntriesRequest;
use openraft::{CommittedLeaderId, LeaderId, LogId, Raft, ServerState};
use pollux_domain::ids::{NodeId, Voter};
use pollux_domain::seams::{Ambient, Clock};
use pollux_links::peers::{Desk, Lane, Peers, Topic};
use pollux_store::codec;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::desk::ballot;
use super::gate::Gate;
use super::guard::{Ballot, Guard};
use super::log_adapter::LogFacts;
use super::network::{HigherVote, Laggard};
use super::types::{Types, Vote};
use crate::election::{
    Act, Answer, Beat, Election, Facts, HandOver, LogPosition, Question, Role, Timing,
};
use crate::machine::Kind;
use crate::unread::Unread;

const VERSION: u16 = 1;
/// How often the rules look at the clock.
const TICK: Duration = Duration::from_millis(20);
/// How long an answer may be on its way; the rules themselves wait for less.
const ANSWER_PATIENCE: Duration = Duration::from_millis(200);

#[derive(Serialize, Deserialize)]
struct Said<T> {
    from: Voter,
    /// The incarnation that is meant; a beat is for whoever hears it.
    to: Option<Voter>,
    what: T,
}

/// What one voter asks another.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Asked {
    Question(Question),
    /// To be answered when the core has begun the election, or will not.
    HandOver(HandOver),
}

/// What it hears.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Heard {
    Answer(Answer),
    Done,
}

/// Tells what a node is for in this group.
pub type Roles = Arc<dyn Fn(NodeId) -> Role + Send + Sync>;

type Answers = JoinSet<Option<(Voter, Answer)>>;

/// One voter's mind with what it lives in: shared by the task, the desk and the gate.
pub(super) struct Mind<G: Kind> {
    pub(super) me: Voter,
    pub(super) topic: Topic,
    pub(super) raft: Raft<Types<G>>,
    pub(super) log: Arc<LogFacts>,
    pub(super) peers: Arc<dyn Peers>,
    pub(super) ambient: Ambient,
    pub(super) laggard: Arc<Laggard>,
    pub(super) higher_vote: Arc<HigherVote>,
    pub(super) pause: watch::Sender<bool>,
    pub(super) rules: Mutex<Rules>,
    pub(super) handed: Handed,
    pub(super) unread: Arc<Unread>,
}

/// Elections that a leader has told us to begin. They are the mind's own, not the question's: a
/// question ends with the connection that it came by, and until the core has begun an election that
/// was decided on, no leader is listened to.
#[derive(Default)]
pub(super) struct Handed {
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
    come: Notify,
}

impl Handed {
    /// Resolves when the core has begun one, or will not.
    async fn begun(&self) {
        let (tell, told) = oneshot::channel();
        self.waiting().push(tell);
        self.come.notify_one();
        let _stopped = told.await.is_err();
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<oneshot::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is decided with, under one lock: so an election that is decided on and an answer to a
/// leader cannot pass each other.
pub(super) struct Rules {
    pub(super) election: Election,
    pub(super) guard: Guard,
    quorum: QuorumAnswer,
}

impl Rules {
    pub(super) fn new(election: Election) -> Rules {
        Rules {
            election,
            guard: Guard::default(),
            quorum: QuorumAnswer::default(),
        }
    }
}

/// When a quorum last answered the core. The core says it as an age, which goes on after it was
/// said.
#[derive(Default)]
struct QuorumAnswer {
    said: Option<u64>,
    at: Duration,
}

impl QuorumAnswer {
    fn ago(&mut self, now: Duration, said: Option<u64>) -> Option<Duration> {
        if self.said != said {
            (self.said, self.at) = (said, now);
        }
        Some(Duration::from_millis(said?) + now.saturating_sub(self.at))
    }
}

impl<G: Kind> Mind<G> {
    fn clock(&self) -> &dyn Clock {
        self.ambient.clock.as_ref()
    }

    fn lock(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the rules, with the time and with what the core says of itself, which is read without
    /// asking it: it may be waiting for a flush.
    pub(super) fn with<R>(&self, ask: impl FnOnce(&mut Rules, Duration, &Facts) -> R) -> R {
        let mut rules = self.lock();
        let now = self.clock().now();
        let facts = self.facts(now, &mut rules.quorum);
        ask(&mut rules, now, &facts)
    }

    /// The same for what may end in an election of our own.
    fn decide(&self, ask: impl FnOnce(&mut Election, Duration, &Facts) -> Vec<Act>) -> Vec<Act> {
        self.with(|rules, now, facts| {
            let acts = ask(&mut rules.election, now, facts);
            if acts.contains(&Act::Elect) {
                rules.guard.begin_election();
            }
            acts
        })
    }

    fn facts(&self, now: Duration, quorum: &mut QuorumAnswer) -> Facts {
        let (leads, term) = {
            let metrics = self.raft.server_metrics();
            let metrics = metrics.borrow();
            let leads = metrics.state == ServerState::Leader;
            (leads, metrics.vote.leader_id.term)
        };
        let (matched, answered) = match leads {
            true => self.matched(),
            false => Default::default(),
        };
        Facts {
            term,
            leads,
            last_log: self.log.last(),
            matched,
            flush_pending_for: self.flush_pending(now),
            quorum_answered_ago: quorum.ago(now, answered),
        }
    }

    /// Since when the oldest flush has been going on, if one is.
    pub(super) fn flush_pending(&self, now: Duration) -> Option<Duration> {
        let pending = self.log.flush_pending_since();
        pending.map(|since| now.saturating_sub(since))
    }

    /// How far the others' logs agree with ours, and how long ago a quorum had answered when the
    /// core said so.
    fn matched(&self) -> (BTreeMap<Voter, u64>, Option<u64>) {
        let metrics = self.raft.data_metrics();
        let metrics = metrics.borrow();
        let replication = metrics.replication.iter().flatten();
        let known = replication.filter_map(|(id, matched)| {
            let matched = matched.as_ref()?;
            Some((Voter::from_number(*id), matched.index))
        });
        (known.collect(), metrics.millis_since_quorum_ack)
    }

    /// Whether this replica votes, as its own log says.
    fn is_voter(&self) -> bool {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow();
        let mut voters = metrics.membership_config.voter_ids();
        voters.any(|voter| voter == self.me.number())
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
        let mut answers = Answers::new();
        let mut higher_vote = self.higher_vote.news();
        higher_vote.mark_changed();
        loop {
            let mut dice = [0; 8];
            self.ambient.rand.fill(&mut dice);
            let dice = u64::from_le_bytes(dice);
            let voters = self.voters(&roles);
            let acts = self.decide(|election, now, facts| {
                let acts = election.tick(now, facts, &voters, dice);
                self.laggard.set(election.may_lag(now, facts));
                acts
            });
            self.act(acts, &mut answers);
            tokio::select! {
                biased;
                Some(answered) = answers.join_next() => {
                    if let Ok(Some((from, answer))) = answered {
                        let acts = self.decide(|election, now, facts| {
                            election.take_answer(now, facts, from, answer)
                        });
                        self.act(acts, &mut answers);
                    }
                }
                Ok(()) = higher_vote.changed() => {
                    let vote = *higher_vote.borrow_and_update();
                    if let Some(vote) = vote {
                        answers.spawn(self.clone().yield_to(vote));
                    }
                }
                () = self.handed.come.notified() => self.elect_as_told(&mut answers),
                () = sleep(TICK) => {}
            }
        }
    }

    /// Has the core hear of a vote above its own: as a word of whom that is for, which follows on
    /// an entry that nobody has, and so changes nothing but the vote.
    async fn yield_to(self: Arc<Self>, vote: Vote) -> Option<(Voter, Answer)> {
        let LeaderId { term, node_id } = vote.leader_id;
        let nowhere = LogId::new(CommittedLeaderId::new(term, node_id), u64::MAX);
        let word = AppendEntriesRequest {
            vote,
            prev_log_id: Some(nowhere),
            entries: Vec::new(),
            leader_commit: None,
        };
        if let Err(error) = self.raft.append_entries(word).await {
            tracing::debug!(group = %self.topic.group, %error, "core has ended");
        }
        None
    }

    fn elect_as_told(self: &Arc<Self>, answers: &mut Answers) {
        for told in std::mem::take(&mut *self.handed.waiting()) {
            self.begin_election(answers, Some(told));
        }
    }

    /// `told` is whoever waits until the core has begun it.
    fn begin_election(self: &Arc<Self>, answers: &mut Answers, told: Option<oneshot::Sender<()>>) {
        let mind = self.clone();
        answers.spawn(async move {
            mind.elect().await;
            let _gone = told.map(|told| told.send(()));
            None
        });
    }

    fn act(self: &Arc<Self>, acts: Vec<Act>, answers: &mut Answers) {
        for act in acts {
            match act {
                Act::Beat(beat) => self.say_to_all(&beat),
                Act::Ask(voter, question) => {
                    let asking = self.ask(voter, Asked::Question(question));
                    answers.spawn(async move {
                        match asking.await? {
                            Heard::Answer(answer) => Some((voter, answer)),
                            Heard::Done => None,
                        }
                    });
                }
                Act::HandOver(voter, told) => {
                    tracing::info!(group = %self.topic.group, to = %voter, "lead is handed over");
                    let asking = self.ask(voter, Asked::HandOver(told));
                    // What comes of it is seen in the log.
                    answers.spawn(async move {
                        asking.await;
                        None
                    });
                }
                Act::Elect => self.begin_election(answers, None),
                Act::HeartbeatsOff => self.raft.runtime_config().heartbeat(false),
                Act::HeartbeatsOn => self.raft.runtime_config().heartbeat(true),
                Act::StopProposals => {
                    self.pause.send_replace(true);
                }
                Act::ResumeProposals => {
                    self.pause.send_replace(false);
                }
            }
        }
    }

    /// Has the core campaign, and waits until it has begun to.
    async fn elect(&self) {
        tracing::info!(group = %self.topic.group, "voter campaigns");
        let begun = self.raft.trigger().elect().await;
        // The core takes this after it.
        let vote = match begun {
            Ok(()) => self.raft.with_raft_state(|state| *state.vote_ref()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &vote {
            tracing::debug!(group = %self.topic.group, %error, "core has ended");
        }
        self.lock().guard.end_election(vote.ok().map(ballot));
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

    fn ask(&self, to: Voter, what: Asked) -> impl Future<Output = Option<Heard>> + Send + 'static {
        let said = Said {
            from: self.me,
            to: Some(to),
            what,
        };
        let body = codec::encode(VERSION, &said).unwrap_or_default();
        let asked = self
            .peers
            .ask(to.node, Lane::Control, self.topic, body.into());
        async move {
            let answer = timeout(ANSWER_PATIENCE, asked).await.ok()?.ok()?;
            codec::decode(VERSION, &answer).ok()
        }
    }
}

impl<G: Kind> Gate for Mind<G> {
    fn may_vote(&self, ballot: Ballot, last_log: LogPosition) -> bool {
        self.with(|rules, now, facts| {
            let Ballot { term, voter } = ballot;
            let may = rules.election.may_vote(now, facts, voter, term, last_log);
            if may {
                rules.guard.begin_vote(now, ballot);
            }
            may
        })
    }

    fn voted(&self, ballot: Ballot, vote: Option<Ballot>) {
        self.lock().guard.end_vote(ballot, vote);
    }

    fn may_append(&self, leader: Ballot) -> bool {
        let vote = {
            let metrics = self.raft.server_metrics();
            let metrics = metrics.borrow();
            ballot(metrics.vote)
        };
        let now = self.clock().now();
        let mut rules = self.lock();
        let lease = Timing::DEFAULT.lease;
        let may = rules.guard.may_append(now, leader, lease, vote);
        if may && vote <= leader {
            rules.election.note_entries(now, leader.voter, leader.term);
        }
        may
    }

    fn appended(&self, leader: Ballot) -> bool {
        let now = self.clock().now();
        self.lock().guard.may_confirm(now, leader)
    }
}

/// Hears beats and answers questions.
pub(super) struct ElectionDesk<G: Kind>(pub(super) Arc<Mind<G>>);

impl<G: Kind> Desk for ElectionDesk<G> {
    fn told(&self, from: NodeId, body: Bytes) {
        match codec::decode::<Said<Beat>>(VERSION, &body) {
            Ok(said) if said.from.node == from => {
                let now = self.0.clock().now();
                let is_voter = self.0.is_voter();
                let mut rules = self.0.lock();
                let Beat {
                    term,
                    leads,
                    confirmed,
                    ..
                } = said.what;
                // Whoever does not know yet that it votes answers no beat, and learns it from just
                // those entries.
                let confirmed = confirmed || !is_voter;
                rules
                    .guard
                    .note_beat(now, said.from, term, (leads, confirmed));
                rules.election.take_beat(now, said.from, said.what);
            }
            Ok(said) => tracing::warn!(%from, claimed = %said.from, "beat of another node"),
            Err(error) => {
                let _silent = self.0.unread.refuse(from, &error);
            }
        }
    }

    fn asked(
        &self,
        from: NodeId,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>> {
        let mind = self.0.clone();
        Box::pin(async move {
            let said: Said<Asked> =
                codec::decode(VERSION, &body).map_err(|error| mind.unread.refuse(from, &error))?;
            if said.from.node != from || said.to != Some(mind.me) {
                return Err(format!("this is voter {}", mind.me));
            }
            let answer = match said.what {
                Asked::Question(question) => mind.with(|rules, now, facts| {
                    let election = &mut rules.election;
                    Heard::Answer(election.take_question(now, facts, said.from, question))
                }),
                Asked::HandOver(told) => {
                    let acts = mind.decide(|election, now, facts| {
                        election.take_hand_over(now, facts, said.from, told)
                    });
                    if acts.contains(&Act::Elect) {
                        mind.handed.begun().await;
                    }
                    Heard::Done
                }
            };
            let record = codec::encode(VERSION, &answer).map_err(|error| error.to_string())?;
            Ok(record.into())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Found by seed 31068 of pairs: the question was gone with its connection, the election that
    /// it had begun never ended, and this voter listened to no leader any more.
    #[test]
    fn an_election_that_was_told_is_begun_though_whoever_told_it_is_gone() {
        let handed = Handed::default();
        let mut context = Context::from_waker(Waker::noop());
        {
            let begun = std::pin::pin!(handed.begun());
            assert_eq!(begun.poll(&mut context), Poll::Pending);
        }
        let come = std::pin::pin!(handed.come.notified());
        assert_eq!(come.poll(&mut context), Poll::Ready(()));
        assert_eq!(handed.waiting().len(), 1);
    }
}
