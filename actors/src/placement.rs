//! Which thread an actor lives on. The real placement is a thread for each arbiter; the simulated
//! one runs everything on the thread that asks. A user's sessions live together, so that what they
//! say to each other stays on one thread.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io;

use pollux_domain::jid::BareJid;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// Something to be started on an arbiter: it runs at once there and may spawn actors and local
/// tasks.
pub type Job = Box<dyn FnOnce() + Send>;

/// Arbiters, by number.
pub trait Placement: Send + Sync + 'static {
    fn arbiter_count(&self) -> usize;

    /// Runs `job` on one arbiter. Jobs that come after the node has stopped are dropped.
    fn run(&self, arbiter: usize, job: Job);

    /// Runs `job` where it may take long: off the arbiters.
    fn run_aside(&self, job: Job);

    /// The arbiter of a user.
    fn arbiter_of(&self, user: &BareJid) -> usize {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(user);
        (hash % self.arbiter_count() as u64) as usize
    }
}

/// A thread for each arbiter, with a runtime of its own.
#[derive(Debug)]
pub struct Arbiters {
    queues: Vec<mpsc::Sender<Job>>,
}

/// Jobs that wait for one arbiter; more are dropped with their connections (they hold newcomers,
/// nothing acknowledged).
const QUEUE: usize = 4_096;

impl Arbiters {
    pub fn start(count: usize) -> io::Result<Arbiters> {
        let mut queues = Vec::new();
        for number in 0..count.max(1) {
            let (queue, jobs) = mpsc::channel::<Job>(QUEUE);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            std::thread::Builder::new()
                .name(format!("arbiter-{number}"))
                .spawn(move || {
                    LocalSet::new().block_on(&runtime, serve(jobs));
                })?;
            queues.push(queue);
        }
        Ok(Arbiters { queues })
    }
}

/// Runs jobs until the placement is dropped. A job that panics takes nothing else with it.
async fn serve(mut jobs: mpsc::Receiver<Job>) {
    while let Some(job) = jobs.recv().await {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
            tracing::error!("job panicked");
        }
    }
}

impl Placement for Arbiters {
    fn arbiter_count(&self) -> usize {
        self.queues.len()
    }

    fn run(&self, arbiter: usize, job: Job) {
        if self.queues[arbiter % self.queues.len()]
            .try_send(job)
            .is_err()
        {
            tracing::warn!(arbiter, "arbiter takes no more");
        }
    }

    fn run_aside(&self, job: Job) {
        let made = std::thread::Builder::new()
            .name("aside".to_owned())
            .spawn(job);
        if let Err(error) = made {
            tracing::error!(%error, "failed to start a thread");
        }
    }
}
