//! The log in redb, written by a thread of its own: all changes that wait go into one transaction
//! and one flush.

use std::io;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use ::redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};
use bytes::Bytes;
use pollux_store::damage::{OpenError, set_aside};

use super::snapshot_file::SnapshotFile;
use super::{Done, Encode, LogBounds, LogStore, LogWrite};

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const MARKS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("marks");
const VOTE: &str = "vote";
const PURGED: &str = "purged";
const CACHE_BYTES: usize = 8 * 1024 * 1024;
/// Changes that wait for the writer; openraft awaits each flush, so that few ever do.
const QUEUE: usize = 64;

/// A database file and, beside it, the snapshot file.
#[derive(Debug)]
pub struct RedbLog {
    database: Arc<Database>,
    /// None only while the log is dropped.
    queue: Option<SyncSender<(LogWrite, Done)>>,
    writer: Option<JoinHandle<()>>,
    snapshot: Arc<Mutex<SnapshotFile>>,
}

impl RedbLog {
    /// Opens or creates `<folder>/<name>.log` and `<folder>/<name>.snapshot`. `check` is given
    /// every entry and mark in order; what it or redb finds wrong is set aside.
    pub fn open(
        folder: &Path,
        name: &str,
        check: impl Fn(&[u8]) -> io::Result<()>,
    ) -> Result<RedbLog, OpenError> {
        let path = folder.join(format!("{name}.log"));
        let opened = std::panic::catch_unwind(AssertUnwindSafe(|| open_checked(&path, &check)));
        let database = match opened {
            Ok(Ok(database)) => Arc::new(database),
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

fn open_checked(
    path: &Path,
    check: &impl Fn(&[u8]) -> io::Result<()>,
) -> Result<Database, Trouble> {
    let existed = path.exists();
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    let database = builder.create(path).map_err(|error: DatabaseError| error)?;
    let transaction = database.begin_write()?;
    transaction.open_table(ENTRIES)?;
    transaction.open_table(MARKS)?;
    transaction.commit()?;
    if !existed {
        return Ok(database);
    }
    let transaction = database.begin_read()?;
    let wrong = |what: String, error: io::Error| match error.kind() {
        io::ErrorKind::Unsupported => Trouble::Newer(format!("{what}: {error}")),
        _ => Trouble::Damaged(format!("{what}: {error}")),
    };
    for row in transaction.open_table(MARKS)?.iter()? {
        let (name, mark) = row?;
        check(mark.value()).map_err(|error| wrong(format!("mark {}", name.value()), error))?;
    }
    let mut expected = None;
    for row in transaction.open_table(ENTRIES)?.iter()? {
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
    drop(transaction);
    Ok(database)
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
                    entries.retain_in::<u64, _>(..=*through, |_, _| false)?;
                    marks.insert(PURGED, mark.as_ref())?;
                }
            }
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
        let entries = transaction.open_table(ENTRIES)?;
        let last = entries
            .last()?
            .map(|(_, entry)| Bytes::copy_from_slice(entry.value()));
        Ok(LogBounds {
            vote: mark(VOTE)?,
            purged: mark(PURGED)?,
            last_entry: last,
        })
    }

    fn read_range(&self, from: u64, to: u64) -> Result<Vec<Bytes>, ::redb::Error> {
        let transaction = self.database.begin_read()?;
        let entries = transaction.open_table(ENTRIES)?;
        let mut found = Vec::new();
        for row in entries.range(from..to)? {
            found.push(Bytes::copy_from_slice(row?.1.value()));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_check(_: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn wait(log: &RedbLog, write: LogWrite) -> io::Result<()> {
        let (tell, told) = sync_channel(1);
        log.write(write, Box::new(move |result| tell.send(result).unwrap()));
        told.recv().unwrap()
    }

    fn entries(range: std::ops::Range<u64>) -> LogWrite {
        LogWrite::Append(
            range
                .map(|index| (index, Bytes::from(vec![index as u8; 64])))
                .collect(),
        )
    }

    fn save(log: &RedbLog, index: u64, image: &'static [u8]) {
        let (tell, told) = sync_channel(1);
        let done: Done = Box::new(move |result| tell.send(result).unwrap());
        log.save_snapshot(index, Box::new(|| Ok(image.to_vec())), done);
        told.recv().unwrap().unwrap();
    }

    /// A replica was taking its own when the leader's was installed.
    #[test]
    fn a_snapshot_that_ends_after_a_newer_one_does_not_take_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let log = RedbLog::open(folder.path(), "g", no_check).unwrap();
        save(&log, 299, b"newer");
        save(&log, 211, b"older");
        assert_eq!(log.read_snapshot().unwrap().as_deref(), Some(&b"newer"[..]));
        save(&log, 300, b"newest");
        let held = log.read_snapshot().unwrap();
        assert_eq!(held.as_deref(), Some(&b"newest"[..]));
    }

    #[test]
    fn entries_marks_and_snapshot_stay_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let log = RedbLog::open(folder.path(), "g", no_check).unwrap();
        wait(&log, LogWrite::Vote(Bytes::from_static(b"vote"))).unwrap();
        wait(&log, entries(1..10)).unwrap();
        wait(&log, LogWrite::Truncate { from: 8 }).unwrap();
        let mark = Bytes::from_static(b"3");
        wait(
            &log,
            LogWrite::Purge {
                through: 3,
                mark: mark.clone(),
            },
        )
        .unwrap();
        save(&log, 3, b"image");
        drop(log);
        let log = RedbLog::open(folder.path(), "g", no_check).unwrap();
        let bounds = log.bounds().unwrap();
        assert_eq!(bounds.vote.as_deref(), Some(&b"vote"[..]));
        assert_eq!(bounds.purged, Some(mark));
        assert_eq!(bounds.last_entry.unwrap()[0], 7);
        let found: Vec<u8> = log
            .read(0, 100)
            .unwrap()
            .iter()
            .map(|entry| entry[0])
            .collect();
        assert_eq!(found, [4, 5, 6, 7]);
        assert_eq!(log.read_snapshot().unwrap().as_deref(), Some(&b"image"[..]));
    }

    #[test]
    fn a_file_in_use_is_told_apart_from_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let _log = RedbLog::open(folder.path(), "g", no_check).unwrap();
        let error = RedbLog::open(folder.path(), "g", no_check).unwrap_err();
        assert!(matches!(error, OpenError::InUse(_)), "{error}");
    }

    #[test]
    fn what_a_newer_release_wrote_is_left_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let check = |record: &[u8]| {
            pollux_store::codec::verify(1, record)?;
            Ok(())
        };
        let newer = pollux_store::codec::encode(2, &7u64).unwrap();
        let log = RedbLog::open(folder.path(), "g", check).unwrap();
        wait(
            &log,
            LogWrite::Append(vec![(1, Bytes::from(newer.clone()))]),
        )
        .unwrap();
        drop(log);
        let error = RedbLog::open(folder.path(), "g", check).unwrap_err();
        assert!(matches!(error, OpenError::Newer { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("newer release") && text.contains("entry 1"),
            "{text}"
        );
        assert!(folder.path().join("g.log").exists());

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.snapshot");
        std::fs::write(&path, newer).unwrap();
        let error = RedbLog::open(folder.path(), "g", check).unwrap_err();
        assert!(matches!(error, OpenError::Newer { .. }), "{error}");
        assert!(path.exists());
    }

    /// A process that is killed while it writes a snapshot leaves a part of it beside.
    #[test]
    fn half_a_snapshot_goes_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let half = folder.path().join("g.snapshot.new");
        std::fs::write(&half, "half").unwrap();
        let log = RedbLog::open(folder.path(), "g", no_check).unwrap();
        assert!(!half.exists());
        assert_eq!(log.read_snapshot().unwrap(), None);
    }

    #[test]
    fn damage_anywhere_is_set_aside_and_never_a_panic() {
        for seed in 0..24usize {
            let folder = tempfile::tempdir().unwrap();
            let check = |record: &[u8]| {
                pollux_store::codec::verify(1, record)
                    .map(|_| ())
                    .map_err(Into::into)
            };
            let log = RedbLog::open(folder.path(), "g", check).unwrap();
            let sealed = |index: u64| {
                Bytes::from(pollux_store::codec::encode(1, &vec![index; 100]).unwrap())
            };
            wait(
                &log,
                LogWrite::Append((1..200).map(|index| (index, sealed(index))).collect()),
            )
            .unwrap();
            drop(log);
            let path = folder.path().join("g.log");
            let mut bytes = std::fs::read(&path).unwrap();
            let length = bytes.len();
            if seed % 4 == 3 {
                bytes.truncate(length * (seed + 1) / 30);
            } else {
                let at = length * seed / 24;
                let end = (at + 3000).min(length);
                bytes[at..end].iter_mut().for_each(|byte| *byte ^= 0x5a);
            }
            std::fs::write(&path, &bytes).unwrap();
            match RedbLog::open(folder.path(), "g", check) {
                Err(OpenError::Damaged { aside, .. }) => assert!(aside.exists()),
                // The damage hit pages that hold nothing.
                Ok(log) => assert_eq!(log.read(0, 1000).unwrap().len(), 199),
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
    }
}
