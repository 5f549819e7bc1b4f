//! What the parts of a node share, and the order in which it starts and stops.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::contract::{Command, Reply};
use pollux_domain::ids::{Epoch, NodeId};
use pollux_domain::limits;
use pollux_domain::metrics::Sample;
use pollux_domain::seams::Ambient;
use pollux_raft::configuration::Change;
use pollux_raft::group::{Group, GroupError, GroupParts, NoEffects};
use pollux_raft::log::LogStore;
use pollux_raft::machine::{ConfigurationGroup, Subcluster};
use pollux_raft::rows;
use pollux_store::tables::{MemoryTables, Tables};
use rustls::ServerConfig;

use crate::directory::Directory;
use crate::metrics::Metrics;
use crate::placement::Placement;

/// What is decided before a node starts.
#[derive(Debug, Clone)]
pub struct Settings {
    pub node: NodeId,
    pub domain: String,
    /// Passwords may be proved on streams without TLS.
    pub allow_plaintext: bool,
    pub tls: Option<Arc<ServerConfig>>,
    /// Iterations for new passwords; [`limits::SCRAM_ITERATIONS`] but in tests.
    pub scram_iterations: u32,
    /// Entries between snapshots, and kept behind one.
    pub snapshot_entries: u64,
    pub keep_entries: u64,
}

/// Where a node keeps what must last, and what it lives in.
pub struct Parts {
    pub settings: Settings,
    pub ambient: Ambient,
    pub placement: Arc<dyn Placement>,
    pub subcluster_log: Arc<dyn LogStore>,
    pub configuration_log: Arc<dyn LogStore>,
    pub tables: Arc<dyn Tables>,
}

/// See the module. Shared by everything that runs in a node; two may live in one process.
pub struct Node {
    pub settings: Settings,
    pub ambient: Ambient,
    pub placement: Arc<dyn Placement>,
    pub subcluster: Group<Subcluster>,
    pub configuration: Group<ConfigurationGroup>,
    pub tables: Arc<dyn Tables>,
    pub directory: Arc<Directory>,
    pub metrics: Metrics,
    /// Under which this node serves its users.
    pub epoch: Epoch,
    pub started: Duration,
    pub listeners: Mutex<Vec<SocketAddr>>,
    stopping: AtomicBool,
    /// Commands that must be said but had no room; `expiry` says them.
    unsaid: Mutex<Vec<Command>>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("failed to start the {group} group: {source}")]
    Group {
        group: &'static str,
        source: GroupError,
    },
    #[error("{count} stored messages are missing from the tables or damaged (first: {first})")]
    Rows { count: usize, first: u64 },
    #[error("failed to read the tables: {0}")]
    Tables(#[from] io::Error),
    #[error("the group refused to let this node serve: {0}")]
    Refused(String),
}

impl Node {
    /// Opens both groups and takes over the own users (design, section 4: the node serves nobody
    /// before it). To be called on the runtime that is to run the groups.
    pub async fn start(parts: Parts) -> Result<Arc<Node>, StartError> {
        let Parts {
            settings,
            ambient,
            placement,
            subcluster_log,
            configuration_log,
            tables,
        } = parts;
        let started = ambient.clock.now();
        let directory = Arc::new(Directory::default());
        let configuration = Group::<ConfigurationGroup>::start(GroupParts {
            node: settings.node,
            log: configuration_log,
            tables: Arc::new(MemoryTables::default()),
            outlet: Arc::new(NoEffects),
            ambient: ambient.clone(),
            snapshot_entries: settings.snapshot_entries,
            keep_entries: settings.keep_entries,
        })
        .await
        .map_err(|source| StartError::Group {
            group: "configuration",
            source,
        })?;
        let subcluster = Group::<Subcluster>::start(GroupParts {
            node: settings.node,
            log: subcluster_log,
            tables: tables.clone(),
            outlet: directory.clone(),
            ambient: ambient.clone(),
            snapshot_entries: settings.snapshot_entries,
            keep_entries: settings.keep_entries,
        })
        .await
        .map_err(|source| StartError::Group {
            group: "subcluster",
            source,
        })?;
        let wanted = subcluster.read(|state| state.rows());
        let missing = rows::missing(tables.as_ref(), &wanted)?;
        if let Some(first) = missing.first() {
            return Err(StartError::Rows {
                count: missing.len(),
                first: first.0,
            });
        }
        let epoch = take_over(&subcluster, settings.node).await?;
        let node = Arc::new(Node {
            settings,
            ambient,
            placement,
            subcluster,
            configuration,
            tables,
            directory,
            metrics: Metrics::default(),
            epoch,
            started,
            listeners: Mutex::default(),
            stopping: AtomicBool::new(false),
            unsaid: Mutex::default(),
        });
        node.agree().await?;
        tracing::info!(node = %node.settings.node, %epoch, "node serves");
        Ok(node)
    }

    /// The two groups say the same: every configured user is known to the subcluster, and no other.
    async fn agree(&self) -> Result<(), StartError> {
        let failed = |source| StartError::Group {
            group: "configuration",
            source,
        };
        if self
            .configuration
            .read(|state| state.decoy_secret().is_none())
        {
            let mut secret = [0; 32];
            self.ambient.rand.fill(&mut secret);
            let secret = Change::DecoySecret(Bytes::copy_from_slice(&secret));
            self.configuration.execute(secret).await.map_err(failed)?;
        }
        let configured: Vec<_> = self.configuration.read(|state| {
            state
                .users()
                .map(|(user, account)| (user.clone(), account.home))
                .collect()
        });
        for (user, home) in configured {
            if !self.subcluster.read(|state| state.has_user(&user)) {
                let adopt = Command::Adopt { user, home };
                self.subcluster.execute(adopt).await.map_err(failed)?;
            }
        }
        let known = self.subcluster.read(|state| state.users());
        for user in known {
            if self
                .configuration
                .read(|state| state.account(&user).is_none())
            {
                self.subcluster
                    .execute(Command::Release { user })
                    .await
                    .map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Says a command that must not be lost: at once, or as soon as there is room.
    pub fn tell_later(&self, command: Command) {
        if self.subcluster.propose(command.clone()).is_err() {
            self.unsaid
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(command);
        }
    }

    /// Commands that had no room.
    pub(crate) fn take_unsaid(&self) -> Vec<Command> {
        std::mem::take(&mut *self.unsaid.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All that is measured: of the process, and of the groups.
    pub fn samples(&self) -> Vec<Sample> {
        let statistics = self.subcluster.read(|state| state.statistics());
        let gauge = |name, help, count: usize| Sample::gauge(name, help, count as f64);
        let mut samples = vec![
            gauge("pollux_users", "Users of the subcluster.", statistics.users),
            gauge(
                "pollux_sessions",
                "Sessions, with a stream or without.",
                statistics.sessions,
            ),
            gauge(
                "pollux_sessions_attached",
                "Sessions that a stream carries.",
                statistics.sessions_attached,
            ),
            gauge(
                "pollux_slots",
                "Stanzas that wait for acknowledgement.",
                statistics.slots,
            ),
            gauge(
                "pollux_offline_messages",
                "Messages in the offline store.",
                statistics.offline,
            ),
        ];
        let groups = [
            ("configuration", self.configuration.indexes()),
            ("subcluster", self.subcluster.indexes()),
        ];
        for (group, (last, applied, snapshot)) in groups {
            let index = |name, help, index: u64| {
                Sample::gauge(name, help, index as f64).with("group", group)
            };
            samples.push(index(
                "pollux_raft_last_index",
                "The newest log entry.",
                last,
            ));
            samples.push(index(
                "pollux_raft_applied_index",
                "The newest applied entry.",
                applied,
            ));
            samples.push(index(
                "pollux_raft_snapshot_index",
                "The last snapshot.",
                snapshot,
            ));
        }
        samples.extend(self.metrics.samples());
        samples
    }

    /// Whether the groups can go on.
    pub fn check_groups(&self) -> Result<(), String> {
        self.subcluster.check()?;
        self.configuration.check()
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Tells clients, waits a little for their streams to close, and stops the groups. Nothing
    /// depends on it: what is acknowledged is committed.
    pub async fn stop(&self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        self.stopping.store(true, Ordering::Relaxed);
        self.directory.shut_down();
        let begun = self.ambient.clock.now();
        while !self.directory.is_empty() && self.ambient.clock.now() < begun + PATIENCE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.subcluster.shutdown().await;
        self.configuration.shutdown().await;
    }
}

/// A restart of the owner is a takeover by the same node.
async fn take_over(subcluster: &Group<Subcluster>, node: NodeId) -> Result<Epoch, StartError> {
    let (time, serving) = subcluster.read(|state| (state.group_time(), state.serving(node)));
    subcluster.continue_time(time);
    let epoch = serving.map_or(Epoch(1), |serving| serving.epoch.next());
    let command = Command::TakeOver {
        home: node,
        to: node,
        epoch,
    };
    match subcluster.execute(command).await {
        Ok(Reply::Done) => Ok(epoch),
        Ok(other) => Err(StartError::Refused(format!("{other:?}"))),
        Err(source) => Err(StartError::Group {
            group: "subcluster",
            source,
        }),
    }
}

/// The resource that a server makes up, when a client names none (RFC 6120 section 7.6).
pub(crate) fn made_up_resource(ambient: &Ambient) -> String {
    hex(&ambient.rand.token()[..8])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How long a client may take before it has a session.
pub(crate) const PREAUTH_PATIENCE: Duration = Duration::from_secs(limits::PREAUTH_SECONDS_MAX);
