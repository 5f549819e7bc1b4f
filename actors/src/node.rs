//! What the parts of a node share, and the order in which it starts and stops.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use pollux_domain::contract::Command;
use pollux_domain::delivery::Deliver;
use pollux_domain::history::History;
use pollux_domain::ids::{GroupId, Incarnation, Life, NodeId, SubclusterId, Voter};
use pollux_domain::limits;
use pollux_domain::lockout::Lockouts;
use pollux_domain::metrics::Sample;
use pollux_domain::registrations::Registrations;
use pollux_domain::seams::Ambient;
use pollux_domain::self_test::Finding;
use pollux_domain::settings;
use pollux_links::in_use::InUse;
use pollux_links::peers::{Desks, Peers, Visits};
use pollux_raft::configuration::TopologyChange;
use pollux_raft::duty::{Duty, Tenures, WishError};
use pollux_raft::group::{Begin, Group, GroupError, GroupParts, NoEffects};
use pollux_raft::lease::Wisher;
use pollux_raft::log::LogStore;
use pollux_raft::machine::{ConfigurationGroup, Kind, Subcluster};
use pollux_raft::rows;
use pollux_raft::version::FORMATS;
use pollux_store::tables::{MemoryTables, Tables};
use tokio::sync::{Semaphore, watch};

use crate::acts::Onlooker;
use crate::administrators;
use crate::control;
use crate::courier;
use crate::directory::Directory;
use crate::hosting::Hosting;
use crate::membership;
use crate::metrics::Metrics;
use crate::operations::backup::Backups;
use crate::operations::{backup, elsewhere, replicas};
use crate::placement::Placement;
use crate::reminders::Reminders;
use crate::self_report;
use crate::services::Services;
use crate::stream::certificate::Tls;
use crate::stream::claims::Claims;
use crate::stream::gate::Gate;
use crate::tokens;

/// What is decided before a node starts.
#[derive(Debug, Clone)]
pub struct Settings {
    pub node: NodeId,
    pub incarnation: Incarnation,
    pub subcluster: SubclusterId,
    /// Votes, and serves nobody.
    pub is_witness: bool,
    /// Where it stands, where somebody has said.
    pub site: Option<String>,
    /// Founds the cluster's configuration, or waits to be taken into it.
    pub begin: Begin,
    /// Founds its subcluster's group, or waits to be taken into it.
    pub begin_subcluster: Begin,
    pub domain: String,
    /// Passwords may be proved on streams without TLS.
    pub allow_plaintext: bool,
    /// Whether a message waits for its commit before it is written.
    pub deliver: Deliver,
    pub tls: Option<Arc<Tls>>,
    /// Iterations for new passwords; [`limits::SCRAM_ITERATIONS`] but in tests.
    pub scram_iterations: u32,
    /// Entries between snapshots, and kept behind one.
    pub snapshot_entries: u64,
    pub keep_entries: u64,
    /// Where others reach it; none: it is alone.
    pub addresses: Option<Addresses>,
    /// The format that the cluster uses, as far as was heard before.
    pub in_use: InUse,
}

/// `host:port` of the ports of a node, as others reach them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The port between nodes.
    pub nodes: String,
    /// The port for clients, who are told of it.
    pub clients: String,
}

impl Settings {
    /// A node that is alone: founded by itself, with no other.
    pub fn alone(node: NodeId, domain: String) -> Settings {
        Settings {
            node,
            incarnation: Incarnation(1),
            subcluster: SubclusterId(1),
            is_witness: false,
            site: None,
            begin: Begin::Found,
            begin_subcluster: Begin::Found,
            domain,
            allow_plaintext: false,
            deliver: Deliver::Committed,
            tls: None,
            scram_iterations: limits::SCRAM_ITERATIONS,
            snapshot_entries: limits::SNAPSHOT_ENTRIES,
            keep_entries: limits::LOG_KEEP_ENTRIES,
            addresses: None,
            in_use: InUse::new(FORMATS.oldest),
        }
    }
}

/// Where a node keeps what must last, and what it lives in.
pub struct Parts {
    pub settings: Settings,
    /// Greater than at any earlier start of this node.
    pub life: Life,
    pub ambient: Ambient,
    pub placement: Arc<dyn Placement>,
    pub peers: Arc<dyn Peers>,
    pub visits: Arc<dyn Visits>,
    pub desks: Arc<Desks>,
    pub subcluster_log: Arc<dyn LogStore>,
    pub configuration_log: Arc<dyn LogStore>,
    pub tables: Arc<dyn Tables>,
    /// What this node has to say of the topology before anybody else: that it founds a cluster, or
    /// that it goes on alone.
    pub first_word: Option<TopologyChange>,
}

/// See the module. Shared by everything that runs in a node; two may live in one process.
pub struct Node {
    pub settings: Settings,
    pub life: Life,
    pub ambient: Ambient,
    pub placement: Arc<dyn Placement>,
    pub peers: Arc<dyn Peers>,
    pub visits: Arc<dyn Visits>,
    pub desks: Arc<Desks>,
    pub subcluster: Group<Subcluster>,
    pub configuration: Group<ConfigurationGroup>,
    /// Of these two, as they are on the disk: only to be asked how they are.
    pub(crate) logs: [(&'static str, Arc<dyn LogStore>); 2],
    pub tables: Arc<dyn Tables>,
    pub directory: Arc<Directory>,
    pub claims: Arc<Claims>,
    /// Of this node alone: its twin counts for itself.
    pub(crate) lockouts: Mutex<Lockouts>,
    /// Of this node alone, too.
    pub(crate) registrations: Mutex<Registrations>,
    /// Places for those whose passwords are hashed.
    pub(crate) hashing: Semaphore,
    /// Where those who have proved who they are wait for their turn.
    pub(crate) gate: Arc<Gate>,
    /// Of this node alone, like the lock-outs.
    pub(crate) administrators: administrators::Desk,
    pub metrics: Metrics,
    /// Whose users this node serves at the moment.
    pub tenures: Arc<Tenures>,
    pub first_word: Option<TopologyChange>,
    /// Made with the node, which it needs whole.
    duty: OnceLock<Duty>,
    pub started: Duration,
    /// Where clients are taken.
    pub listeners: Mutex<Vec<Listening>>,
    /// The parts that can fail for themselves.
    pub services: Arc<Services>,
    /// The databases of other subclusters that it has as their witness.
    pub hosting: Hosting,
    /// Who looks on as the node acts: the simulation.
    pub onlooker: OnceLock<Arc<dyn Onlooker>>,
    /// Where backups are put, where there is a disk.
    pub backups: OnceLock<Backups>,
    /// What is measured of the process and its machine, where there is one.
    pub surroundings: OnceLock<Surroundings>,
    /// How its measurements went lately.
    pub(crate) history: Mutex<History>,
    /// Looks at what a node needs of its machine, where there is one.
    pub examiner: OnceLock<Examiner>,
    stopping: watch::Sender<bool>,
    /// Streams of clients who have signed in and have no session here: they bind, or are relayed.
    pub(crate) unbound: AtomicU64,
    /// The replica of the configuration has heard the leader since the start.
    pub(crate) informed: AtomicBool,
    /// When each replica of the subcluster was heard last, as far as somebody looked.
    pub(crate) heard: Mutex<BTreeMap<NodeId, Duration>>,
    /// When a majority of the subcluster's votes was heard last.
    pub(crate) heard_majority: Mutex<Option<Duration>>,
    /// What sessions ask to be reminded of; `expiry` reminds them.
    pub(crate) reminders: Reminders,
    /// Commands that must be said but had no room; `expiry` says them.
    unsaid: Mutex<Vec<Command>>,
}

/// Measures what is around a node; must not wait.
pub type Surroundings = Box<dyn Fn() -> Vec<Sample> + Send + Sync>;

/// Looks at the machine; may take seconds.
pub type Examiner = Arc<dyn Fn() -> Vec<Finding> + Send + Sync>;

/// A port for clients that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// `xmpp`, or `xmpps` where a stream begins with TLS: as the records in the DNS begin
    /// (XEP-0368 section 3).
    pub protocol: &'static str,
    pub address: SocketAddr,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("failed to start the {group} group: {source}")]
    Group { group: GroupId, source: GroupError },
    #[error(
        "{count} stored messages are missing from the tables or damaged (first: {first}); \
         restore a backup of the data folder"
    )]
    Rows { count: usize, first: u64 },
    #[error("failed to read the tables: {0}")]
    Tables(#[from] io::Error),
}

impl Node {
    /// Opens both groups. The node serves nobody before its group's leader has given it the lease
    /// of a home (design, section 4): see [`crate::control::run`]. To be called on the runtime that
    /// is to run the groups.
    pub async fn start(parts: Parts) -> Result<Arc<Node>, StartError> {
        let Parts {
            settings,
            life,
            ambient,
            placement,
            peers,
            visits,
            desks,
            subcluster_log,
            configuration_log,
            tables,
            first_word,
        } = parts;
        let started = ambient.clock.now();
        let logs = [
            ("configuration", configuration_log.clone()),
            ("subcluster", subcluster_log.clone()),
        ];
        let directory = Arc::new(Directory::new(settings.node, life));
        let me = Voter {
            node: settings.node,
            incarnation: settings.incarnation,
        };
        let configuration = Group::<ConfigurationGroup>::start(GroupParts {
            group: GroupId::Configuration,
            me,
            life,
            begin: settings.begin,
            peers: peers.clone(),
            desks: desks.clone(),
            log: configuration_log,
            tables: Arc::new(MemoryTables::default()),
            outlet: Arc::new(NoEffects),
            ambient: ambient.clone(),
            snapshot_entries: settings.snapshot_entries,
            keep_entries: settings.keep_entries,
            in_use: settings.in_use.clone(),
        })
        .await
        .map_err(|source| StartError::Group {
            group: GroupId::Configuration,
            source,
        })?;
        let group = GroupId::Subcluster(settings.subcluster);
        let subcluster = Group::<Subcluster>::start(GroupParts {
            group,
            me,
            life,
            begin: settings.begin_subcluster,
            peers: peers.clone(),
            desks: desks.clone(),
            log: subcluster_log,
            tables: tables.clone(),
            outlet: directory.clone(),
            ambient: ambient.clone(),
            snapshot_entries: settings.snapshot_entries,
            keep_entries: settings.keep_entries,
            in_use: settings.in_use.clone(),
        })
        .await
        .map_err(|source| StartError::Group { group, source })?;
        let metrics = Metrics::default();
        let gate = Gate::new(ambient.clock.clone(), metrics.strangers.clone());
        let hashing = Semaphore::new(placement.arbiter_count().div_ceil(2));
        let node = Arc::new(Node {
            settings,
            life,
            ambient,
            placement,
            peers,
            visits,
            desks,
            subcluster,
            configuration,
            logs,
            tables,
            directory,
            claims: Arc::default(),
            lockouts: Mutex::default(),
            registrations: Mutex::default(),
            hashing,
            gate,
            administrators: administrators::Desk::default(),
            metrics,
            tenures: Arc::default(),
            first_word,
            duty: OnceLock::new(),
            started,
            listeners: Mutex::default(),
            services: Arc::default(),
            hosting: Hosting::default(),
            onlooker: OnceLock::new(),
            backups: OnceLock::new(),
            surroundings: OnceLock::new(),
            history: Mutex::default(),
            examiner: OnceLock::new(),
            stopping: watch::Sender::new(false),
            unbound: AtomicU64::new(0),
            informed: AtomicBool::new(false),
            heard: Mutex::default(),
            heard_majority: Mutex::default(),
            reminders: Reminders::default(),
            unsaid: Mutex::default(),
        });
        let _first = node.duty.set(control::duty(&node));
        replicas::open(&node, &node.subcluster);
        elsewhere::open(&node);
        backup::open(&node);
        courier::open(&node);
        tokens::open(&node);
        if is_alone(&node.subcluster, node.settings.begin_subcluster) {
            // Whoever is alone sees at once what a damaged disk has taken.
            let caught_up = node.subcluster.catch_up().await;
            caught_up.map_err(|source| StartError::Group { group, source })?;
            node.check_rows()?;
        }
        if is_alone(&node.configuration, node.settings.begin) {
            let caught_up = node.configuration.catch_up().await;
            caught_up.map_err(|source| StartError::Group {
                group: GroupId::Configuration,
                source,
            })?;
            membership::say_first(&node).await;
            self_report::say_format(&node).await;
        }
        let (number, life) = (node.settings.node, node.life.0);
        tracing::info!(node = %number, life, "node has opened its groups");
        Ok(node)
    }

    /// What asks for leases and grants them.
    pub fn duty(&self) -> Duty {
        let duty = self.duty.get();
        duty.expect("a node is given its duty before anybody has it")
            .clone()
    }

    /// The rows that the state counts on are there.
    pub fn check_rows(&self) -> Result<(), StartError> {
        let wanted = self.subcluster.read(|state| state.rows());
        let missing = rows::missing(self.tables.as_ref(), &wanted)?;
        match missing.first() {
            None => Ok(()),
            Some(first) => Err(StartError::Rows {
                count: missing.len(),
                first: first.0,
            }),
        }
    }

    /// Where the clients of this node are told to come back: the client address of its twin.
    pub fn client_address_of_twin(&self) -> Option<String> {
        let me = self.settings.node;
        self.configuration.read(|configuration| {
            let topology = configuration.topology();
            let homes = topology.taking_nodes(self.settings.subcluster);
            let twin = homes.into_iter().find(|node| *node != me)?;
            topology.node(twin)?.client_address.clone()
        })
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

    /// What an administrator has set, as far as this node has heard.
    pub fn cluster_settings(&self) -> Arc<settings::Settings> {
        self.configuration
            .read(|configuration| configuration.settings().clone())
    }

    /// Whether the groups can go on.
    pub fn check_groups(&self) -> Result<(), String> {
        self.subcluster.check()?;
        self.configuration.check()
    }

    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Resolves when the node stops.
    pub async fn stops(&self) {
        let mut stopping = self.stopping.subscribe();
        let _told = stopping.wait_for(|stopping| *stopping).await;
    }

    /// Nobody has a stream here any more.
    fn is_left(&self) -> bool {
        self.directory.is_empty()
            && self.metrics.strangers.count() == 0
            && self.unbound.load(Ordering::Relaxed) == 0
    }

    /// A node that stops asks its twin to serve its users, where it may and does: nobody waits for
    /// a lease to run out.
    async fn leave_to_twin(&self) {
        const PATIENCE: Duration = Duration::from_secs(4);
        let me = self.settings.node;
        let twin = self.configuration.read(|configuration| {
            let topology = configuration.topology();
            let on = topology
                .subcluster(self.settings.subcluster)
                .is_some_and(|entry| entry.high_availability);
            let homes = topology.taking_nodes(self.settings.subcluster);
            homes.into_iter().find(|node| on && *node != me)
        });
        let Some(twin) = twin else { return };
        let holds = |home| self.tenures.of(home).holds(self.ambient.clock.now());
        let homes = self.tenures.all().into_iter().map(|tenure| tenure.home());
        let held = homes.filter(|home| holds(*home));
        let moves: Vec<_> = held.map(|home| (home, twin)).collect();
        let duty = self.duty();
        let left = duty.bring_about(&moves, Wisher::Owner, |home, _| !holds(home));
        match tokio::time::timeout(PATIENCE, left).await {
            Ok(Ok(())) => {}
            Ok(Err(WishError::Unable(reason))) => {
                tracing::info!(reason, "users are not left to the twin");
            }
            // The twin takes over by itself, a lease later.
            other => tracing::warn!(?other, "twin has not taken the users"),
        }
    }

    /// Tells clients, waits a little for their streams to close, and stops the groups. Nothing
    /// depends on it: what is acknowledged is committed.
    pub async fn stop(&self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        self.leave_to_twin().await;
        self.stopping.send_replace(true);
        self.directory.shut_down();
        let begun = self.ambient.clock.now();
        while !self.is_left() && self.ambient.clock.now() < begun + PATIENCE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.hosting.stop(&self.desks).await;
        self.subcluster.shutdown().await;
        self.configuration.shutdown().await;
    }
}

/// Whether a group needs nobody else. One that is being founded does not show its voter yet; one
/// that only learns so far needs the voter that it learns of.
fn is_alone<G: Kind>(group: &Group<G>, begin: Begin) -> bool {
    let voters = group.voters();
    match voters.len() {
        0 => begin == Begin::Found,
        voting => voting == 1 && voters.contains(&group.me()),
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
