//! One running Raft group: openraft behind a narrow face. No type of openraft leaves this folder.
//!
//! ```text
//!   propose / execute ─► Pipeline ─► Courier ─┬─► openraft ─► LogStore (flush), Peers (entries)
//!                           ▲                 └─► the leader's Intake, while another leads
//!                           └── settled by MachineAdapter::apply ──► Tables, Outlet
//! ```
//! A command leaves the pipeline when this replica has applied it: a change of leaders loses none
//! and repeats none.

mod courier;
mod desk;
mod elect;
mod entry;
mod gate;
pub(crate) mod guard;
mod held;
mod intake;
mod items;
mod log_adapter;
mod machine_adapter;
mod membership;
mod network;
mod pipeline;
mod reform;
mod seed;
mod snapshot_transfer;
mod time;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::impls::EmptyNode;
use openraft::{Config, Raft, SnapshotPolicy};
use pollux_domain::ids::{GroupId, GroupMs, Life, NodeId, Voter};
use pollux_domain::seams::Ambient;
use pollux_links::in_use::InUse;
use pollux_links::peers::{Desks, Peers, Subject, Topic};
use pollux_store::tables::Tables;
use tokio::sync::{oneshot, watch};

use crate::election::{Election, Timing};
use crate::log::LogStore;
use crate::machine::{Kind, Machine};
use crate::unread::Unread;
use courier::Courier;
use desk::{LogDesk, ProposalDesk};
use elect::{ElectionDesk, Handed, Mind, Rules};
use entry::{Item, Leadership, Origin};
use guard::Ballot;
use held::State;
use intake::Intake;
use log_adapter::{LogAdapter, LogFacts};
use machine_adapter::MachineAdapter;
use network::{HigherVote, Laggard, LinkNetworks};
use pipeline::Pipeline;
use time::Timekeeper;
use types::Types;

pub use elect::Roles;
pub use log_adapter::check_record;
pub use membership::{MemberRow, MembershipError};
pub use reform::reform;
pub use seed::seed;

type CommandOf<G> = <<G as Kind>::Machine as Machine>::Command;
type ReplyOf<G> = <<G as Kind>::Machine as Machine>::Reply;
type EffectOf<G> = <<G as Kind>::Machine as Machine>::Effect;

/// Takes the effects of each applied entry, in the order of the log. Called from the group's own
/// thread: must not wait.
pub trait Outlet<E>: Send + Sync + 'static {
    fn take(&self, effects: Vec<E>);

    /// The state was replaced by another replica's: effects were missed.
    fn replaced(&self);
}

/// An outlet for machines without effects.
#[derive(Debug)]
pub struct NoEffects;

impl Outlet<()> for NoEffects {
    fn take(&self, _effects: Vec<()>) {}

    fn replaced(&self) {}
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

/// How a replica without a log begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// As the first voter of a new group.
    Found,
    /// As one who waits until the group takes it in.
    Join,
}

/// What a replica of a group is made of.
pub struct GroupParts<G: Kind> {
    pub group: GroupId,
    pub me: Voter,
    /// Greater than at any earlier start of this node.
    pub life: Life,
    pub begin: Begin,
    pub peers: Arc<dyn Peers>,
    pub desks: Arc<Desks>,
    pub log: Arc<dyn LogStore>,
    pub tables: Arc<dyn Tables>,
    pub outlet: Arc<dyn Outlet<EffectOf<G>>>,
    pub ambient: Ambient,
    /// Entries after which a snapshot is taken; `limits::SNAPSHOT_ENTRIES` but in tests.
    pub snapshot_entries: u64,
    pub keep_entries: u64,
    /// The format that the cluster uses, in which all is written: the configuration's group raises
    /// it.
    pub in_use: InUse,
}

/// A member's handle to its group. Cheap to clone; may be used from any thread.
pub struct Group<G: Kind> {
    me: Voter,
    topic: Topic,
    raft: Raft<Types<G>>,
    state: State<G>,
    pipeline: Arc<Pipeline<G>>,
    time: Arc<Timekeeper>,
    facts: Arc<LogFacts>,
    peers: Arc<dyn Peers>,
    failed: watch::Receiver<Option<String>>,
    stop: watch::Sender<bool>,
    mind: Arc<Mind<G>>,
    leading: watch::Receiver<Option<u64>>,
}

impl<G: Kind> Clone for Group<G> {
    fn clone(&self) -> Self {
        Group {
            me: self.me,
            topic: self.topic,
            raft: self.raft.clone(),
            state: self.state.clone(),
            pipeline: self.pipeline.clone(),
            time: self.time.clone(),
            facts: self.facts.clone(),
            peers: self.peers.clone(),
            failed: self.failed.clone(),
            stop: self.stop.clone(),
            mind: self.mind.clone(),
            leading: self.leading.clone(),
        }
    }
}

impl<G: Kind> std::fmt::Debug for Group<G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Group({})", self.topic.group)
    }
}

impl<G: Kind> Group<G> {
    /// Starts a replica. Tasks run on the current runtime. What is in its log is applied as the
    /// leader confirms it: see [`Group::catch_up`].
    pub async fn start(parts: GroupParts<G>) -> Result<Group<G>, GroupError> {
        let step = |step, error: String| GroupError::Start {
            step,
            reason: error,
        };
        let topic = Topic {
            subject: Subject::Log,
            group: parts.group,
        };
        let config =
            Arc::new(raft_config::<G>(&parts).map_err(|error| step("check the settings", error))?);
        let state = State::<G>::default();
        let pipeline = Arc::new(Pipeline::<G>::new(Origin {
            node: parts.me.node,
            life: parts.life,
        }));
        let (saved, snapshots) = watch::channel(0);
        let log = LogAdapter::<G>::open(parts.log.clone(), parts.ambient.clock.clone(), snapshots)
            .map_err(|error| step("open the log", error.to_string()))?;
        let facts = log.facts();
        let machine = MachineAdapter::<G>::open(
            state.clone(),
            pipeline.clone(),
            parts.log.clone(),
            parts.tables.clone(),
            parts.outlet.clone(),
            parts.in_use.clone(),
            saved,
        )
        .map_err(|error| step("load the snapshot", error.to_string()))?;
        let (purged, held) = (log.purged(), state.read(|held| held.index));
        if held < purged {
            let reason = format!(
                "the log begins behind entry {purged}, and no snapshot holds what was before; \
                 nothing can be gone on with. Restore a backup of the data folder"
            );
            return Err(step("load the snapshot", reason));
        }
        let laggard = Arc::new(Laggard::default());
        let higher_vote = Arc::new(HigherVote::default());
        let networks = LinkNetworks {
            me: parts.me,
            topic,
            peers: parts.peers.clone(),
            tables: parts.tables.clone(),
            clock: parts.ambient.clock.clone(),
            in_use: parts.in_use.clone(),
            laggard: laggard.clone(),
            higher_vote: higher_vote.clone(),
        };
        let raft = Raft::new(parts.me.number(), config, networks, log, machine)
            .await
            .map_err(|error| step("start the group", error.to_string()))?;
        raft.runtime_config().elect(false);
        begin(&raft, &parts).await?;
        let (fail, failed) = watch::channel(None);
        let (stop, stopping) = watch::channel(false);
        let (pause, paused) = watch::channel(false);
        let (leading, leads) = watch::channel(None);
        let time = Arc::new(Timekeeper::new(parts.ambient.clock.clone()));
        let intake = Arc::new(Intake::new());
        let now = parts.ambient.clock.now();
        let unread = Arc::new(Unread::new(parts.group, parts.ambient.clock.clone()));
        let mind = Arc::new(Mind::<G> {
            me: parts.me,
            topic: Topic {
                subject: Subject::Election,
                group: parts.group,
            },
            raft: raft.clone(),
            log: facts.clone(),
            peers: parts.peers.clone(),
            ambient: parts.ambient.clone(),
            laggard,
            higher_vote,
            pause,
            handed: Handed::default(),
            rules: Mutex::new(Rules::new(Election::new(parts.me, Timing::DEFAULT, now))),
            unread: unread.clone(),
        });
        let election_desk = Arc::new(ElectionDesk(mind.clone()));
        parts.desks.open(mind.topic, election_desk);
        let log_desk = LogDesk::<G> {
            me: parts.me,
            raft: raft.clone(),
            gate: mind.clone(),
            tables: parts.tables.clone(),
            incoming: Arc::new(Mutex::default()),
            pipeline: pipeline.clone(),
            unread: unread.clone(),
            in_use: parts.in_use.clone(),
        };
        parts.desks.open(topic, Arc::new(log_desk));
        let proposals = Topic {
            subject: Subject::Proposal,
            group: parts.group,
        };
        let proposal_desk = ProposalDesk::<G> {
            me: parts.me,
            intake: intake.clone(),
            unread,
            in_use: parts.in_use.clone(),
        };
        parts.desks.open(proposals, Arc::new(proposal_desk));
        let courier = Courier {
            raft: raft.clone(),
            me: parts.me,
            topic: proposals,
            peers: parts.peers.clone(),
            clock: parts.ambient.clock.clone(),
            in_use: parts.in_use.clone(),
            state: state.clone(),
            pipeline: pipeline.clone(),
            intake,
            time: time.clone(),
            failed: fail,
            stopping,
            paused,
            leading,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the group's own task, on the group's runtime"
        )]
        tokio::spawn(courier.run());
        Ok(Group {
            me: parts.me,
            topic,
            raft,
            state,
            pipeline,
            time,
            facts,
            peers: parts.peers,
            failed,
            stop,
            mind,
            leading: leads,
        })
    }

    /// Takes part in elections until it is dropped. Belongs on the control thread.
    pub async fn run_elections(&self, roles: Roles) {
        self.mind.clone().run(roles).await;
    }

    /// The term in which this node leads, once it has applied all that was committed before.
    pub fn leads_in(&self) -> Option<u64> {
        let leads_in = *self.leading.borrow();
        leads_in.filter(|term| *term == self.term())
    }

    /// Whether this node leads, and has applied all that was committed before it did.
    pub fn is_leading(&self) -> bool {
        self.leads_in().is_some()
    }

    /// Makes certain that this node still leads.
    pub async fn confirm_lead(&self) -> bool {
        self.is_leading() && self.raft.ensure_linearizable().await.is_ok()
    }

    /// As leader: a lease is recorded as granted, and is to be confirmed next. False: a vote for
    /// another is being given, and it may not be.
    pub fn note_lease_granted(&self) -> bool {
        self.mind.with(|rules, now, facts| {
            let me = Ballot {
                term: facts.term,
                voter: self.me,
            };
            let may = facts.leads && rules.guard.may_confirm(now, me);
            if may {
                rules.election.note_lease_granted(now);
            }
            may
        })
    }

    /// As leader: whether a quorum has answered within a lease.
    pub fn is_confirmed(&self) -> bool {
        self.mind
            .with(|rules, now, facts| rules.election.confirmed(now, facts))
    }

    /// As leader of `term`: whether another node may be made to serve.
    pub fn may_take_over(&self, term: u64) -> bool {
        self.mind.with(|rules, now, facts| {
            let known = rules.election.leads_in() == Some(term);
            known && facts.leads && facts.term == term && rules.election.may_take_over(now)
        })
    }

    /// The voter that speaks as leader at this moment, as far as is known here; else the one that
    /// the log's core knows.
    pub fn speaker(&self) -> Option<Voter> {
        let speaker = self.mind.with(|rules, now, _| rules.election.leader(now));
        speaker.or_else(|| self.leader())
    }

    /// The nodes that were heard within one lease, this one among them.
    pub fn heard_nodes(&self) -> BTreeSet<NodeId> {
        let voters = self.voters();
        self.mind.with(|rules, now, _| {
            let heard = voters.into_iter();
            let heard = heard.filter(|voter| rules.election.alive(now, *voter));
            heard.map(|voter| voter.node).collect()
        })
    }

    /// For how long the oldest flush of this replica has been under way.
    pub fn flush_pending(&self, now: Duration) -> Duration {
        self.mind.flush_pending(now).unwrap_or_default()
    }

    /// Whether this process, or this replica, has something to do that is not done.
    pub fn has_work(&self) -> bool {
        let last = self.facts.last().index;
        !self.pipeline.is_empty() || self.state.read(|held| held.index) < last
    }

    /// Hands over a command; what becomes of it comes as effects. Never waits. It is committed
    /// once, in the order of this process's commands, whoever leads.
    pub fn propose(&self, command: impl Into<Arc<CommandOf<G>>>) -> Result<(), GroupError> {
        self.pipeline.push(Item::Command(command.into()), &mut None)
    }

    /// Hands over a command and waits until this replica has applied it.
    pub async fn execute(&self, command: CommandOf<G>) -> Result<ReplyOf<G>, GroupError> {
        let reply = self.put(Item::Command(Arc::new(command))).await?;
        reply.ok_or_else(|| GroupError::Unknown("it had no reply".to_owned()))
    }

    /// Hands over what was decided as leader of `term`, and waits until it is applied. In the entry
    /// of any other leadership it is nothing, and has no reply.
    pub async fn execute_as_leader(
        &self,
        term: u64,
        command: CommandOf<G>,
    ) -> Result<Option<ReplyOf<G>>, GroupError> {
        let decided = Leadership {
            term,
            leader: self.me.number(),
        };
        self.put(Item::Decision(decided, Arc::new(command))).await
    }

    /// Resolves when this replica has applied all that was committed when it was called: a read
    /// after it is linearizable.
    pub async fn catch_up(&self) -> Result<(), GroupError> {
        self.put(Item::Barrier).await.map(|_| ())
    }

    async fn put(&self, item: Item<CommandOf<G>>) -> Result<Option<ReplyOf<G>>, GroupError> {
        let (told, reply) = oneshot::channel();
        let mut told = Some(told);
        loop {
            self.pipeline.room().await?;
            match self.pipeline.push(item.clone(), &mut told) {
                Err(GroupError::Full) => {}
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        reply.await.map_err(|_| GroupError::Stopped)?
    }

    /// Resolves when a proposal would be taken again.
    pub async fn room(&self) -> Result<(), GroupError> {
        self.pipeline.room().await
    }

    /// Reads the applied state. Keep it short: `apply` waits meanwhile.
    pub fn read<R>(&self, read: impl FnOnce(&G::Machine) -> R) -> R {
        self.state.read(|held| read(&held.machine))
    }

    /// The group's time that the next entry would be stamped with.
    pub fn time(&self) -> GroupMs {
        self.time.stamp().group
    }

    /// Continues the group's time where the applied state stands: by the node that serves, whenever
    /// it begins to, or goes on after it could not.
    pub fn continue_time(&self, from: GroupMs) {
        self.time.continue_from(from);
    }

    pub fn group(&self) -> GroupId {
        self.topic.group
    }

    pub fn me(&self) -> Voter {
        self.me
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
        let last = self.facts.last().index;
        let applied = self.state.read(|held| held.index);
        let metrics = self.raft.metrics();
        let snapshot = metrics.borrow().snapshot.map_or(0, |id| id.index);
        (last, applied, snapshot)
    }

    /// A checksum of the applied state, equal on all replicas at the same index.
    pub fn digest(&self) -> io::Result<u32> {
        self.read(pollux_store::codec::digest).map_err(Into::into)
    }

    /// Has every replica keep its state after one entry, and returns the entry's index.
    pub async fn mark(&self) -> Result<u64, GroupError> {
        self.put(Item::Digest).await?;
        let mark = self.state.last_mark();
        mark.ok_or_else(|| GroupError::Unknown("no state was kept".to_owned()))
    }

    /// The checksum of this replica's state after a marked entry; none where it is not there yet.
    pub fn digest_at(&self, index: u64) -> io::Result<Option<u32>> {
        self.state.digest_at(index)
    }

    /// Stops taking commands, commits those that wait, and ends the group's tasks.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        // The courier drops its end of this when it is done.
        let mut failed = self.failed.clone();
        let ended = async { while failed.changed().await.is_ok() {} };
        if tokio::time::timeout(STOP_PATIENCE, ended).await.is_err() {
            tracing::warn!(group = %self.topic.group, "nobody takes the last commands");
        }
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(group = %self.topic.group, %error, "group ended badly");
        }
    }
}

/// How long the last commands of a node that stops may take.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// A voter that is alone elects itself; a new group is founded; whoever joins waits.
async fn begin<G: Kind>(raft: &Raft<Types<G>>, parts: &GroupParts<G>) -> Result<(), GroupError> {
    let step = |step, reason: String| GroupError::Start { step, reason };
    let id = parts.me.number();
    let initialized = raft
        .is_initialized()
        .await
        .map_err(|error| step("read the membership", error.to_string()))?;
    if !initialized && parts.begin == Begin::Found {
        let members = BTreeMap::from([(id, EmptyNode {})]);
        return raft
            .initialize(members)
            .await
            .map_err(|error| step("initialize the group", error.to_string()));
    }
    let metrics = raft.server_metrics();
    let voters: Vec<u64> = metrics.borrow().membership_config.voter_ids().collect();
    if voters == [id] {
        raft.trigger()
            .elect()
            .await
            .map_err(|error| step("elect", error.to_string()))?;
    }
    Ok(())
}

/// openraft's own elections are off (design, section 4), so that its timer's range is one value: no
/// randomness is used. Its lease is as short as it may be, since ours stands in front of the votes.
fn raft_config<G: Kind>(parts: &GroupParts<G>) -> Result<Config, String> {
    let config = Config {
        cluster_name: G::NAME.to_owned(),
        heartbeat_interval: 100,
        election_timeout_min: 101,
        election_timeout_max: 102,
        enable_elect: false,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(parts.snapshot_entries),
        max_in_snapshot_log_to_keep: parts.keep_entries,
        purge_batch_size: 64,
        // Entries are up to some megabytes each.
        max_payload_entries: 32,
        install_snapshot_timeout: 60_000,
        ..Config::default()
    };
    config.validate().map_err(|error| error.to_string())
}
