//! One part of a backup as it is made: a thread of its own, since it reads all rows, that goes from
//! step to step as it is told. A part that nobody finishes leaves nothing.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use pollux_domain::contract::HoldId;
use pollux_domain::operations::{BackupRow, ErrorKind, OperationError};
use pollux_raft::backup::{About, BackupError, Draft, SetId};
use pollux_raft::configuration::Configuration;
use pollux_raft::state::State;
use tokio::sync::oneshot;

use super::ENDING;
use super::desk::Told;
use crate::node::Node;

/// Nobody asks for the next step for so long: whoever made the backup is gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// Each step is asked for when the one before is done.
const STEPS_MAX: usize = 1;

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Prepare,
    Capture,
    Finish,
}

type Answer = Result<Told, OperationError>;

#[derive(Debug)]
pub(super) struct Part {
    pub(super) set: SetId,
    steps: SyncSender<(Step, oneshot::Sender<Answer>)>,
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
            path: path(folder, node, parts, &made_at),
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
        let thread = std::thread::Builder::new().name("backup".to_owned());
        let thread = thread.spawn(move || {
            maker.run();
            drop(life);
        });
        thread.map_err(|error| internal(&error))?;
        Ok(Part { set, steps, alive })
    }

    /// Whether it is still being made.
    pub(super) fn goes_on(&self) -> bool {
        self.alive.strong_count() > 0
    }

    pub(super) fn step(&self, step: Step) -> impl Future<Output = Answer> + use<> {
        let (tell, told) = oneshot::channel();
        let sent = self.steps.try_send((step, tell)).is_ok();
        async move {
            let given_up = || {
                let message = "this part of the backup was given up; make another one";
                OperationError::new(ErrorKind::Unavailable, message)
            };
            match sent {
                true => told.await.map_err(|_| given_up())?,
                false => Err(given_up()),
            }
        }
    }
}

/// Colons are for no file system of others.
fn path(folder: &Path, node: &Node, parts: u16, made_at: &str) -> PathBuf {
    let time = made_at.replace([':', '-'], "");
    let which = match parts {
        1 => String::new(),
        _ => format!("-subcluster-{}", node.settings.subcluster),
    };
    folder.join(format!("{time}{which}.{ENDING}"))
}

fn internal(reason: &dyn std::fmt::Display) -> OperationError {
    let message = format!("failed to make a backup: {reason}");
    OperationError::new(ErrorKind::Internal, message)
}

/// What the thread has.
struct Maker {
    node: Arc<Node>,
    path: PathBuf,
    about: About,
    wanted: Receiver<(Step, oneshot::Sender<Answer>)>,
}

impl Maker {
    /// Until it is finished, given up, or fails.
    fn run(self) {
        let mut draft: Option<Draft> = None;
        let mut caught: Option<(State, Configuration)> = None;
        while let Ok((step, tell)) = self.wanted.recv_timeout(PATIENCE) {
            let done = match (step, draft.take(), caught.take()) {
                (Step::Prepare, None, None) => self.prepare().map(|begun| {
                    draft = Some(begun);
                    Told::Done
                }),
                (Step::Capture, Some(mut begun), None) => self.capture(&mut begun).map(|both| {
                    (draft, caught) = (Some(begun), Some(both));
                    Told::Done
                }),
                (Step::Finish, Some(begun), Some(both)) => self.finish(begun, &both),
                _ => Err(internal(&"a step was left out")),
            };
            let is_over = done.is_err() || matches!(done, Ok(Told::Made(_)));
            // Whoever asked may be gone.
            let _told = tell.send(done);
            if is_over {
                return;
            }
        }
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

    fn finish(
        &self,
        draft: Draft,
        (state, configuration): &(State, Configuration),
    ) -> Result<Told, OperationError> {
        let bytes = draft.finish(state, configuration);
        let bytes = bytes.map_err(|error| internal(&error))?;
        let path = self.path.display().to_string();
        tracing::info!(path, bytes, "part of a backup is made");
        Ok(Told::Made(BackupRow {
            node: self.node.settings.node.0,
            path,
            bytes,
        }))
    }
}
