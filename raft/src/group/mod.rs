//! One running Raft group: openraft behind a narrow face. No type of openraft leaves this folder.
//!
//! ```text
//!   propose / execute ─► batcher ─► openraft ─► LogStore (flush)
//!                                      └──► Machine::apply_batch ─► Tables, Outlet
//! ```

mod batcher;
mod log_adapter;
mod machine_adapter;
mod network;
mod types;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use openraft::{Config, Raft, SnapshotPolicy};
use pollux_domain::ids::{GroupMs, NodeId};
use pollux_domain::limits;
use pollux_domain::seams::Ambient;
use pollux_store::tables::Tables;
use tokio::sync::{mpsc, oneshot, watch};

use crate::log::LogStore;
use crate::machine::{Kind, Machine};
use batcher::{Batcher, Proposal, Timekeeper};
use log_adapter::LogAdapter;
use machine_adapter::MachineAdapter;
use types::Types;

pub use log_adapter::check_record;
pub(crate) use machine_adapter::ROW_VERSION;

type CommandOf<G> = <<G as Kind>::Machine as Machine>::Command;
type ReplyOf<G> = <<G as Kind>::Machine as Machine>::Reply;
type EffectOf<G> = <<G as Kind>::Machine as Machine>::Effect;

/// Takes the effects of each applied entry, in the order of the log. Called from the group's own
/// thread: must not wait.
pub trait Outlet<E>: Send + Sync + 'static {
    fn take(&self, effects: Vec<E>);
}

/// An outlet for machines without effects.
#[derive(Debug)]
pub struct NoEffects;

impl Outlet<()> for NoEffects {
    fn take(&self, _effects: Vec<()>) {}
}

/// Why a group does not take a command.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GroupError {
    #[error("too many commands wait for the group")]
    Full,
    #[error("the group has stopped")]
    Stopped,
    /// The command may have been committed, or not.
    #[error("the group did not confirm: {0}")]
    Unknown(String),
    #[error("failed to {step}: {reason}")]
    Start { step: &'static str, reason: String },
}

/// What a group is made of.
pub struct GroupParts<G: Kind> {
    pub node: NodeId,
    pub log: Arc<dyn LogStore>,
    pub tables: Arc<dyn Tables>,
    pub outlet: Arc<dyn Outlet<EffectOf<G>>>,
    pub ambient: Ambient,
    /// Entries after which a snapshot is taken; [`limits::SNAPSHOT_ENTRIES`] but in tests.
    pub snapshot_entries: u64,
    pub keep_entries: u64,
}

/// A member's handle to its group. Cheap to clone; may be used from any thread.
pub struct Group<G: Kind> {
    raft: Raft<Types<G>>,
    state: Arc<RwLock<G::Machine>>,
    proposals: mpsc::Sender<Proposal<G>>,
    time: Arc<Timekeeper>,
    failed: watch::Receiver<Option<String>>,
    stop: watch::Sender<bool>,
}

impl<G: Kind> Clone for Group<G> {
    fn clone(&self) -> Self {
        Group {
            raft: self.raft.clone(),
            state: self.state.clone(),
            proposals: self.proposals.clone(),
            time: self.time.clone(),
            failed: self.failed.clone(),
            stop: self.stop.clone(),
        }
    }
}

impl<G: Kind> std::fmt::Debug for Group<G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Group({})", G::NAME)
    }
}

impl<G: Kind> Group<G> {
    /// Starts a group of one voter and returns when everything in its log is applied. Tasks run on
    /// the current runtime.
    pub async fn start(parts: GroupParts<G>) -> Result<Group<G>, GroupError> {
        let state = Arc::new(RwLock::new(G::Machine::default()));
        let step = |step, error: String| GroupError::Start {
            step,
            reason: error,
        };
        let log = LogAdapter::<G>::open(parts.log.clone())
            .map_err(|error| step("open the log", error.to_string()))?;
        let machine = MachineAdapter::<G>::open(
            state.clone(),
            parts.log.clone(),
            parts.tables.clone(),
            parts.outlet.clone(),
        )
        .map_err(|error| step("load the snapshot", error.to_string()))?;
        let config =
            Arc::new(raft_config::<G>(&parts).map_err(|error| step("check the settings", error))?);
        let id = u64::from(parts.node.0);
        let raft = Raft::new(id, config, network::NoNetwork, log, machine)
            .await
            .map_err(|error| step("start the group", error.to_string()))?;
        raft.runtime_config().elect(false);
        let initialized = raft.is_initialized().await;
        if initialized.map_err(|error| step("read the membership", error.to_string()))? {
            raft.trigger()
                .elect()
                .await
                .map_err(|error| step("elect", error.to_string()))?;
        } else {
            let members = std::collections::BTreeMap::from([(id, openraft::impls::EmptyNode {})]);
            raft.initialize(members)
                .await
                .map_err(|error| step("initialize the group", error.to_string()))?;
        }
        // An entry of this term is committed, and so all before it: what was promised earlier is in
        // the state now.
        let time = Arc::new(Timekeeper::new(parts.ambient.clock.clone()));
        raft.wait(Some(Duration::from_secs(60)))
            .metrics(|m| m.current_leader == Some(id), "leads")
            .await
            .map_err(|error| step("elect", error.to_string()))?;
        raft.ensure_linearizable()
            .await
            .map_err(|error| step("apply the log", error.to_string()))?;
        let (proposals, waiting) = mpsc::channel(limits::PROPOSALS_MAX);
        let (fail, failed) = watch::channel(None);
        let (stop, stopping) = watch::channel(false);
        let batcher = Batcher::new(raft.clone(), waiting, time.clone(), fail, stopping);
        #[expect(
            clippy::disallowed_methods,
            reason = "the group's own task, on the group's runtime"
        )]
        tokio::spawn(batcher.run());
        Ok(Group {
            raft,
            state,
            proposals,
            time,
            failed,
            stop,
        })
    }

    /// Hands over a command; what becomes of it comes as effects. Never waits.
    pub fn propose(&self, command: CommandOf<G>) -> Result<(), GroupError> {
        self.send(Proposal {
            command,
            reply: None,
        })
    }

    /// Hands over a command and waits until it is applied.
    pub async fn execute(&self, command: CommandOf<G>) -> Result<ReplyOf<G>, GroupError> {
        let (reply, replied) = oneshot::channel();
        self.proposals
            .send(Proposal {
                command,
                reply: Some(reply),
            })
            .await
            .map_err(|_| GroupError::Stopped)?;
        replied.await.map_err(|_| GroupError::Stopped)?
    }

    /// Resolves when a proposal would be taken again.
    pub async fn room(&self) -> Result<(), GroupError> {
        self.proposals
            .reserve()
            .await
            .map(|_| ())
            .map_err(|_| GroupError::Stopped)
    }

    /// Reads the applied state. Keep it short: `apply` waits meanwhile.
    pub fn read<R>(&self, read: impl FnOnce(&G::Machine) -> R) -> R {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The group's time that the next batch would be stamped with.
    pub fn time(&self) -> GroupMs {
        self.time.stamp().group
    }

    /// Continues the group's time where the applied state stands. To be called once, by the node
    /// that serves.
    pub fn continue_time(&self, from: GroupMs) {
        self.time.continue_from(from);
    }

    /// Resolves with the reason when the group can go on no more.
    pub async fn failure(&self) -> String {
        let mut failed = self.failed.clone();
        match failed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "the group has stopped".to_owned(),
        }
    }

    /// The reason, if the group can go on no more.
    pub fn check(&self) -> Result<(), String> {
        match &*self.failed.borrow() {
            None => Ok(()),
            Some(reason) => Err(reason.clone()),
        }
    }

    /// Log indexes: last, applied, snapshot. For metrics.
    pub fn indexes(&self) -> (u64, u64, u64) {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        (
            metrics.last_log_index.unwrap_or(0),
            metrics.last_applied.map_or(0, |id| id.index),
            metrics.snapshot.map_or(0, |id| id.index),
        )
    }

    /// A checksum of the applied state, equal on all replicas at the same index.
    pub fn digest(&self) -> io::Result<u32> {
        self.read(pollux_store::codec::digest).map_err(Into::into)
    }

    /// Stops taking commands, commits those that wait, and ends the group's tasks.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        // The batcher drops its end of this when it is done.
        let mut failed = self.failed.clone();
        while failed.changed().await.is_ok() {}
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(group = G::NAME, %error, "group ended badly");
        }
    }

    fn send(&self, proposal: Proposal<G>) -> Result<(), GroupError> {
        self.proposals
            .try_send(proposal)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => GroupError::Full,
                mpsc::error::TrySendError::Closed(_) => GroupError::Stopped,
            })
    }
}

/// openraft's own elections are off (design, section 4), so that its timer's range is one value: no
/// randomness is used.
fn raft_config<G: Kind>(parts: &GroupParts<G>) -> Result<Config, String> {
    let config = Config {
        cluster_name: G::NAME.to_owned(),
        heartbeat_interval: 100,
        election_timeout_min: 299,
        election_timeout_max: 300,
        enable_elect: false,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(parts.snapshot_entries),
        max_in_snapshot_log_to_keep: parts.keep_entries,
        purge_batch_size: 64,
        ..Config::default()
    };
    config.validate().map_err(|error| error.to_string())
}
