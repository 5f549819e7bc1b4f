//! A simulated process: a runtime of its own that runs only while the world drives it, so that it
//! can be stopped and go on, or die. Not for the machine around it, whose kernel, disk and clocks
//! go on without it.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime, RngSeed, UnhandledPanic};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{advance, sleep};

/// See the module. Dropping it is `kill -9`.
pub struct Process {
    runtime: LocalRuntime,
    /// None after its end was told.
    software: Option<JoinHandle<turmoil::Result>>,
    /// What has passed while it stood still.
    missed: Duration,
}

impl Process {
    /// `seed` decides which branch of a `select!` is looked at first. Nothing runs yet.
    pub fn start(seed: u64, software: impl Future<Output = turmoil::Result> + 'static) -> Process {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()))
            .unhandled_panic(UnhandledPanic::ShutdownRuntime)
            // Whoever drives it has a turn after each poll of a task, and can stop it there.
            .event_interval(1)
            .build_local(LocalOptions::default())
            .expect("a runtime without sockets asks nothing of the operating system");
        // Timers are counted in whole milliseconds: the first must begin with one.
        runtime.block_on(async { sleep(Duration::from_millis(1)).await });
        let software = runtime.spawn_local(software);
        Process {
            runtime,
            software: Some(software),
            missed: Duration::ZERO,
        }
    }

    /// So many of its tasks have a turn, in no time, one after another: it can be stopped where one
    /// has told the next what to do.
    pub fn turns(&mut self, count: u64) {
        self.runtime.block_on(async {
            for _ in 0..count {
                yield_now().await;
            }
        });
    }

    /// So much time passes, and it stands still.
    pub fn miss(&mut self, time: Duration) {
        self.missed += time;
    }

    /// It runs for so long. What it missed before is a leap of its clock, as after SIGCONT: first
    /// whatever was about to run or was woken meanwhile goes on, then all timers fire that are due.
    pub fn run(&mut self, time: Duration) -> turmoil::Result {
        let missed = std::mem::take(&mut self.missed);
        self.runtime.block_on(async {
            if !missed.is_zero() {
                advance(missed).await;
            }
            sleep(time).await;
        });
        match self.software.take_if(|software| software.is_finished()) {
            Some(ended) => self.runtime.block_on(ended)?,
            None => Ok(()),
        }
    }
}
