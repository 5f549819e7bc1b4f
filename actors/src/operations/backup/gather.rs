//! Brings the parts that other nodes have made to the node that makes the backup, in bounded pieces
//! over the links, each looked at as it is when it has come. Not for how a part is made.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pollux_domain::ids::{NodeId, SubclusterId};
use pollux_domain::operations::{ErrorKind, OperationError};
use pollux_raft::backup::{BackupError, SetId, Unplaced};

use super::desk::{Question, Told};
use super::part::internal;
use super::{SHORT, one};
use crate::aside::aside;
use crate::node::Node;

/// The thread that waits for the disk.
const THREAD: &str = "backup";

/// A finished part at another node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elsewhere {
    pub(super) node: NodeId,
    pub(super) subcluster: SubclusterId,
    pub(super) set: SetId,
    pub(super) bytes: u64,
}

/// Fetches it. It has a place of its own then, in which it is not yet.
pub(super) async fn fetch(
    node: Arc<Node>,
    part: Elsewhere,
    place: PathBuf,
) -> Result<Unplaced, OperationError> {
    let Elsewhere {
        set,
        bytes,
        subcluster,
        ..
    } = part;
    let (unplaced, mut file) = disk(move || Unplaced::make(&place)).await?;
    let mut at = 0;
    while at < bytes {
        let told = one(&node, part.node, Question::Read { set, at }, SHORT).await?;
        let piece = match told {
            Told::Piece(piece) if !piece.is_empty() => piece,
            _ => {
                let message = format!("node {} has no more of its part of the backup", part.node);
                return Err(OperationError::new(ErrorKind::Unavailable, message));
            }
        };
        at += piece.len() as u64;
        file = disk(move || {
            let written = file.write_all(&piece);
            written.map(|()| file).map_err(failed("write the part"))
        })
        .await?;
    }
    let (unplaced, about) = disk(move || {
        file.sync_all().map_err(failed("write the part"))?;
        let about = unplaced.check()?;
        Ok((unplaced, about))
    })
    .await?;
    if (about.set, about.subcluster) != (set, subcluster) {
        let message = format!("node {} has sent a part of another backup", part.node);
        return Err(OperationError::new(ErrorKind::Internal, message));
    }
    // It keeps nothing; where it does not hear this, it gives up by itself.
    let _gone = one(&node, part.node, Question::Drop { set }, SHORT).await;
    Ok(unplaced)
}

/// Puts all of them in their places, once all are there.
pub(super) async fn place(files: Vec<Unplaced>) -> Result<Vec<PathBuf>, OperationError> {
    disk(move || {
        let mut placed: Vec<PathBuf> = Vec::new();
        for file in files {
            match file.place() {
                Ok(path) => placed.push(path),
                Err(error) => {
                    // All or none.
                    for path in placed {
                        let _gone = fs::remove_file(path);
                    }
                    return Err(error);
                }
            }
        }
        Ok(placed)
    })
    .await
}

/// Sweeps what a process that was killed has left.
pub(super) fn sweep(folder: &Path) {
    if let Err(error) = pollux_raft::backup::sweep(folder) {
        tracing::warn!(%error, "what is left of unfinished backups is still there");
    }
}

fn failed(step: &'static str) -> impl FnOnce(io::Error) -> BackupError {
    move |source| BackupError::Io { step, source }
}

async fn disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, OperationError> {
    let done = aside(THREAD, move || Ok::<_, io::Error>(work())).await;
    let done = done.map_err(failed("start a thread"));
    done.and_then(|done| done).map_err(|error| internal(&error))
}
