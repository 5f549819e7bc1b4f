//! The databases of other subclusters that this node has as their witness: full replicas that serve
//! nobody, opened and dropped as the topology says (decision 0058). Not for where they lie: the
//! program's `Shelf` knows; nor for who is a witness: see `witnesses`.
//!
//! ```text
//!   hosting::run (groups' thread) ── opens, closes ──► Hosting ──► hosting::run_control
//!     Shelf (disk)                                                 (elections, leases)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::time::Duration;

use pollux_domain::contract::Effect;
use pollux_domain::ids::{GroupId, NodeId, SubclusterId, Voter};
use pollux_domain::metrics::Sample;
use pollux_domain::retries::Retries;
use pollux_domain::self_test::Finding;
use pollux_links::peers::Desks;
use pollux_raft::configuration::{Change, TopologyChange};
use pollux_raft::duty::{Duty, DutyParts, Streams};
use pollux_raft::group::{Begin, Group, GroupParts, Outlet};
use pollux_raft::log::LogStore;
use pollux_raft::machine::Subcluster;
use pollux_store::tables::Tables;
use tokio::sync::{Mutex, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::aside::aside;
use crate::control;
use crate::node::Node;
use crate::operations::replicas;

/// How often it looks at the topology.
const INTERVAL: Duration = Duration::from_millis(250);
/// Before the disk is asked again that did not answer, and the longest that is waited for another
/// name.
const PAUSE: Duration = Duration::from_secs(5);

/// The thread that waits for the disk.
const SHELF: &str = "shelf";

/// The files of one replica, open.
pub struct Files {
    pub log: Arc<dyn LogStore>,
    pub tables: Arc<dyn Tables>,
}

/// Why a replica does not open.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// What this voter has promised is not known any more, or it has left: it votes no more.
    #[error("its replica is gone: {0}")]
    Lost(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Where replicas lie. What it says may take as long as a disk.
pub trait Shelf: Send + Sync + 'static {
    /// Opens the files of a voter, makes them where it has never had any, and never makes them a
    /// second time.
    fn open(&self, subcluster: SubclusterId, voter: Voter) -> Result<Files, ShelfError>;

    /// This voter does not vote again. On disk before it returns.
    fn give_up(&self, subcluster: SubclusterId, voter: Voter) -> io::Result<()>;

    /// Those that lie there and were not given up, under the names of this node.
    fn kept(&self, me: NodeId) -> io::Result<BTreeSet<(SubclusterId, Voter)>>;

    /// Deletes the files of those that were given up, but for these, which are open.
    fn sweep(&self, open: &BTreeSet<(SubclusterId, Voter)>) -> io::Result<()>;
}

/// One replica that runs.
pub struct Hosted {
    pub subcluster: SubclusterId,
    pub voter: Voter,
    pub group: Group<Subcluster>,
    pub(crate) log: Arc<dyn LogStore>,
    duty: Duty,
}

type All = BTreeMap<SubclusterId, Arc<Hosted>>;
type Duties = BTreeMap<SubclusterId, Retries>;

/// What a node hosts. See the module.
pub struct Hosting {
    /// Where there is a disk.
    pub shelf: OnceLock<Arc<dyn Shelf>>,
    replicas: watch::Sender<All>,
    /// How each of them does that the topology wants.
    duties: std::sync::Mutex<Duties>,
    /// One opens and closes at a time.
    turn: Mutex<()>,
}

impl Default for Hosting {
    fn default() -> Hosting {
        Hosting {
            shelf: OnceLock::new(),
            replicas: watch::Sender::new(All::new()),
            duties: std::sync::Mutex::default(),
            turn: Mutex::new(()),
        }
    }
}

impl Hosting {
    /// In the order of their subclusters.
    pub fn all(&self) -> Vec<Arc<Hosted>> {
        self.replicas.borrow().values().cloned().collect()
    }

    fn duties<T>(&self, look: impl FnOnce(&mut Duties) -> T) -> T {
        look(&mut self.duties.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same as numbers.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        let duties = self.duties(|duties| duties.clone());
        let samples = duties.iter().flat_map(|(subcluster, duty)| {
            let running = Sample::gauge(
                "pollux_witness_running",
                "Whether the replica runs by which this node is the witness of a subcluster.",
                f64::from(u8::from(duty.is_running())),
            );
            let failures = Sample::counter(
                "pollux_witness_failures_total",
                "How often it did not open, or failed.",
                duty.total(),
            );
            [running, failures].map(|sample| sample.with("subcluster", subcluster.to_string()))
        });
        samples.collect()
    }

    /// What there is to say of each of them.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let duties = self.duties(|duties| duties.clone());
        let findings = duties.iter().map(|(subcluster, duty)| {
            let name = format!("witness of subcluster {subcluster}");
            match (duty.is_running(), duty.reason()) {
                (true, _) => Finding::passed(name, "running"),
                (false, None) => Finding::warned(name, "starting", "look again in some seconds"),
                (false, Some(reason)) => {
                    let cure = "mend what it says, mostly the disk; it is tried again by itself. \
                                Or move it: pollux ctl subcluster witness move";
                    Finding::failed(name, reason, cure)
                }
            }
        });
        findings.collect()
    }

    /// Ends all of them, for the node stops: it comes back with them.
    pub(crate) async fn stop(&self, desks: &Desks) {
        let _turn = self.turn.lock().await;
        for hosted in self.all() {
            self.close(desks, &hosted).await;
            if let Err(error) = hosted.log.settle() {
                tracing::error!(%error, "failed to sync a log");
            }
        }
    }

    async fn close(&self, desks: &Desks, hosted: &Hosted) {
        self.replicas.send_modify(|replicas| {
            replicas.remove(&hosted.subcluster);
        });
        desks.close(GroupId::Subcluster(hosted.subcluster));
        hosted.group.shutdown().await;
    }
}

/// Serves nobody, so that effects concern nobody.
struct Nobody;

impl Outlet<Effect> for Nobody {
    fn take(&self, _effects: Vec<Effect>) {}

    fn replaced(&self) {}
}

impl Streams for Nobody {
    fn wake(&self, _home: NodeId) {}

    fn cut(&self, _home: NodeId) {}

    fn move_on(&self, _home: NodeId) -> usize {
        0
    }
}

/// Files that are still written after their replica has ended.
struct Closing {
    log: Weak<dyn LogStore>,
    tables: Weak<dyn Tables>,
}

impl Closing {
    fn is_over(&self) -> bool {
        self.log.strong_count() == 0 && self.tables.strong_count() == 0
    }
}

/// What the loop remembers.
#[derive(Default)]
struct Memory {
    /// Of those that were opened by this process.
    files: BTreeMap<(SubclusterId, Voter), Closing>,
    /// Those that lie on the disk and were not given up, once it was asked.
    kept: Option<BTreeSet<(SubclusterId, Voter)>>,
    /// The disk is not asked before.
    ask_again: Duration,
    /// There may be files to delete.
    is_untidy: bool,
}

/// Runs until the node stops. Belongs on the groups' thread.
pub async fn run(node: Arc<Node>) {
    let Some(shelf) = node.hosting.shelf.get().cloned() else {
        return;
    };
    let mut memory = Memory {
        is_untidy: true,
        ..Memory::default()
    };
    while !node.is_stopping() {
        look(&node, &shelf, &mut memory).await;
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn look(node: &Arc<Node>, shelf: &Arc<dyn Shelf>, memory: &mut Memory) {
    let _turn = node.hosting.turn.lock().await;
    if node.is_stopping() {
        return;
    }
    for hosted in node.hosting.all() {
        if let Err(reason) = hosted.group.check() {
            let (subcluster, voter) = (hosted.subcluster, hosted.voter);
            node.hosting.close(&node.desks, &hosted).await;
            let pause = failed(node, subcluster, reason.clone());
            tracing::error!(
                %subcluster, %voter, reason, again_in = ?pause,
                "witness has failed, and is begun again"
            );
        }
    }
    drop_relieved(node, shelf, memory).await;
    let me = node.settings.node;
    let wanted = node.configuration.read(|configuration| {
        let topology = configuration.topology();
        match topology.is_removed(own_name(node)) {
            true => BTreeMap::new(),
            false => topology.hosted_by(me),
        }
    });
    node.hosting.duties(|duties| {
        duties.retain(|subcluster, _| wanted.contains_key(subcluster));
        for subcluster in wanted.keys() {
            duties.entry(*subcluster).or_default();
        }
    });
    for (subcluster, voter) in wanted {
        let is_there = node.hosting.replicas.borrow().contains_key(&subcluster);
        let now = node.ambient.clock.now();
        let is_due = |duties: &mut Duties| {
            let duty = duties.get(&subcluster);
            duty.is_none_or(|duty| duty.is_due(now))
        };
        if !is_there && node.hosting.duties(is_due) {
            begin(node, shelf, subcluster, voter, memory).await;
        }
    }
    memory.files.retain(|_, files| !files.is_over());
    if memory.is_untidy {
        let (shelf, open) = (shelf.clone(), memory.files.keys().copied().collect());
        match aside(SHELF, move || shelf.sweep(&open)).await {
            // Files that are in use are looked at again.
            Ok(()) => memory.is_untidy = memory.files.len() > node.hosting.all().len(),
            Err(error) => {
                tracing::warn!(%error, "files of a former witness are still there");
                memory.is_untidy = false;
            }
        }
    }
}

fn failed(node: &Node, subcluster: SubclusterId, reason: String) -> Duration {
    let now = node.ambient.clock.now();
    node.hosting
        .duties(|duties| duties.entry(subcluster).or_default().failed(now, reason))
}

/// This node under the name by which the cluster knows it.
fn own_name(node: &Node) -> Voter {
    Voter {
        node: node.settings.node,
        incarnation: node.settings.incarnation,
    }
}

/// What lies on the disk of groups that vote without it for certain is dropped, whether it is open
/// or the node was away when that was said.
async fn drop_relieved(node: &Arc<Node>, shelf: &Arc<dyn Shelf>, memory: &mut Memory) {
    let now = node.ambient.clock.now();
    if now < memory.ask_again {
        return;
    }
    let kept = match &memory.kept {
        Some(kept) => kept.clone(),
        None => {
            let (shelf, me) = (shelf.clone(), node.settings.node);
            match aside(SHELF, move || shelf.kept(me)).await {
                Ok(kept) => memory.kept.insert(kept).clone(),
                Err(error) => {
                    tracing::warn!(%error, "what the node has hosted is not known yet");
                    memory.ask_again = now + PAUSE;
                    return;
                }
            }
        }
    };
    let relieved: Vec<(SubclusterId, Voter)> = node.configuration.read(|configuration| {
        let topology = configuration.topology();
        // Nobody of the cluster speaks any more to a node that was removed.
        let is_removed = topology.is_removed(own_name(node));
        let kept = kept.into_iter();
        kept.filter(|(subcluster, voter)| is_removed || topology.is_relieved(*subcluster, *voter))
            .collect()
    });
    for (subcluster, voter) in relieved {
        // First said on the disk, then done: whoever is cut off in between does the rest at its
        // start.
        let giver = shelf.clone();
        if let Err(error) = aside(SHELF, move || giver.give_up(subcluster, voter)).await {
            tracing::warn!(%subcluster, %error, "replica is not dropped yet");
            memory.ask_again = now + PAUSE;
            continue;
        }
        let mut open = node.hosting.all().into_iter();
        if let Some(hosted) = open.find(|open| (open.subcluster, open.voter) == (subcluster, voter))
        {
            node.hosting.close(&node.desks, &hosted).await;
        }
        if let Some(kept) = &mut memory.kept {
            kept.remove(&(subcluster, voter));
        }
        memory.is_untidy = true;
        tracing::info!(%subcluster, %voter, "witness has left, its replica is dropped");
    }
}

async fn begin(
    node: &Arc<Node>,
    shelf: &Arc<dyn Shelf>,
    subcluster: SubclusterId,
    voter: Voter,
    memory: &mut Memory,
) {
    // An older process of the replica may still write.
    if memory.files.contains_key(&(subcluster, voter)) {
        return;
    }
    let opening = shelf.clone();
    let files = match aside(SHELF, move || opening.open(subcluster, voter)).await {
        Ok(files) => files,
        Err(ShelfError::Lost(reason)) => {
            tracing::info!(%subcluster, %voter, reason, "witness asks for another name");
            failed(node, subcluster, reason);
            if let Some(kept) = &mut memory.kept {
                kept.remove(&(subcluster, voter));
            }
            memory.is_untidy = true;
            host_anew(node, subcluster, voter).await;
            return;
        }
        Err(ShelfError::Io(error)) => {
            let pause = failed(node, subcluster, error.to_string());
            tracing::error!(
                %subcluster, %voter, %error, again_in = ?pause,
                "witness does not open its files"
            );
            return;
        }
    };
    let closing = Closing {
        log: Arc::downgrade(&files.log),
        tables: Arc::downgrade(&files.tables),
    };
    memory.files.insert((subcluster, voter), closing);
    if let Some(kept) = &mut memory.kept {
        kept.insert((subcluster, voter));
    }
    let log = files.log.clone();
    match start(node, subcluster, voter, files).await {
        Ok(group) => {
            replicas::open(node, &group);
            let hosted = Arc::new(Hosted {
                subcluster,
                voter,
                duty: duty(node, subcluster, &group),
                group,
                log,
            });
            node.hosting.replicas.send_modify(|replicas| {
                replicas.insert(subcluster, hosted);
            });
            let now = node.ambient.clock.now();
            node.hosting
                .duties(|duties| duties.entry(subcluster).or_default().begun(now));
            tracing::info!(%subcluster, %voter, "node is a witness of another subcluster");
        }
        Err(error) => {
            let pause = failed(node, subcluster, error.clone());
            tracing::error!(
                %subcluster, %voter, error, again_in = ?pause,
                "witness does not start"
            );
        }
    }
}

async fn start(
    node: &Arc<Node>,
    subcluster: SubclusterId,
    voter: Voter,
    files: Files,
) -> Result<Group<Subcluster>, String> {
    let started = Group::<Subcluster>::start(GroupParts {
        group: GroupId::Subcluster(subcluster),
        me: voter,
        life: node.life,
        begin: Begin::Join,
        peers: node.peers.clone(),
        desks: node.desks.clone(),
        log: files.log,
        tables: files.tables,
        outlet: Arc::new(Nobody),
        ambient: node.ambient.clone(),
        in_use: node.settings.in_use.clone(),
        snapshot_entries: node.settings.snapshot_entries,
        keep_entries: node.settings.keep_entries,
    });
    started.await.map_err(|error| error.to_string())
}

/// It may lead for a moment, and then grants leases; it asks for none.
fn duty(node: &Arc<Node>, subcluster: SubclusterId, group: &Group<Subcluster>) -> Duty {
    Duty::new(DutyParts {
        node: node.settings.node,
        life: node.life,
        is_witness: true,
        group: group.clone(),
        tenures: Arc::default(),
        streams: Arc::new(Nobody),
        peers: node.peers.clone(),
        desks: node.desks.clone(),
        clock: node.ambient.clock.clone(),
        view: control::view(node, subcluster),
        pulse: Arc::new(|| Duration::ZERO),
        // It serves nobody who could do without it.
        services: Arc::new(|| None),
    })
}

/// Asks for another name. Where the topology that this node knows is an old one, it is refused.
async fn host_anew(node: &Node, subcluster: SubclusterId, voter: Voter) {
    let anew = Change::Topology(TopologyChange::HostAnew { subcluster, voter });
    match tokio::time::timeout(PAUSE, node.configuration.execute(anew)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "witness has no other name yet"),
        Err(_late) => tracing::debug!("witness has no other name yet"),
    }
}

/// Elections and leases of what is hosted. Runs until it is dropped; belongs on a `LocalSet` of the
/// control thread.
pub(crate) async fn run_control(node: &Arc<Node>) {
    let mut changes = node.hosting.replicas.subscribe();
    let mut tasks: JoinSet<()> = JoinSet::new();
    let mut running: BTreeMap<(SubclusterId, Voter), (Weak<Hosted>, AbortHandle)> = BTreeMap::new();
    loop {
        let all = changes.borrow_and_update().clone();
        running.retain(|(subcluster, _), (known, task)| {
            let goes_on = all
                .get(subcluster)
                .is_some_and(|hosted| std::ptr::eq(known.as_ptr(), Arc::as_ptr(hosted)));
            if !goes_on {
                task.abort();
            }
            goes_on
        });
        for hosted in all.values() {
            let key = (hosted.subcluster, hosted.voter);
            if running.contains_key(&key) {
                continue;
            }
            let roles = control::roles_in(node, hosted.subcluster);
            let (group, duty) = (hosted.group.clone(), hosted.duty.clone());
            let work = async move {
                tokio::join!(group.run_elections(roles), duty.run());
            };
            let task = tasks.spawn_local(work);
            running.insert(key, (Arc::downgrade(hosted), task));
        }
        drop(all);
        tokio::select! {
            biased;
            // Those that were told to end.
            Some(_ended) = tasks.join_next() => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}
