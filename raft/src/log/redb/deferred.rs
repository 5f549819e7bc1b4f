//! A file that says at once that it is synced, and is a little later, by a thread of its own
//! (decision 0027). What was written survives the death of the process, for the operating system
//! has it; a power cut takes the last moments. Not for what the file holds.

use std::io;
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ::redb::{BackendError, StorageBackend};
use pollux_domain::limits;

/// How long a write waits for others before the disk is asked.
const PAUSE: Duration = Duration::from_millis(limits::LOG_SYNC_PAUSE_MS);
/// How far the disk may be behind; then whoever writes waits for it.
const BEHIND_MAX: Duration = Duration::from_millis(limits::LOG_UNSYNCED_MS_MAX);

/// See the module. Begins as a file like any other, until [`Behind::begin`].
#[derive(Debug)]
pub(super) struct Deferred<B> {
    inner: Arc<B>,
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

impl<B: StorageBackend> Deferred<B> {
    pub(super) fn new(inner: B, name: &str) -> io::Result<Deferred<B>> {
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

    /// The thread has ended when this returns.
    fn end_thread(&self) {
        self.behind.close();
        let thread = self.thread.lock();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _panicked = thread.join();
        }
    }
}

/// The thread: what waits is synced after a pause, so that one sync serves many writes.
fn make_good(file: &dyn StorageBackend, behind: &Behind) {
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
        let synced = file.sync_data();
        state = behind.lock();
        state.syncs = None;
        if let Err(error) = synced {
            tracing::error!(%error, "failed to sync a log");
            state.failed = Some(error.kind());
        }
        behind.changed.notify_all();
    }
}

impl<B: StorageBackend> StorageBackend for Deferred<B> {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.behind.lock();
        if !state.defers {
            drop(state);
            return self.inner.sync_data();
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

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.end_thread();
        let synced = self.inner.sync_data();
        self.inner.close().and(synced)
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}

impl<B> Drop for Deferred<B> {
    /// Only where redb gave up without closing: the thread, which holds the file, goes too.
    fn drop(&mut self) {
        self.behind.close();
    }
}

#[cfg(test)]
#[path = "deferred_test.rs"]
mod tests;
