//! The operations on backups: makes one of the whole cluster while all nodes serve, and lists those
//! that a node has. What a backup holds stands in `pollux_raft::backup`.
//!
//! A cluster of several subclusters has a file for each, all of one moment: while nobody takes what
//! another group says (`Command::Hold`), each part catches its database. What one group had told
//! another stands then in both, or in the outbox of the first.

mod desk;
mod part;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pollux_domain::ids::{NodeId, SubclusterId};
use pollux_domain::operations::{BackupRow, ErrorKind, OperationError, Outcome};
use pollux_links::peers::Lane;
use pollux_raft::backup::SetId;
use pollux_xmpp::delay::format_timestamp;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::Executor;
use crate::node::Node;
use desk::{Question, Told};
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
    pub fn new(folder: PathBuf) -> Backups {
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
        let parts = parts(&self.node)?;
        let set = SetId(self.node.ambient.rand.token());
        let made_at = format_timestamp(self.node.ambient.clock.wall().0);
        let (tell, told) = oneshot::channel();
        let making = make(self.node.clone(), parts, set, made_at);
        {
            let place = backups.making.lock();
            let mut place = place.unwrap_or_else(PoisonError::into_inner);
            while place.try_join_next().is_some() {}
            place.spawn(async move {
                let made = making.await;
                match &made {
                    Ok(rows) => tracing::info!(files = rows.len(), "backup is made"),
                    Err(error) => tracing::warn!(%error, "failed to make a backup"),
                }
                let _gone = tell.send(made);
            });
        }
        let made = told.await.map_err(|_| {
            let message = "failed to make a backup: its task has ended";
            OperationError::new(ErrorKind::Internal, message)
        })?;
        made.map(Outcome::Backups)
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

fn backups(node: &Node) -> Result<&Backups, OperationError> {
    node.backups.get().ok_or_else(|| {
        let message = "this node has no folder for backups";
        OperationError::new(ErrorKind::Unavailable, message)
    })
}

/// A node of each subcluster, which makes its part. The asked one makes that of its own.
fn parts(node: &Node) -> Result<Vec<NodeId>, OperationError> {
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
        nodes.into_iter().find(is_connected).ok_or_else(|| {
            let message = format!(
                "no node of subcluster {id} is connected, and a backup is of all or of none"
            );
            OperationError::new(ErrorKind::Unavailable, message)
        })
    });
    std::iter::once(Ok(me)).chain(others).collect()
}

async fn make(
    node: Arc<Node>,
    parts: Vec<NodeId>,
    set: SetId,
    made_at: String,
) -> Result<Vec<BackupRow>, OperationError> {
    let count = parts.len() as u16;
    let all = async |question: Question, patience| each(&node, &parts, question, patience).await;
    let made = async {
        let prepare = Question::Prepare {
            set,
            parts: count,
            made_at,
        };
        all(prepare, LONG).await?;
        let captured = match all(Question::Hold { set }, SHORT).await {
            Ok(_) => all(Question::Capture { set }, SHORT).await,
            Err(error) => Err(error),
        };
        // Where it cannot be said, a hold ends by itself.
        let released = all(Question::Release { set }, SHORT).await;
        if let Err(error) = released {
            tracing::debug!(%error, "a hold was not ended");
        }
        captured?;
        all(Question::Finish { set }, LONG).await
    };
    let told = match made.await {
        Ok(told) => told,
        Err(error) => {
            // Parts that nobody finishes go by themselves, too.
            let _gone = all(Question::Drop { set }, SHORT).await;
            return Err(error);
        }
    };
    let rows = told.into_iter().filter_map(|told| match told {
        Told::Made(row) => Some(row),
        Told::Done => None,
    });
    let mut rows: Vec<BackupRow> = rows.collect();
    rows.sort_by_key(|row| row.node);
    Ok(rows)
}

/// Asks the node of each part at once. The first that fails is what is said.
async fn each(
    node: &Arc<Node>,
    parts: &[NodeId],
    question: Question,
    patience: Duration,
) -> Result<Vec<Told>, OperationError> {
    let mut asked = JoinSet::new();
    for part in parts {
        let (node, part, question) = (node.clone(), *part, question.clone());
        asked.spawn(async move {
            let told = desk::ask(&node, part, question);
            let late = || {
                let message = format!("node {part} takes too long over its part of the backup");
                OperationError::new(ErrorKind::Unavailable, message)
            };
            tokio::time::timeout(patience, told)
                .await
                .map_err(|_| late())?
        });
    }
    let answers = asked.join_all().await;
    answers.into_iter().collect()
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
