//! Which thread an actor lives on. The real placement is a thread for each arbiter; the simulated
//! one runs everything on the thread that asks. A user's sessions live together, so that what they
//! say to each other stays on one thread; strangers are received on threads of their own, so that
//! however many come, they hold up nobody who has signed in.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io;

use pollux_domain::jid::BareJid;
use rustix::process::setpriority_process;
use rustix::thread::gettid;
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

    /// Runs `job` where strangers are received: behind whatever else the node has to do.
    fn receive(&self, turn: usize, job: Job) {
        self.run(turn, job);
    }

    /// Runs `job` where it may take long: off the arbiters, and behind them.
    fn run_aside(&self, job: Job);

    /// The arbiter of a user.
    fn arbiter_of(&self, user: &BareJid) -> usize {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(user);
        (hash % self.arbiter_count() as u64) as usize
    }
}

/// A thread for each arbiter, with a runtime of its own, and a door for two of them, where
/// strangers are.
#[derive(Debug)]
pub struct Arbiters {
    queues: Vec<mpsc::Sender<Job>>,
    doors: Vec<mpsc::Sender<Job>>,
}

/// Jobs that wait for one arbiter; more are dropped with their connections (they hold newcomers,
/// nothing acknowledged).
const QUEUE: usize = 4_096;

/// What a thread's share of a contended core is divided by, as `nice` counts: a tenth.
const BEHIND: i32 = 10;

/// Lets this thread run behind the others of the process, where they contend for a core.
fn stand_behind() {
    if let Err(error) = setpriority_process(Some(gettid()), BEHIND) {
        tracing::warn!(%error, "failed to let a thread run behind the others");
    }
}

impl Arbiters {
    pub fn start(count: usize) -> io::Result<Arbiters> {
        let queues = (0..count.max(1)).map(|number| start("arbiter", number, || {}));
        let queues = queues.collect::<io::Result<_>>()?;
        let doors = 0..count.div_ceil(2).max(1);
        let doors = doors.map(|number| start("door", number, stand_behind));
        let doors = doors.collect::<io::Result<_>>()?;
        Ok(Arbiters { queues, doors })
    }

    fn put(queues: &[mpsc::Sender<Job>], number: usize, job: Job) {
        if queues[number % queues.len()].try_send(job).is_err() {
            tracing::warn!(number, "a thread takes no more");
        }
    }
}

/// A thread that runs jobs; `begin` is what it does first.
fn start(kind: &str, number: usize, begin: fn()) -> io::Result<mpsc::Sender<Job>> {
    let (queue, jobs) = mpsc::channel::<Job>(QUEUE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name(format!("{kind}-{number}"))
        .spawn(move || {
            begin();
            LocalSet::new().block_on(&runtime, serve(jobs));
        })?;
    Ok(queue)
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
        Arbiters::put(&self.queues, arbiter, job);
    }

    fn receive(&self, turn: usize, job: Job) {
        Arbiters::put(&self.doors, turn, job);
    }

    fn run_aside(&self, job: Job) {
        let made = std::thread::Builder::new()
            .name("aside".to_owned())
            .spawn(move || {
                stand_behind();
                job();
            });
        if let Err(error) = made {
            tracing::error!(%error, "failed to start a thread");
        }
    }
}
