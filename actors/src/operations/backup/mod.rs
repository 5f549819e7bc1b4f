//! The operations on backups: makes one of the whole cluster while all nodes serve, and lists those
//! that a node has. What a backup holds stands in `pollux_raft::backup`.
//!
//! A cluster of several subclusters has a file for each, all of one moment: while nobody takes what
//! another group says (`Command::Hold`), each part catches its database. What one group had told
//! another stands then in both, or in the outbox of the first. The node that was asked brings all
//! of them into its folder.

mod desk;
mod gather;
mod part;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pollux_domain::ids::{NodeId, SubclusterId};
use pollux_domain::operations::{BackupMade, BackupRow, ErrorKind, OperationError, Outcome};
use pollux_links::peers::Lane;
use pollux_raft::backup::SetId;
use pollux_xmpp::delay::format_timestamp;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::Executor;
use crate::node::Node;
use desk::{Question, Told};
use gather::Elsewhere;
use part::Part;

pub(crate) use desk::open;

/// How a backup's name ends.
const ENDING: &str = "backup";
/// For what waits for a disk or for the rows of everybody.
const LONG: Duration = Duration::from_secs(60 * 60);
/// For what waits for a commit.
const SHORT: Duration = Duration::from_secs(10);

/// Where a node puts backups. It makes one part at a time.
#[derive(Debug)]
pub struct Backups {
    folder: PathBuf,
    part: Mutex<Option<Part>>,
    /// Those that this node makes of the cluster: whoever asked may be gone, and a hold is ended
    /// all the same.
    making: Mutex<JoinSet<()>>,
}

impl Backups {
    /// Of a process that begins.
    pub fn new(folder: PathBuf) -> Backups {
        gather::sweep(&folder);
        Backups {
            folder,
            part: Mutex::default(),
            making: Mutex::default(),
        }
    }
}

impl Executor {
    /// Waits until the backup is on the disks. Who does not wait so long finds it in the list.
    pub(super) async fn cluster_backup(&self) -> Result<Outcome, OperationError> {
        let backups = backups(&self.node)?;
        let makers = makers(&self.node)?;
        let set = SetId(self.node.ambient.rand.token());
        let made_at = format_timestamp(self.node.ambient.clock.wall().0);
        let (tell, told) = oneshot::channel();
        let making = make(self.node.clone(), makers, set, made_at);
        {
            let place = backups.making.lock();
            let mut place = place.unwrap_or_else(PoisonError::into_inner);
            while place.try_join_next().is_some() {}
            if !place.is_empty() {
                return Err(busy());
            }
            place.spawn(async move {
                let made = making.await;
                match &made {
                    Ok(BackupMade { files, held_ms }) => {
                        tracing::info!(files = files.len(), held_ms, "backup is made");
                    }
                    Err(error) => tracing::warn!(%error, "failed to make a backup"),
                }
                let _gone = tell.send(made);
            });
        }
        let made = told.await.map_err(|_| {
            let message = "failed to make a backup: its task has ended";
            OperationError::new(ErrorKind::Internal, message)
        })?;
        made.map(Outcome::BackupMade)
    }

    pub(super) fn cluster_backups(&self) -> Result<Outcome, OperationError> {
        let node = self.node.settings.node;
        let listed = list(&backups(&self.node)?.folder, node).map_err(|error| {
            let message = format!("failed to list backups: {error}");
            OperationError::new(ErrorKind::Internal, message)
        });
        Ok(Outcome::Backups(listed?))
    }
}

fn busy() -> OperationError {
    let message = "a backup is being made; see `cluster backups`";
    OperationError::new(ErrorKind::ResourceConstraint, message)
}

fn backups(node: &Node) -> Result<&Backups, OperationError> {
    node.backups.get().ok_or_else(|| {
        let message = "this node has no folder for backups";
        OperationError::new(ErrorKind::Unavailable, message)
    })
}

/// Who makes the part of a subcluster: one of its nodes, for its own the asked one.
type Maker = (SubclusterId, NodeId);

fn makers(node: &Node) -> Result<Vec<Maker>, OperationError> {
    let (me, own) = (node.settings.node, node.settings.subcluster);
    let subclusters: Vec<(SubclusterId, Vec<NodeId>)> = node.configuration.read(|configuration| {
        let topology = configuration.topology();
        let present = topology.subclusters();
        let nodes = present.map(|id| (id, topology.serving_nodes(id)));
        nodes.filter(|(_, nodes)| !nodes.is_empty()).collect()
    });
    let others = subclusters.into_iter().filter(|(id, _)| *id != own);
    let others = others.map(|(id, nodes)| {
        let is_connected = |other: &NodeId| node.peers.is_connected(*other, Lane::Bulk);
        let maker = nodes.into_iter().find(is_connected);
        maker.map(|maker| (id, maker)).ok_or_else(|| {
            let message = format!(
                "no node of subcluster {id} is connected, and a backup is of all or of none"
            );
            OperationError::new(ErrorKind::Unavailable, message)
        })
    });
    std::iter::once(Ok((own, me))).chain(others).collect()
}

async fn make(
    node: Arc<Node>,
    makers: Vec<Maker>,
    set: SetId,
    made_at: String,
) -> Result<BackupMade, OperationError> {
    let made = make_parts(&node, &makers, set, &made_at).await;
    let made = match made {
        Ok((sizes, held)) => {
            let placed = bring_together(&node, &makers, &sizes, set, &made_at).await;
            placed.map(|paths| (paths, sizes, held))
        }
        Err(error) => Err(error),
    };
    let (paths, sizes, held) = match made {
        Ok(made) => made,
        Err(error) => {
            // Parts that nobody takes away go by themselves, too.
            let _gone = each(&node, &makers, Question::Drop { set }, SHORT).await;
            return Err(error);
        }
    };
    let files = paths.into_iter().zip(sizes).map(|(path, bytes)| BackupRow {
        node: node.settings.node.0,
        path: path.display().to_string(),
        bytes,
    });
    let mut files: Vec<BackupRow> = files.collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(BackupMade {
        files,
        held_ms: held.as_millis() as u64,
    })
}

/// Until each part is whole where it is made. Returns their sizes, and for how long groups were
/// held.
async fn make_parts(
    node: &Arc<Node>,
    makers: &[Maker],
    set: SetId,
    made_at: &str,
) -> Result<(Vec<u64>, Duration), OperationError> {
    let all = async |question, patience| each(node, makers, question, patience).await;
    let prepare = Question::Prepare {
        set,
        parts: makers.len() as u16,
        made_at: made_at.to_owned(),
    };
    all(prepare, LONG).await?;
    let held_since = node.ambient.clock.now();
    let captured = match all(Question::Hold { set }, SHORT).await {
        Ok(_) => all(Question::Capture { set }, SHORT).await,
        Err(error) => Err(error),
    };
    // Where it cannot be said, a hold ends by itself.
    let released = all(Question::Release { set }, SHORT).await;
    if let Err(error) = released {
        tracing::debug!(%error, "a hold was not ended");
    }
    let held = node.ambient.clock.now() - held_since;
    captured?;
    let finished = all(Question::Finish { set }, LONG).await?;
    let sizes = finished.into_iter().filter_map(|told| match told {
        Told::Whole { bytes } => Some(bytes),
        _ => None,
    });
    Ok((sizes.collect(), held))
}

/// Fetches the parts that others have made, and puts all of them in their places when all are here.
async fn bring_together(
    node: &Arc<Node>,
    makers: &[Maker],
    sizes: &[u64],
    set: SetId,
    made_at: &str,
) -> Result<Vec<PathBuf>, OperationError> {
    let folder = &backups(node)?.folder;
    let mut fetched = Vec::new();
    for ((subcluster, maker), bytes) in makers.iter().copied().zip(sizes.iter().copied()) {
        let place = part::path(folder, subcluster, makers.len() as u16, made_at);
        let part = Elsewhere {
            node: maker,
            subcluster,
            set,
            bytes,
        };
        let node = node.clone();
        fetched.push(async move {
            match maker == node.settings.node {
                true => desk::part(&node, set, Part::file)?.await,
                false => gather::fetch(node, part, place).await,
            }
        });
    }
    let mut files = Vec::new();
    for file in in_order(fetched).await? {
        files.push(file?);
    }
    gather::place(files).await
}

/// Asks the maker of each part at once. The first that fails is what is said.
async fn each(
    node: &Arc<Node>,
    makers: &[Maker],
    question: Question,
    patience: Duration,
) -> Result<Vec<Told>, OperationError> {
    let set = question.set();
    let asked = makers.iter().map(|(_, maker)| {
        let (node, maker, question) = (node.clone(), *maker, question.clone());
        async move { one(&node, maker, question, patience).await }
    });
    let answers = in_order(asked);
    tokio::select! {
        biased;
        answers = answers => answers?.into_iter().collect(),
        never = wait(node, makers, set) => match never {},
    }
}

/// Asks the maker of one part.
async fn one(
    node: &Arc<Node>,
    maker: NodeId,
    question: Question,
    patience: Duration,
) -> Result<Told, OperationError> {
    let told = tokio::time::timeout(patience, desk::ask(node, maker, question)).await;
    told.map_err(|_| {
        let message = format!("node {maker} takes too long over its part of the backup");
        OperationError::new(ErrorKind::Unavailable, message)
    })?
}

/// Tells those who are ready that it goes on, as long as others are not.
async fn wait(node: &Arc<Node>, makers: &[Maker], set: SetId) -> Infallible {
    loop {
        tokio::time::sleep(part::PATIENCE / 4).await;
        for (_, maker) in makers {
            // One that does not hear it is missed when it is asked for its next step.
            let _told = one(node, *maker, Question::Wait { set }, part::PATIENCE / 4).await;
        }
    }
}

/// Does all of it at once, and returns what each has made.
async fn in_order<T: Send + 'static>(
    works: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Result<Vec<T>, OperationError> {
    let mut tasks = JoinSet::new();
    let mut done = BTreeMap::new();
    for (place, work) in works.into_iter().enumerate() {
        tasks.spawn(async move { (place, work.await) });
    }
    while let Some(ended) = tasks.join_next().await {
        let (place, made) = ended.map_err(|error| part::internal(&error))?;
        done.insert(place, made);
    }
    Ok(done.into_values().collect())
}

/// In the order in which they were made.
fn list(folder: &Path, node: NodeId) -> io::Result<Vec<BackupRow>> {
    let mut rows = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(rows),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            rows.push(BackupRow {
                node: node.0,
                bytes: entry.metadata()?.len(),
                path: path.display().to_string(),
            });
        }
    }
    rows.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(rows)
}
