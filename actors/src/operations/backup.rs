//! The operations on backups: makes one of both databases while the node serves, and lists those
//! that there are. What a backup holds stands in `pollux_raft::backup`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pollux_domain::operations::{BackupRow, ErrorKind, OperationError, Outcome};
use pollux_raft::backup::{self, About, BackupError};
use pollux_xmpp::delay::format_timestamp;
use tokio::sync::{Semaphore, oneshot};

use super::Executor;
use crate::node::Node;
use crate::users::UserError;

/// How a backup's name ends.
const ENDING: &str = "backup";

/// Where a node puts backups. One is made at a time.
#[derive(Debug)]
pub struct Backups {
    folder: PathBuf,
    turn: Arc<Semaphore>,
}

impl Backups {
    pub fn new(folder: PathBuf) -> Backups {
        Backups {
            folder,
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Executor {
    /// Waits until the backup is on the disk. Who does not wait so long finds it in the list.
    pub(super) async fn cluster_backup(&self) -> Result<Outcome, OperationError> {
        let backups = self.backups()?;
        let subclusters = self
            .node
            .configuration
            .read(|configuration| configuration.topology().subclusters().count());
        if subclusters > 1 {
            let message = format!(
                "the cluster has {subclusters} subclusters, and a backup holds one: it could not \
                 be restored"
            );
            return Err(OperationError::new(ErrorKind::Invalid, message));
        }
        let busy = |_| {
            let message = "a backup is being made; see `cluster backups`";
            OperationError::new(ErrorKind::ResourceConstraint, message)
        };
        let turn = backups.turn.clone().try_acquire_owned().map_err(busy)?;
        // What was acknowledged until now is in it.
        let (node, folder) = (self.node.clone(), backups.folder.clone());
        let (configured, known) = (node.configuration.catch_up(), node.subcluster.catch_up());
        configured.await.map_err(UserError::from)?;
        known.await.map_err(UserError::from)?;
        let (tell, told) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("backup".to_owned())
            .spawn(move || {
                let made = make(&node, &folder);
                match &made {
                    Ok(row) => tracing::info!(path = row.path, bytes = row.bytes, "backup is made"),
                    Err(error) => tracing::warn!(%error, "failed to make a backup"),
                }
                drop(turn);
                drop(tell.send(made));
            });
        let internal = |reason: &str| {
            let message = format!("failed to make a backup: {reason}");
            OperationError::new(ErrorKind::Internal, message)
        };
        thread.map_err(|error| internal(&error.to_string()))?;
        let made = told.await.map_err(|_| internal("its thread has ended"))?;
        made.map(Outcome::Backup)
            .map_err(|error| internal(&error.to_string()))
    }

    pub(super) fn cluster_backups(&self) -> Result<Outcome, OperationError> {
        let listed = list(&self.backups()?.folder).map_err(|error| {
            let message = format!("failed to list backups: {error}");
            OperationError::new(ErrorKind::Internal, message)
        });
        Ok(Outcome::Backups(listed?))
    }

    fn backups(&self) -> Result<&Backups, OperationError> {
        self.node.backups.get().ok_or_else(|| {
            let message = "this node has no folder for backups";
            OperationError::new(ErrorKind::Unavailable, message)
        })
    }
}

/// On a thread of its own: it reads all rows.
fn make(node: &Node, folder: &Path) -> Result<BackupRow, BackupError> {
    let made_at = format_timestamp(node.ambient.clock.wall().0);
    let about = About {
        cluster: node
            .configuration
            .read(|configuration| configuration.topology().cluster),
        domain: node.settings.domain.clone(),
        program: pollux_raft::version::BUILD.to_owned(),
        format: node.settings.in_use.get(),
        made_at: made_at.clone(),
    };
    let failed = |source| BackupError::Io {
        step: "make the folder for backups",
        source,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let owner = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(folder, owner).map_err(failed)?;
    // Colons are for no file system of others.
    let name = made_at.replace([':', '-'], "");
    let path = folder.join(format!("{name}.{ENDING}"));
    let subcluster = || node.subcluster.read(Clone::clone);
    let configuration = || node.configuration.read(Clone::clone);
    let tables = node.tables.as_ref();
    let bytes = backup::write(&path, about, tables, subcluster, configuration)?;
    Ok(BackupRow {
        path: path.display().to_string(),
        bytes,
    })
}

/// In the order in which they were made.
fn list(folder: &Path) -> io::Result<Vec<BackupRow>> {
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
                bytes: entry.metadata()?.len(),
                path: path.display().to_string(),
            });
        }
    }
    rows.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(rows)
}
