//! Brings this process's commands into the log: writes entries itself while this node leads, hands
//! them to the leader while another does. One entry is in flight, and as many commands are in the
//! next as have come meanwhile, so that a flush is shared by all who waited for it (design, section
//! 5, "Batch, do not trickle").

use std::sync::Arc;
use std::time::Duration;

use openraft::error::{ClientWriteError, RaftError};
use openraft::{Raft, ServerState};
use pollux_domain::ids::Voter;
use pollux_domain::limits;
use pollux_domain::seams::Clock;
use pollux_links::in_use::InUse;
use pollux_links::peers::{Lane, Peers, Topic};
use pollux_store::codec;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::CommandOf;
use super::entry::{Batch, Part};
use super::held::State;
use super::intake::{Intake, Receipt};
use super::pipeline::Pipeline;
use super::time::Timekeeper;
use super::types::Types;
use crate::machine::{Kind, Machine};
use crate::version::{FORMATS, Written};

/// How long an answer of the leader may take, before another try.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
/// After this long without anything applied, what is on its way counts as lost.
const STUCK: Duration = Duration::from_secs(1);
/// Before another try with a leader that has no room or is none.
const PAUSE: Duration = Duration::from_millis(10);

/// What a node hands to the leader.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "C: Serialize", deserialize = ""))]
pub(super) struct Handover<C> {
    pub(super) to: Voter,
    pub(super) afresh: bool,
    pub(super) part: Part<C>,
}

/// See the module.
pub(super) struct Courier<G: Kind> {
    pub(super) raft: Raft<Types<G>>,
    pub(super) me: Voter,
    pub(super) topic: Topic,
    pub(super) peers: Arc<dyn Peers>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) in_use: InUse,
    pub(super) state: State<G>,
    pub(super) pipeline: Arc<Pipeline<G>>,
    pub(super) intake: Arc<Intake<CommandOf<G>>>,
    pub(super) time: Arc<Timekeeper>,
    pub(super) failed: watch::Sender<Option<String>>,
    pub(super) stopping: watch::Receiver<bool>,
    /// No entries are written: the lead is about to be handed over.
    pub(super) paused: watch::Receiver<bool>,
    /// The term in which this node leads, told when it has applied all that was committed before.
    pub(super) leading: watch::Sender<Option<u64>>,
}

/// Who leads, as this node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leader {
    Nobody,
    /// In this term.
    Myself(u64),
    Other(Voter),
}

impl<G: Kind> Courier<G> {
    /// Runs until the group stops and nothing waits, or the group fails.
    pub(super) async fn run(mut self) {
        let failure = self.serve().await.err();
        self.intake.set_open(false);
        self.leading.send_replace(None);
        self.pipeline.close(failure.as_deref());
        if let Some(reason) = failure {
            tracing::error!(group = %self.topic.group, error = reason, "group cannot go on");
            let _nobody = self.failed.send(Some(reason));
        }
    }

    async fn serve(&mut self) -> Result<(), String> {
        let mut roles = self.raft.server_metrics();
        loop {
            roles.borrow_and_update();
            // Whoever waits for a change of leaders is told of this end at once, again and again.
            if roles.has_changed().is_err() {
                return Err("the group's core has ended".to_owned());
            }
            self.pipeline.rewind_all();
            match self.leader() {
                Leader::Myself(term) => self.lead(term).await?,
                Leader::Other(leader) => self.forward(leader).await,
                Leader::Nobody => tokio::select! {
                    biased;
                    changed = roles.changed() => {
                        changed.map_err(|_| "the group's core has ended".to_owned())?;
                    }
                    () = self.stopped() => {}
                },
            }
            self.intake.set_open(false);
            self.leading.send_replace(None);
            if self.is_stopping() && self.may_stop() {
                return Ok(());
            }
        }
    }

    /// Asked to, or nobody has a handle to the group any more.
    fn is_stopping(&self) -> bool {
        *self.stopping.borrow() || self.stopping.has_changed().is_err()
    }

    /// What waits goes first, where anybody takes it.
    fn may_stop(&self) -> bool {
        self.pipeline.is_empty() || self.leader() == Leader::Nobody
    }

    fn leader(&self) -> Leader {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow();
        match metrics.current_leader.map(Voter::from_number) {
            None => Leader::Nobody,
            Some(leader) if leader != self.me => Leader::Other(leader),
            Some(_) if metrics.state == ServerState::Leader => {
                Leader::Myself(metrics.vote.leader_id.term)
            }
            Some(_) => Leader::Nobody,
        }
    }

    async fn stopped(&self) {
        let mut stopping = self.stopping.clone();
        let _gone = stopping.wait_for(|stopping| *stopping).await.is_err();
    }

    /// Resolves when the group is to stop and nothing waits any more.
    async fn drained(&self) {
        self.stopped().await;
        while !self.pipeline.is_empty() {
            sleep(PAUSE).await;
        }
    }

    /// Resolves when somebody else, or nobody, is the leader.
    async fn deposed(&self, leader: Leader) {
        let mut roles = self.raft.server_metrics();
        loop {
            roles.borrow_and_update();
            if self.leader() != leader || roles.changed().await.is_err() {
                return;
            }
        }
    }

    /// Writes entries as long as this node leads in `term`.
    async fn lead(&self, term: u64) -> Result<(), String> {
        let myself = Leader::Myself(term);
        // An entry of this term is committed and applied, and so all before it: what was promised
        // earlier is in the state now.
        while let Err(error) = self.raft.ensure_linearizable().await {
            if let RaftError::Fatal(fatal) = error {
                return Err(fatal.to_string());
            }
            if self.leader() != myself {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
        if self.leader() != myself {
            return Ok(());
        }
        let time = self.state.read(|held| held.machine.group_time());
        self.time.continue_from(time);
        self.intake.set_open(true);
        self.leading.send_replace(Some(term));
        let mut mine_first = false;
        loop {
            tokio::select! {
                biased;
                () = self.deposed(myself) => return Ok(()),
                () = self.work() => {}
                () = self.drained() => return Ok(()),
            }
            let parts = self.gather(mine_first);
            mine_first = !mine_first;
            if parts.is_empty() {
                continue;
            }
            let batch = Arc::new(Batch {
                written: Written::here(self.in_use.get()),
                stamp: self.time.stamp(),
                parts,
            });
            tokio::select! {
                biased;
                written = self.raft.client_write(batch) => match written {
                    Ok(_) => {}
                    Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => return Ok(()),
                    Err(error) => return Err(error.to_string()),
                },
                () = self.deposed(myself) => return Ok(()),
            }
        }
    }

    /// Resolves when there is something to write and it may be written.
    async fn work(&self) {
        let mut paused = self.paused.clone();
        let _gone = paused.wait_for(|paused| !*paused).await.is_err();
        while self.intake.is_empty() {
            tokio::select! {
                biased;
                () = self.pipeline.work() => return,
                () = self.intake.grown.notified() => {}
            }
        }
    }

    /// The parts of the next entry: own commands and those of others, each first in turn.
    fn gather(&self, mine_first: bool) -> Vec<Part<CommandOf<G>>> {
        let (mut items, mut bytes) = (limits::BATCH_COMMANDS_MAX, limits::BATCH_BYTES_MAX);
        let mut parts = Vec::new();
        for mine in [mine_first, !mine_first] {
            let next = match mine {
                true => Vec::from_iter(self.pipeline.next_part(items, bytes)),
                false => self.intake.next_parts(items, bytes, G::Machine::weight),
            };
            for part in &next {
                items = items.saturating_sub(part.items.len());
                bytes = bytes.saturating_sub(part.weight(G::Machine::weight));
            }
            parts.extend(next);
            if items == 0 || bytes == 0 {
                break;
            }
        }
        parts
    }

    /// Hands commands to `leader` as long as it is that.
    async fn forward(&self, leader: Voter) {
        let mut afresh = true;
        let mut seen = (self.pipeline.first_sent(), self.clock.now());
        loop {
            tokio::select! {
                biased;
                () = self.deposed(Leader::Other(leader)) => return,
                () = self.pipeline.work() => {}
                () = sleep(STUCK / 2) => {}
                () = self.drained() => return,
            }
            let first = self.pipeline.first_sent();
            let now = self.clock.now();
            if first.is_none() || first != seen.0 {
                seen = (first, now);
            } else if seen.1 + STUCK <= now {
                self.pipeline.rewind_all();
                afresh = true;
                seen = (None, now);
            }
            let Some(part) = self
                .pipeline
                .next_part(limits::BATCH_COMMANDS_MAX, limits::BATCH_BYTES_MAX)
            else {
                continue;
            };
            let (first, last) = (part.first, part.last());
            let handed = self.hand_over(leader, part, afresh);
            let receipt = tokio::select! {
                biased;
                () = self.deposed(Leader::Other(leader)) => return,
                receipt = handed => receipt,
            };
            match receipt {
                Some(Receipt::Through(through)) => {
                    afresh = false;
                    if through < last {
                        self.pipeline.rewind(through);
                    }
                }
                Some(Receipt::Full | Receipt::NotLeader) | None => {
                    self.pipeline.rewind(first - 1);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn hand_over(
        &self,
        leader: Voter,
        part: Part<CommandOf<G>>,
        afresh: bool,
    ) -> Option<Receipt> {
        let handover = Handover {
            to: leader,
            afresh,
            part,
        };
        let body = codec::encode(self.in_use.get(), &handover).ok()?;
        let asked = self
            .peers
            .ask(leader.node, Lane::Bulk, self.topic, body.into());
        let answer = timeout(ANSWER_PATIENCE, asked).await.ok()?;
        match answer {
            Ok(receipt) => codec::decode(FORMATS.newest, &receipt).ok(),
            Err(error) => {
                tracing::debug!(group = %self.topic.group, %error, "leader cannot be told");
                None
            }
        }
    }
}
