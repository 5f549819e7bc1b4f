//! A disk that says at once that it has synced, and is a little later, by a thread of its own
//! (decision 0027). What was written survives the death of the process, for the operating system
//! has it; a power cut takes the last moments. Not for what the file holds.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pollux_domain::limits;

use super::disk::Disk;

/// How long a write waits for others before the disk is asked.
const PAUSE: Duration = Duration::from_millis(limits::LOG_SYNC_PAUSE_MS);
/// How far the disk may be behind; then whoever writes waits for it.
const BEHIND_MAX: Duration = Duration::from_millis(limits::LOG_UNSYNCED_MS_MAX);

/// See the module. Begins as a file like any other, until [`Behind::begin`].
#[derive(Debug)]
pub(super) struct Deferred<D> {
    inner: Arc<D>,
    behind: Arc<Behind>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How far the disk is behind, to be looked at from outside.
#[derive(Debug, Default)]
pub(super) struct Behind {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    defers: bool,
    /// Since when something has waited that no sync under way covers.
    waits: Option<Instant>,
    /// The same, of the sync under way.
    syncs: Option<Instant>,
    /// A disk that failed once is not asked again.
    failed: Option<io::ErrorKind>,
    closed: bool,
}

impl State {
    fn oldest(&self) -> Option<Instant> {
        self.syncs.or(self.waits)
    }
}

impl Behind {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let waited = self.changed.wait(state);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on nobody waits for the disk.
    pub(super) fn begin(&self) {
        self.lock().defers = true;
    }

    /// Everything that was written is on the disk when this returns, and from here on everybody
    /// waits for it again.
    pub(super) fn settle(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.defers = false;
        self.changed.notify_all();
        while state.oldest().is_some() && state.failed.is_none() && !state.closed {
            state = self.wait(state);
        }
        match state.failed {
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }

    /// The age of the oldest write that the disk may not have.
    pub(super) fn age(&self) -> Duration {
        let oldest = self.lock().oldest();
        oldest.map_or(Duration::ZERO, |since| {
            now().saturating_duration_since(since)
        })
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how far a disk is behind decides nothing that a seed must repeat"
)]
fn now() -> Instant {
    Instant::now()
}

impl<D: Disk> Deferred<D> {
    pub(super) fn new(inner: D, name: &str) -> io::Result<Deferred<D>> {
        let (inner, behind) = (Arc::new(inner), Arc::new(Behind::default()));
        let (file, about) = (inner.clone(), behind.clone());
        let thread = std::thread::Builder::new()
            .name(format!("{name}-sync"))
            .spawn(move || make_good(&*file, &about))?;
        Ok(Deferred {
            inner,
            behind,
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(super) fn behind(&self) -> Arc<Behind> {
        self.behind.clone()
    }
}

/// The thread: what waits is synced after a pause, so that one sync serves many writes.
fn make_good(file: &dyn Disk, behind: &Behind) {
    let mut state = behind.lock();
    loop {
        while state.waits.is_none() && !state.closed {
            state = behind.wait(state);
        }
        let Some(since) = state.waits else { return };
        let left = (since + PAUSE).saturating_duration_since(now());
        if !left.is_zero() && state.defers && !state.closed {
            let waited = behind.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        state.syncs = state.waits.take();
        drop(state);
        let synced = file.sync();
        state = behind.lock();
        state.syncs = None;
        if let Err(error) = synced {
            tracing::error!(%error, "failed to sync a log");
            state.failed = Some(error.kind());
        }
        behind.changed.notify_all();
    }
}

impl<D: Disk> Disk for Deferred<D> {
    /// What was written to the one before is on the disk first: the thread syncs only the newest.
    fn create(&self, number: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.sync()?;
        self.inner.create(number, bytes)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write(offset, bytes)
    }

    fn grow(&self, from: u64, to: u64) -> io::Result<()> {
        self.inner.grow(from, to)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.behind.lock();
        if !state.defers {
            drop(state);
            return self.inner.sync();
        }
        let too_old = |since: Instant| BEHIND_MAX < now().saturating_duration_since(since);
        while state.failed.is_none() && state.oldest().is_some_and(too_old) {
            state = self.behind.wait(state);
        }
        if let Some(kind) = state.failed {
            return Err(kind.into());
        }
        state.waits.get_or_insert_with(now);
        self.behind.changed.notify_all();
        Ok(())
    }

    /// What made it superfluous is on the disk first.
    fn remove(&self, number: u64) -> io::Result<()> {
        self.inner.sync()?;
        self.inner.remove(number)
    }
}

impl<D> Drop for Deferred<D> {
    /// The thread, which holds the files, has ended when this returns; it syncs what waits first.
    fn drop(&mut self) {
        self.behind.close();
        let thread = self.thread.lock();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _panicked = thread.join();
        }
    }
}

#[cfg(test)]
#[path = "deferred_test.rs"]
mod tests;
