//! The log storage of openraft over a [`LogStore`]: entries become records, and the newest stay in
//! memory, so that `apply` does not read back what was just written.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{EntryPayload, LogState, RaftLogReader};
use pollux_domain::seams::Clock;
use pollux_store::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{oneshot, watch};

use super::types::{LogId, StorageError, StorageIOError, Types, Vote};
use crate::election::LogPosition;
use crate::log::{Done, LogStore, LogWrite};
use crate::machine::Kind;
use crate::version::FORMATS;

type Entry<G> = openraft::impls::Entry<Types<G>>;

/// Bytes of entries kept in memory after they are on the disk, for those who are a little behind.
const TAIL_BYTES: usize = 4 * 1024 * 1024;
/// What the allocations of an entry take beside its bytes.
const ENTRY_OVERHEAD: usize = 512;
/// Version of votes and marks, which know nothing of the machine.
pub(super) const MARK_VERSION: u16 = 1;

/// What opening a log checks of each record.
pub fn check_record(record: &[u8]) -> io::Result<()> {
    codec::verify(FORMATS.newest.max(MARK_VERSION), record)?;
    Ok(())
}

/// What others may know of the log without asking the core, which may be waiting for a flush.
#[derive(Debug, Default)]
pub(super) struct LogFacts {
    inner: Mutex<FactsInner>,
}

#[derive(Debug, Default)]
struct FactsInner {
    last: Option<LogId>,
    flushes: u64,
    pending_since: Option<Duration>,
}

impl LogFacts {
    fn inner(&self) -> MutexGuard<'_, FactsInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last entry.
    pub(super) fn last(&self) -> LogPosition {
        let last = self.inner().last;
        last.map_or_else(LogPosition::default, position)
    }

    /// Since when the oldest flush has been under way.
    pub(super) fn flush_pending_since(&self) -> Option<Duration> {
        self.inner().pending_since
    }

    fn set_last(&self, last: Option<LogId>) {
        self.inner().last = last;
    }

    fn begin(&self, now: Duration) {
        let mut inner = self.inner();
        inner.flushes += 1;
        inner.pending_since.get_or_insert(now);
    }

    fn end(&self, now: Duration) {
        let mut inner = self.inner();
        inner.flushes -= 1;
        inner.pending_since = (0 < inner.flushes).then_some(now);
    }
}

/// An entry's place, as elections compare logs.
pub(super) fn position(id: LogId) -> LogPosition {
    LogPosition {
        term: id.leader_id.term,
        leader: id.leader_id.node_id,
        index: id.index,
    }
}

/// See the module.
pub(super) struct LogAdapter<G: Kind> {
    store: Arc<dyn LogStore>,
    facts: Arc<LogFacts>,
    clock: Arc<dyn Clock>,
    tail: Arc<Mutex<Tail<G>>>,
    vote: Option<Vote>,
    purged: Option<LogId>,
    last: Option<LogId>,
    /// Up to which index a snapshot is on the disk.
    snapshots: watch::Receiver<u64>,
}

impl<G: Kind> Clone for LogAdapter<G> {
    fn clone(&self) -> Self {
        LogAdapter {
            store: self.store.clone(),
            facts: self.facts.clone(),
            clock: self.clock.clone(),
            tail: self.tail.clone(),
            vote: self.vote,
            purged: self.purged,
            last: self.last,
            snapshots: self.snapshots.clone(),
        }
    }
}

/// The newest entries, consecutive, with their sizes.
struct Tail<G: Kind> {
    entries: VecDeque<(Entry<G>, usize)>,
    bytes: usize,
    /// Up to here all is on the disk, so that it may leave the memory.
    flushed: u64,
}

impl<G: Kind> Tail<G> {
    fn push(&mut self, entry: Entry<G>, size: usize) {
        self.bytes += size;
        self.entries.push_back((entry, size));
        while TAIL_BYTES < self.bytes {
            match self.entries.front() {
                Some((first, size)) if first.log_id.index <= self.flushed => {
                    self.bytes -= size;
                    self.entries.pop_front();
                }
                _ => break,
            }
        }
    }

    fn truncate(&mut self, from: u64) {
        while self
            .entries
            .back()
            .is_some_and(|(entry, _)| from <= entry.log_id.index)
        {
            self.bytes -= self.entries.pop_back().map_or(0, |(_, size)| size);
        }
        self.flushed = self.flushed.min(from.saturating_sub(1));
    }

    /// A snapshot stands for entries up to here. It may be ahead of all that is known, and what is
    /// appended then does not follow on what was there.
    fn purge(&mut self, through: u64) {
        while let Some((first, size)) = self.entries.front()
            && first.log_id.index <= through
        {
            self.bytes -= size;
            self.entries.pop_front();
        }
    }

    fn range(&self, from: u64, to: u64) -> Option<Vec<Entry<G>>> {
        let first = self.entries.front()?.0.log_id.index;
        if from < first {
            return None;
        }
        let skipped = self.entries.iter().skip((from - first) as usize);
        Some(
            skipped
                .take((to - from) as usize)
                .map(|(entry, _)| entry.clone())
                .collect(),
        )
    }
}

impl<G: Kind> LogAdapter<G> {
    pub(super) fn open(
        store: Arc<dyn LogStore>,
        clock: Arc<dyn Clock>,
        snapshots: watch::Receiver<u64>,
    ) -> io::Result<LogAdapter<G>> {
        let bounds = store.bounds()?;
        let vote = bounds
            .vote
            .map(|vote| read(MARK_VERSION, &vote))
            .transpose()?;
        let purged = bounds
            .purged
            .map(|mark| read(MARK_VERSION, &mark))
            .transpose()?;
        let last: Option<Entry<G>> = bounds
            .last_entry
            .map(|entry: Bytes| read(FORMATS.newest, &entry))
            .transpose()?;
        let last = last.map(|entry| entry.log_id).or(purged);
        let flushed = last.map_or(0, |id: LogId| id.index);
        let tail = Tail {
            entries: VecDeque::new(),
            bytes: 0,
            flushed,
        };
        let facts = Arc::new(LogFacts::default());
        facts.set_last(last);
        Ok(LogAdapter {
            store,
            facts,
            clock,
            tail: Arc::new(Mutex::new(tail)),
            vote,
            purged,
            last,
            snapshots,
        })
    }

    /// Entries up to here are not in the log any more.
    pub(super) fn purged(&self) -> u64 {
        self.purged.map_or(0, |id| id.index)
    }

    pub(super) fn facts(&self) -> Arc<LogFacts> {
        self.facts.clone()
    }

    fn tail(&self) -> MutexGuard<'_, Tail<G>> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a flush begins now and ends when `done` is called.
    fn flushing(&self, done: impl FnOnce(io::Result<()>) + Send + 'static) -> Done {
        let (facts, clock) = (self.facts.clone(), self.clock.clone());
        facts.begin(clock.now());
        Box::new(move |result| {
            facts.end(clock.now());
            done(result);
        })
    }

    async fn written(&self, write: LogWrite) -> io::Result<()> {
        let (tell, told) = oneshot::channel();
        let done = self.flushing(move |result| drop(tell.send(result)));
        self.store.write(write, done);
        told.await
            .map_err(|_| io::Error::other("the log's writer has ended"))?
    }
}

fn read<T: DeserializeOwned>(version: u16, record: &[u8]) -> io::Result<T> {
    codec::decode(version, record).map_err(Into::into)
}

/// The format that an entry needs of its reader.
fn format_of<G: Kind>(entry: &Entry<G>) -> u16 {
    match &entry.payload {
        EntryPayload::Normal(batch) => batch.written.format,
        EntryPayload::Blank | EntryPayload::Membership(_) => FORMATS.oldest,
    }
}

fn record<T: Serialize>(version: u16, value: &T) -> io::Result<Bytes> {
    Ok(codec::encode(version, value)?.into())
}

impl<G: Kind> RaftLogReader<Types<G>> for LogAdapter<G> {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<G>>, StorageError> {
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(to) => *to,
            Bound::Unbounded => u64::MAX,
        };
        if to <= from {
            return Ok(Vec::new());
        }
        if let Some(entries) = self.tail().range(from, to) {
            return Ok(entries);
        }
        let records = self
            .store
            .read(from, to)
            .map_err(|error| StorageError::from(StorageIOError::read_logs(&error)))?;
        let entries = records.iter().map(|entry| read(FORMATS.newest, entry));
        entries
            .collect::<io::Result<_>>()
            .map_err(|error| StorageError::from(StorageIOError::read_logs(&error)))
    }
}

impl<G: Kind> RaftLogStorage<Types<G>> for LogAdapter<G> {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types<G>>, StorageError> {
        Ok(LogState {
            last_purged_log_id: self.purged,
            last_log_id: self.last,
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let fail = |error: io::Error| StorageError::from(StorageIOError::write_vote(&error));
        let bytes = record(MARK_VERSION, vote).map_err(fail)?;
        self.written(LogWrite::Vote(bytes)).await.map_err(fail)?;
        self.vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.vote)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<Types<G>>,
    ) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry<G>> + Send,
        I::IntoIter: Send,
    {
        let mut records = Vec::new();
        {
            let mut tail = self.tail();
            for entry in entries {
                let bytes = record(format_of(&entry), &entry).map_err(|error| {
                    StorageError::from(StorageIOError::write_log_entry(entry.log_id, &error))
                })?;
                records.push((entry.log_id.index, bytes.clone()));
                // Until it is applied, the entry holds about as much decoded as it is written.
                tail.push(entry, ENTRY_OVERHEAD + 2 * bytes.len());
            }
        }
        let Some(last) = self.tail().entries.back().map(|(entry, _)| entry.log_id) else {
            callback.log_io_completed(Ok(()));
            return Ok(());
        };
        self.last = Some(last);
        self.facts.set_last(self.last);
        let tail = self.tail.clone();
        let done = move |result: io::Result<()>| {
            if result.is_ok() {
                let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
                tail.flushed = tail.flushed.max(last.index);
            }
            callback.log_io_completed(result);
        };
        self.store
            .write(LogWrite::Append(records), self.flushing(done));
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.tail().truncate(log_id.index);
        self.written(LogWrite::Truncate { from: log_id.index })
            .await
            .map_err(|error| StorageError::from(StorageIOError::write_logs(&error)))?;
        let bounds = self
            .store
            .bounds()
            .map_err(|error| StorageError::from(StorageIOError::read_logs(&error)))?;
        let last: Option<Entry<G>> = bounds
            .last_entry
            .map(|entry: Bytes| read(FORMATS.newest, &entry))
            .transpose()
            .map_err(|error| StorageError::from(StorageIOError::read_logs(&error)))?;
        self.last = last.map(|entry| entry.log_id).or(self.purged);
        self.facts.set_last(self.last);
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        let fail = |error: io::Error| StorageError::from(StorageIOError::write_logs(&error));
        let mark = record(MARK_VERSION, &log_id).map_err(fail)?;
        // The core does not wait for a snapshot that it installs, and a crash in between would
        // leave neither: what follows, appended entries too, waits here until the snapshot is on
        // the disk.
        let mut snapshots = self.snapshots.clone();
        let covered = snapshots.wait_for(|through| log_id.index <= *through).await;
        covered.map_err(|_| fail(io::Error::other("the snapshot was not saved")))?;
        self.written(LogWrite::Purge {
            through: log_id.index,
            mark,
        })
        .await
        .map_err(fail)?;
        self.tail().purge(log_id.index);
        self.purged = Some(log_id);
        if self.last < self.purged {
            self.last = self.purged;
            self.facts.set_last(self.last);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use openraft::CommittedLeaderId;

    use super::*;
    use crate::machine::Subcluster;

    fn entry(index: u64) -> Entry<Subcluster> {
        Entry::<Subcluster> {
            log_id: LogId::new(CommittedLeaderId::new(1, 1), index),
            payload: EntryPayload::Blank,
        }
    }

    /// Found by seed 1 of pairs: the entries that followed a snapshot were taken for others.
    #[test]
    fn what_follows_a_snapshot_is_found_at_its_index() {
        let mut tail = Tail::<Subcluster> {
            entries: VecDeque::new(),
            bytes: 0,
            flushed: 0,
        };
        (1..=5).for_each(|index| tail.push(entry(index), 10));
        tail.purge(3);
        let found = |tail: &Tail<Subcluster>, from, to| {
            let entries = tail.range(from, to)?;
            Some(Vec::from_iter(entries.iter().map(|e| e.log_id.index)))
        };
        assert_eq!(found(&tail, 3, 6), None);
        assert_eq!(found(&tail, 4, 6), Some(vec![4, 5]));
        // The snapshot of another replica, ahead of all that is here.
        tail.purge(9);
        assert_eq!(tail.bytes, 0);
        tail.push(entry(10), 10);
        assert_eq!(found(&tail, 10, 11), Some(vec![10]));
    }
}
