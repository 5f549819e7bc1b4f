//! One part of a backup as it is made: a thread of its own, since it reads all rows, that goes from
//! step to step as it is told. A part that nobody takes away leaves nothing.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use pollux_domain::contract::HoldId;
use pollux_domain::ids::SubclusterId;
use pollux_domain::limits;
use pollux_domain::operations::{ErrorKind, OperationError};
use pollux_raft::backup::{About, BackupError, Draft, SetId, Unplaced};
use pollux_raft::configuration::Configuration;
use pollux_raft::state::State;
use tokio::sync::oneshot;

use super::ENDING;
use super::desk::Told;
use crate::node::Node;

/// Nobody asks for the next step for so long, nor says that it comes: whoever made the backup is
/// gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Each step is asked for when the one before is done.
const STEPS_MAX: usize = 1;

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Prepare,
    Capture,
    Finish,
    Read { at: u64 },
}

enum Wanted {
    Step(Step, oneshot::Sender<Answer>),
    /// The finished file; that is the end.
    File(oneshot::Sender<Unplaced>),
}

type Answer = Result<Told, OperationError>;

#[derive(Debug)]
pub(super) struct Part {
    pub(super) set: SetId,
    steps: SyncSender<Wanted>,
    /// The next step comes, later.
    wait: Arc<AtomicBool>,
    /// Goes with the thread.
    alive: std::sync::Weak<()>,
}

impl Part {
    pub(super) fn begin(
        node: &Arc<Node>,
        folder: &Path,
        set: SetId,
        parts: u16,
        made_at: String,
    ) -> Result<Part, OperationError> {
        let (steps, wanted) = sync_channel(STEPS_MAX);
        let life = Arc::new(());
        let alive = Arc::downgrade(&life);
        let maker = Maker {
            node: node.clone(),
            path: path(folder, node.settings.subcluster, parts, &made_at),
            wait: Arc::default(),
            about: About {
                cluster: node
                    .configuration
                    .read(|configuration| configuration.topology().cluster),
                domain: node.settings.domain.clone(),
                program: pollux_raft::version::BUILD.to_owned(),
                format: node.settings.in_use.get(),
                made_at,
                set,
                subcluster: node.settings.subcluster,
                parts,
            },
            wanted,
        };
        let wait = maker.wait.clone();
        let thread = std::thread::Builder::new().name("backup".to_owned());
        let thread = thread.spawn(move || {
            maker.run();
            drop(life);
        });
        thread.map_err(|error| internal(&error))?;
        Ok(Part {
            set,
            steps,
            wait,
            alive,
        })
    }

    /// Whether it is still being made.
    pub(super) fn goes_on(&self) -> bool {
        self.alive.strong_count() > 0
    }

    pub(super) fn step(&self, step: Step) -> impl Future<Output = Answer> + use<> {
        let (tell, told) = oneshot::channel();
        let sent = self.steps.try_send(Wanted::Step(step, tell)).is_ok();
        async move {
            match sent {
                true => told.await.map_err(|_| given_up())?,
                false => Err(given_up()),
            }
        }
    }

    /// The finished file, for whoever puts it in its place.
    pub(super) fn file(&self) -> impl Future<Output = Result<Unplaced, OperationError>> + use<> {
        let (tell, told) = oneshot::channel();
        let sent = self.steps.try_send(Wanted::File(tell)).is_ok();
        async move {
            match sent {
                true => told.await.map_err(|_| given_up()),
                false => Err(given_up()),
            }
        }
    }

    /// It is not forgotten.
    pub(super) fn wait(&self) {
        self.wait.store(true, Ordering::Relaxed);
    }
}

pub(super) fn given_up() -> OperationError {
    let message = "this part of the backup was given up; make another one";
    OperationError::new(ErrorKind::Unavailable, message)
}

/// Colons are for no file system of others.
pub(super) fn path(folder: &Path, subcluster: SubclusterId, parts: u16, made_at: &str) -> PathBuf {
    let time = made_at.replace([':', '-'], "");
    let which = match parts {
        1 => String::new(),
        _ => format!("-subcluster-{subcluster}"),
    };
    folder.join(format!("{time}{which}.{ENDING}"))
}

pub(super) fn internal(reason: &dyn std::fmt::Display) -> OperationError {
    let message = format!("failed to make a backup: {reason}");
    OperationError::new(ErrorKind::Internal, message)
}

/// What the thread has.
struct Maker {
    node: Arc<Node>,
    path: PathBuf,
    about: About,
    wait: Arc<AtomicBool>,
    wanted: Receiver<Wanted>,
}

/// How far it is.
enum Stage {
    Begun,
    Prepared(Draft),
    Caught(Draft, Box<(State, Configuration)>),
    Finished(Draft),
}

impl Maker {
    /// Until it is taken away, given up, or fails.
    fn run(self) {
        let mut stage = Stage::Begun;
        loop {
            let wanted = match self.wanted.recv_timeout(PATIENCE) {
                Ok(wanted) => wanted,
                Err(RecvTimeoutError::Timeout) if self.wait.swap(false, Ordering::Relaxed) => {
                    continue;
                }
                Err(_) => return,
            };
            let (step, tell) = match (wanted, stage) {
                (Wanted::Step(step, tell), at) => {
                    stage = at;
                    (step, tell)
                }
                (Wanted::File(tell), Stage::Finished(draft)) => {
                    let _taken = tell.send(draft.leave());
                    return;
                }
                (Wanted::File(_), _) => return,
            };
            // Whoever asked may be gone.
            match self.next(step, stage) {
                Ok((next, told)) => {
                    stage = next;
                    let _told = tell.send(Ok(told));
                }
                Err(error) => {
                    let _told = tell.send(Err(error));
                    return;
                }
            }
        }
    }

    fn next(&self, step: Step, stage: Stage) -> Result<(Stage, Told), OperationError> {
        Ok(match (step, stage) {
            (Step::Prepare, Stage::Begun) => (Stage::Prepared(self.prepare()?), Told::Done),
            (Step::Capture, Stage::Prepared(mut draft)) => {
                let caught = self.capture(&mut draft)?;
                (Stage::Caught(draft, Box::new(caught)), Told::Done)
            }
            (Step::Finish, Stage::Caught(mut draft, caught)) => {
                let bytes = draft.finish(&caught.0, &caught.1);
                let bytes = bytes.map_err(|error| internal(&error))?;
                (Stage::Finished(draft), Told::Whole { bytes })
            }
            (Step::Read { at }, Stage::Finished(draft)) => {
                let piece = draft.read_at(at, limits::BACKUP_PIECE_BYTES_MAX);
                let piece = piece.map_err(|error| internal(&error))?;
                (Stage::Finished(draft), Told::Piece(piece))
            }
            _ => return Err(internal(&"a step was left out")),
        })
    }

    /// What takes long comes before anybody waits for it.
    fn prepare(&self) -> Result<Draft, OperationError> {
        let prepared = || {
            let folder = self.path.parent().unwrap_or(Path::new(""));
            let failed = |source| BackupError::Io {
                step: "make the folder for backups",
                source,
            };
            fs::create_dir_all(folder).map_err(failed)?;
            let owner = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs::set_permissions(folder, owner).map_err(failed)?;
            let mut draft = Draft::begin(&self.path, self.about.clone())?;
            let state = self.node.subcluster.read(Clone::clone);
            draft.rows(self.node.tables.as_ref(), &state)?;
            Ok(draft)
        };
        prepared().map_err(|error: BackupError| internal(&error))
    }

    fn capture(&self, draft: &mut Draft) -> Result<(State, Configuration), OperationError> {
        let node = &self.node;
        let state = || node.subcluster.read(Clone::clone);
        let state = draft.settle(node.tables.as_ref(), state);
        let state = state.map_err(|error| internal(&error))?;
        if state.held() != Some(HoldId(self.about.set.0)) {
            let message = "the groups could not be held for so long; try again at a quieter time";
            return Err(OperationError::new(ErrorKind::ResourceConstraint, message));
        }
        Ok((state, node.configuration.read(Clone::clone)))
    }
}
