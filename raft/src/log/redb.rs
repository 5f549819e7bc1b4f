//! The log in redb, written by a thread of its own: all changes that wait go into one transaction
//! and one flush, or into none, where the disk may follow a little later (`deferred`).

mod boot_mark;
mod deferred;

use std::fs::File;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use ::redb::backends::FileBackend;
use ::redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError,
    TableDefinition,
};
use boot_mark::{BootMark, Past};
use bytes::Bytes;
use deferred::{Behind, Deferred};
use pollux_domain::delivery::Durability;
use pollux_domain::limits;
use pollux_store::damage::{OpenError, set_aside};

use super::snapshot_file::SnapshotFile;
use super::{Done, Encode, Keep, LogBounds, LogFigures, LogStore, LogWrite};

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const MARKS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("marks");
/// Up to which index entries are purged: they count no more, and leave the table little by little.
const CUT: TableDefinition<'_, (), u64> = TableDefinition::new("cut");
const VOTE: &str = "vote";
const PURGED: &str = "purged";
/// Changes that wait for the writer; openraft awaits each flush, so that few ever do.
const QUEUE: usize = 64;

/// Purged entries that leave with a transaction. With all of them in one, everything that is to be
/// committed would wait for a fifth of a second, each time a snapshot is saved; a few more than one
/// at a time keep up with those that come.
const PURGED_AT_ONCE: usize = 8;

/// A database file and, beside it, the snapshot file.
#[derive(Debug)]
pub struct RedbLog {
    database: Arc<Database>,
    /// None only while the log is dropped.
    queue: Option<SyncSender<(LogWrite, Done)>>,
    writer: Option<JoinHandle<()>>,
    snapshot: Arc<Mutex<SnapshotFile>>,
    /// How far the disk is behind, and the mark that says so, where it may be.
    deferred: Option<(Arc<Behind>, BootMark)>,
}

impl RedbLog {
    /// As [`RedbLog::open_kept`], on the disk, for a node that votes alone.
    pub fn open(
        folder: &Path,
        name: &str,
        check: impl Fn(&[u8]) -> io::Result<()>,
    ) -> Result<RedbLog, OpenError> {
        RedbLog::open_kept(folder, name, Keep::default(), check)
    }

    /// Opens or creates `<folder>/<name>.log` and `<folder>/<name>.snapshot`. `check` is given
    /// every entry and mark in order; what it or redb finds wrong is set aside.
    pub fn open_kept(
        folder: &Path,
        name: &str,
        keep: Keep,
        check: impl Fn(&[u8]) -> io::Result<()>,
    ) -> Result<RedbLog, OpenError> {
        let path = folder.join(format!("{name}.log"));
        let opening = Opening {
            path: &path,
            name,
            keep,
        };
        let opened = std::panic::catch_unwind(AssertUnwindSafe(|| opening.open(&check)));
        let (database, deferred) = match opened {
            Ok(Ok((database, deferred))) => (Arc::new(database), deferred),
            Ok(Err(Trouble::InUse)) => return Err(OpenError::InUse(path)),
            Ok(Err(Trouble::Io(source))) => return Err(OpenError::Io { path, source }),
            Ok(Err(Trouble::Damaged(reason))) => return Err(set_aside(&path, reason)),
            Ok(Err(Trouble::Newer(reason))) => return Err(OpenError::Newer { path, reason }),
            Err(_) => return Err(set_aside(&path, "it could not be read")),
        };
        let snapshot = SnapshotFile::new(folder.join(format!("{name}.snapshot")));
        snapshot.check(check)?;
        let (queue, waiting) = sync_channel(QUEUE);
        let target = database.clone();
        let writer = std::thread::Builder::new()
            .name(format!("{name}-log"))
            .spawn(move || write_all(&target, &waiting))
            .map_err(|source| OpenError::Io { path, source })?;
        Ok(RedbLog {
            database,
            queue: Some(queue),
            writer: Some(writer),
            snapshot: Arc::new(Mutex::new(snapshot)),
            deferred,
        })
    }
}

impl Drop for RedbLog {
    /// The writer finishes what it was given, so that the file is free when the log is gone.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _panicked = writer.join();
        }
        if let Err(error) = self.settle() {
            tracing::error!(%error, "failed to sync a log");
        }
    }
}

enum Trouble {
    InUse,
    Io(io::Error),
    Damaged(String),
    /// Of a later release.
    Newer(String),
}

impl<E: Into<::redb::Error>> From<E> for Trouble {
    fn from(error: E) -> Trouble {
        match error.into() {
            ::redb::Error::Io(source) if source.kind() != io::ErrorKind::InvalidData => {
                Trouble::Io(source)
            }
            ::redb::Error::DatabaseAlreadyOpen => Trouble::InUse,
            error => Trouble::Damaged(error.to_string()),
        }
    }
}

/// With what tells how far the disk is behind, where it may be.
type Opened = (Database, Option<(Arc<Behind>, BootMark)>);

/// One log on its way to be opened.
struct Opening<'a> {
    path: &'a Path,
    name: &'a str,
    keep: Keep,
}

impl Opening<'_> {
    fn open(&self, check: &impl Fn(&[u8]) -> io::Result<()>) -> Result<Opened, Trouble> {
        let mark = BootMark::beside(self.path);
        let existed = self.path.exists();
        // Without a log a mark is what was left when its log was set aside.
        let past = match existed {
            true => mark.past().map_err(Trouble::Io)?,
            false => Past::Synced,
        };
        if past == Past::MachineDied && self.keep.others_vote {
            // It may open as a log that once was, and have forgotten a vote or an entry since.
            let reason = "the machine went down while the log waited for the disk";
            return Err(Trouble::Damaged(reason.to_owned()));
        }
        let (database, behind) = self.create(past == Past::MachineDied)?;
        prepare_tables(&database)?;
        if existed {
            check_records(&database, check)?;
        }
        if past == Past::MachineDied {
            let log = self.path.display();
            tracing::warn!(%log, "machine went down, the last moments of the log may be missing");
        }
        let Some(behind) = behind else {
            mark.remove().map_err(Trouble::Io)?;
            return Ok((database, None));
        };
        mark.set().map_err(Trouble::Io)?;
        behind.begin();
        Ok((database, Some((behind, mark))))
    }

    fn create(&self, doubtful: bool) -> Result<(Database, Option<Arc<Behind>>), Trouble> {
        let mut builder = Builder::new();
        builder.set_cache_size(limits::LOG_CACHE_BYTES);
        builder.set_check_integrity_on_open(doubtful);
        if self.keep.durability == Durability::Disk {
            self.sync_remains()?;
            let database = builder.create(self.path);
            return Ok((database.map_err(|error: DatabaseError| error)?, None));
        }
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = FileBackend::new(options.open(self.path).map_err(Trouble::Io)?)?;
        let file = Deferred::new(file, self.name).map_err(Trouble::Io)?;
        let behind = file.behind();
        Ok((builder.create_with_backend(file)?, Some(behind)))
    }

    /// What an earlier process left to the operating system counts already. Before redb has the
    /// file: a lock may go with the first handle that is closed.
    fn sync_remains(&self) -> Result<(), Trouble> {
        match File::open(self.path).and_then(|file| file.sync_all()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Trouble::Io(error)),
            _ => Ok(()),
        }
    }
}

fn prepare_tables(database: &Database) -> Result<(), Trouble> {
    let transaction = database.begin_write()?;
    transaction.open_table(ENTRIES)?;
    transaction.open_table(MARKS)?;
    transaction.open_table(CUT)?;
    transaction.commit()?;
    Ok(())
}

fn check_records(
    database: &Database,
    check: &impl Fn(&[u8]) -> io::Result<()>,
) -> Result<(), Trouble> {
    let transaction = database.begin_read()?;
    let wrong = |what: String, error: io::Error| match error.kind() {
        io::ErrorKind::Unsupported => Trouble::Newer(format!("{what}: {error}")),
        _ => Trouble::Damaged(format!("{what}: {error}")),
    };
    for row in transaction.open_table(MARKS)?.iter()? {
        let (name, mark) = row?;
        check(mark.value()).map_err(|error| wrong(format!("mark {}", name.value()), error))?;
    }
    let begin = begin(&transaction.open_table(CUT)?)?;
    let mut expected = None;
    for row in transaction.open_table(ENTRIES)?.range(begin..)? {
        let (index, entry) = row?;
        let index = index.value();
        if expected.is_some_and(|expected| expected != index) {
            return Err(Trouble::Damaged(format!(
                "entries before {index} are missing"
            )));
        }
        check(entry.value()).map_err(|error| wrong(format!("entry {index}"), error))?;
        expected = Some(index + 1);
    }
    Ok(())
}

/// The first index that counts.
fn begin(cut: &impl ReadableTable<(), u64>) -> Result<u64, StorageError> {
    Ok(cut.get(())?.map_or(0, |cut| cut.value() + 1))
}

/// The writer: takes what waits, writes it in one transaction, flushes, tells. Ends when the log is
/// dropped.
fn write_all(database: &Database, waiting: &Receiver<(LogWrite, Done)>) {
    let mut broken = false;
    while let Ok(first) = waiting.recv() {
        let mut dones = Vec::new();
        let mut writes = Vec::new();
        for (write, done) in std::iter::once(first).chain(waiting.try_iter()) {
            writes.push(write);
            dones.push(done);
        }
        let result = if broken {
            Err("an earlier write failed".to_owned())
        } else {
            write_batch(database, &writes).map_err(|error| error.to_string())
        };
        broken |= result.is_err();
        for done in dones {
            done(result.clone().map_err(io::Error::other));
        }
    }
}

fn write_batch(database: &Database, writes: &[LogWrite]) -> Result<(), ::redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut entries = transaction.open_table(ENTRIES)?;
        let mut marks = transaction.open_table(MARKS)?;
        let mut cut = transaction.open_table(CUT)?;
        for write in writes {
            match write {
                LogWrite::Vote(vote) => {
                    marks.insert(VOTE, vote.as_ref())?;
                }
                LogWrite::Append(batch) => {
                    for (index, entry) in batch {
                        entries.insert(index, entry.as_ref())?;
                    }
                }
                LogWrite::Truncate { from } => {
                    entries.retain_in::<u64, _>(*from.., |_, _| false)?;
                }
                LogWrite::Purge { through, mark } => {
                    cut.insert((), through)?;
                    marks.insert(PURGED, mark.as_ref())?;
                }
            }
        }
        let begin = begin(&cut)?;
        for _ in 0..PURGED_AT_ONCE {
            let first = entries.first()?.map(|(index, _)| index.value());
            if first.is_none_or(|first| begin <= first) {
                break;
            }
            entries.pop_first()?;
        }
    }
    transaction.commit()?;
    Ok(())
}

impl LogStore for RedbLog {
    fn bounds(&self) -> io::Result<LogBounds> {
        self.read_bounds().map_err(io::Error::other)
    }

    fn read(&self, from: u64, to: u64) -> io::Result<Vec<Bytes>> {
        self.read_range(from, to).map_err(io::Error::other)
    }

    fn write(&self, write: LogWrite, done: Done) {
        let refused = match &self.queue {
            Some(queue) => queue.send((write, done)).err().map(|error| error.0.1),
            None => Some(done),
        };
        if let Some(done) = refused {
            done(Err(io::Error::other("the log's writer has ended")));
        }
    }

    fn save_snapshot(&self, index: u64, encode: Encode, done: Done) {
        let snapshot = self.snapshot.clone();
        let made = std::thread::Builder::new()
            .name("snapshot".to_owned())
            .spawn(move || {
                let mut file = snapshot.lock().unwrap_or_else(PoisonError::into_inner);
                done(encode().and_then(|bytes| file.replace(index, &bytes)));
            });
        if let Err(error) = made {
            tracing::error!(%error, "failed to start the snapshot's thread");
        }
    }

    fn read_snapshot(&self) -> io::Result<Option<Bytes>> {
        self.snapshot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .read()
    }

    fn settle(&self) -> io::Result<()> {
        let Some((behind, mark)) = &self.deferred else {
            return Ok(());
        };
        behind.settle()?;
        mark.remove()
    }

    fn figures(&self) -> LogFigures {
        let behind = self.deferred.as_ref().map(|(behind, _)| behind.age());
        let cache = self.database.cache_stats();
        LogFigures {
            unsynced: behind.unwrap_or_default(),
            cache_bytes: cache.used_bytes() as u64,
            cache_evictions: cache.evictions(),
        }
    }
}

impl RedbLog {
    fn read_bounds(&self) -> Result<LogBounds, ::redb::Error> {
        let transaction = self.database.begin_read()?;
        let marks = transaction.open_table(MARKS)?;
        let mark = |name: &str| -> Result<Option<Bytes>, ::redb::Error> {
            Ok(marks
                .get(name)?
                .map(|mark| Bytes::copy_from_slice(mark.value())))
        };
        let begin = begin(&transaction.open_table(CUT)?)?;
        let entries = transaction.open_table(ENTRIES)?;
        let last = entries.last()?;
        let last = last
            .filter(|(index, _)| begin <= index.value())
            .map(|(_, entry)| Bytes::copy_from_slice(entry.value()));
        Ok(LogBounds {
            vote: mark(VOTE)?,
            purged: mark(PURGED)?,
            last_entry: last,
        })
    }

    fn read_range(&self, from: u64, to: u64) -> Result<Vec<Bytes>, ::redb::Error> {
        let transaction = self.database.begin_read()?;
        let begin = begin(&transaction.open_table(CUT)?)?;
        let entries = transaction.open_table(ENTRIES)?;
        let mut found = Vec::new();
        for row in entries.range(from.max(begin)..to.max(begin))? {
            found.push(Bytes::copy_from_slice(row?.1.value()));
        }
        Ok(found)
    }
}

#[cfg(test)]
#[path = "redb/redb_test.rs"]
mod tests;

#[cfg(test)]
#[path = "redb/power_cut_test.rs"]
mod power_cut_test;
