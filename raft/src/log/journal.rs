//! The log as a journal: changes are appended to a file, each flush one write in one place, by a
//! thread of its own (decision 0031). All that wait share a flush, or none, where the disk may
//! follow a little later (`deferred`).

mod boot_mark;
mod contents;
mod deferred;
mod disk;
mod frame;
mod replay;
mod writer;

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use boot_mark::{BootMark, Past};
use bytes::Bytes;
use contents::{Contents, Place};
use deferred::{Behind, Deferred};
use disk::Folder;
use pollux_domain::delivery::Durability;
use pollux_store::damage::{OpenError, set_aside};
use replay::{Trust, replay};
use writer::{Shared, Tail, Writer};

use super::flushes::FlushTimes;
use super::snapshot_file::SnapshotFile;
use super::{Done, Encode, Keep, LogBounds, LogFigures, LogStore, LogWrite};

/// Changes that wait for the writer; openraft awaits each flush, so that few ever do.
const QUEUE: usize = 64;
/// Of a folder: whoever holds its lock has the log.
const LOCK: &str = "lock";

type Queue = SyncSender<(LogWrite, Done)>;
type Waiting = Receiver<(LogWrite, Done)>;

/// A folder of segments and, beside it, the snapshot file.
pub struct JournalLog {
    folder: PathBuf,
    shared: Arc<Shared>,
    /// None only while the log is dropped.
    queue: Option<Queue>,
    writer: Option<JoinHandle<()>>,
    snapshot: Arc<Mutex<SnapshotFile>>,
    flushes: Arc<FlushTimes>,
    /// How far the disk is behind, and the mark that says so, where it may be.
    deferred: Option<(Arc<Behind>, BootMark)>,
    /// Free for others when it is closed.
    _lock: File,
}

impl JournalLog {
    /// As [`JournalLog::open_kept`], on the disk, for a node that votes alone.
    pub fn open(
        folder: &Path,
        name: &str,
        check: impl Fn(&[u8]) -> io::Result<()>,
    ) -> Result<JournalLog, OpenError> {
        JournalLog::open_kept(folder, name, Keep::default(), check)
    }

    /// Opens or creates `<folder>/<name>.log` and `<folder>/<name>.snapshot`. `check` is given
    /// every entry, vote and mark; what it finds wrong, or what is not as it was written, is set
    /// aside.
    pub fn open_kept(
        folder: &Path,
        name: &str,
        keep: Keep,
        check: impl Fn(&[u8]) -> io::Result<()>,
    ) -> Result<JournalLog, OpenError> {
        let path = folder.join(format!("{name}.log"));
        let opening = Opening {
            path: &path,
            name,
            keep,
        };
        let opened = match opening.open(&check) {
            Ok(opened) => opened,
            Err(Trouble::InUse) => return Err(OpenError::InUse(path)),
            Err(Trouble::Io(source)) => return Err(OpenError::Io { path, source }),
            Err(Trouble::Damaged(reason)) => return Err(set_aside(&path, reason)),
            Err(Trouble::Newer(reason)) => return Err(OpenError::Newer { path, reason }),
        };
        let snapshot = SnapshotFile::new(folder.join(format!("{name}.snapshot")));
        snapshot.check(check)?;
        let (queue, waiting) = sync_channel(QUEUE);
        let run = opened.run;
        let writer = std::thread::Builder::new()
            .name(format!("{name}-log"))
            .spawn(move || run(&waiting));
        let failed = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        Ok(JournalLog {
            writer: Some(writer.map_err(failed)?),
            folder: path,
            shared: opened.shared,
            queue: Some(queue),
            snapshot: Arc::new(Mutex::new(snapshot)),
            flushes: opened.flushes,
            deferred: opened.deferred,
            _lock: opened.lock,
        })
    }
}

impl std::fmt::Debug for JournalLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JournalLog({})", self.folder.display())
    }
}

impl Drop for JournalLog {
    /// The writer finishes what it was given, so that the files are free when the log is gone.
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

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::InvalidData => Trouble::Damaged(error.to_string()),
            io::ErrorKind::Unsupported => Trouble::Newer(error.to_string()),
            _ => Trouble::Io(error),
        }
    }
}

struct Opened {
    shared: Arc<Shared>,
    flushes: Arc<FlushTimes>,
    run: Box<dyn FnOnce(&Waiting) + Send>,
    deferred: Option<(Arc<Behind>, BootMark)>,
    lock: File,
}

/// One log on its way to be opened.
struct Opening<'a> {
    /// Of its folder.
    path: &'a Path,
    name: &'a str,
    keep: Keep,
}

impl Opening<'_> {
    fn open(&self, check: &dyn Fn(&[u8]) -> io::Result<()>) -> Result<Opened, Trouble> {
        let mark = BootMark::beside(self.path);
        // Without a log a mark is what was left when its log was set aside.
        let past = match self.path.exists() {
            true => mark.past()?,
            false => Past::Synced,
        };
        if past == Past::MachineDied && self.keep.others_vote {
            // It may open as a log that once was, and have forgotten a vote or an entry since.
            let reason = "the machine went down while the log waited for the disk";
            return Err(Trouble::Damaged(reason.to_owned()));
        }
        if !self.path.exists() {
            self.create()?;
        }
        if !self.path.is_dir() {
            let reason = "it is a file, not a folder with segments";
            return Err(Trouble::Damaged(reason.to_owned()));
        }
        let lock = self.lock()?;
        let trust = match past {
            Past::MachineDied => Trust::Doubtful,
            Past::Synced | Past::ProcessDied => Trust::Synced,
        };
        let mut replayed = replay(self.path, trust, check)?;
        let disk = replayed.mend(self.path)?;
        let flushes = disk.flushes();
        if past == Past::MachineDied {
            let log = self.path.display();
            tracing::warn!(%log, "machine went down, the last moments of the log may be missing");
        }
        let shared = Arc::new(Shared::new(replayed.contents));
        let (run, deferred) = self.writer(disk, shared.clone(), replayed.tail, mark)?;
        Ok(Opened {
            shared,
            flushes,
            run,
            deferred,
            lock,
        })
    }

    #[expect(
        clippy::type_complexity,
        reason = "what a thread runs, and what tells of it"
    )]
    fn writer(
        &self,
        disk: Folder,
        shared: Arc<Shared>,
        tail: Tail,
        mark: BootMark,
    ) -> io::Result<(
        Box<dyn FnOnce(&Waiting) + Send>,
        Option<(Arc<Behind>, BootMark)>,
    )> {
        if self.keep.durability == Durability::Disk {
            mark.remove()?;
            let writer = Writer::new(disk, shared, tail);
            return Ok((Box::new(move |waiting| writer.run(waiting)), None));
        }
        let disk = Deferred::new(disk, self.name)?;
        let behind = disk.behind();
        mark.set()?;
        behind.begin();
        let writer = Writer::new(disk, shared, tail);
        let run = Box::new(move |waiting: &Waiting| writer.run(waiting));
        Ok((run, Some((behind, mark))))
    }

    /// An empty one, which is there with its first segment or not at all.
    fn create(&self) -> io::Result<()> {
        let beside = self.path.with_extension("log.new");
        if beside.exists() {
            fs::remove_dir_all(&beside)?;
        }
        fs::create_dir(&beside)?;
        let mut tail = Tail::begin(salt()?);
        let bytes = tail.next_segment(&Contents::default())?;
        disk::create_whole(&beside, tail.newest(), &bytes)?;
        fs::rename(&beside, self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    fn lock(&self) -> Result<File, Trouble> {
        let lock = File::create(self.path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(Trouble::InUse),
            Err(TryLockError::Error(error)) => Err(Trouble::Io(error)),
        }
    }
}

/// Of the kernel's random numbers: nothing depends on it but that nobody outside knows it.
fn salt() -> io::Result<u64> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

impl LogStore for JournalLog {
    fn bounds(&self) -> io::Result<LogBounds> {
        let (vote, purged, last) = {
            let contents = self.shared.contents();
            let (vote, purged) = (contents.vote.clone(), contents.purged.clone());
            (vote, purged, contents.last())
        };
        let last = self.read_places(last.as_slice())?.pop();
        Ok(LogBounds {
            vote,
            purged,
            last_entry: last,
        })
    }

    fn read(&self, from: u64, to: u64) -> io::Result<Vec<Bytes>> {
        loop {
            let places = self.shared.contents().places(from, to);
            match self.read_places(&places) {
                // They were purged meanwhile.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && self.shared.contents().places(from, to) != places => {}
                read => return read,
            }
        }
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
        LogFigures {
            unsynced: behind.unwrap_or_default(),
            disk_bytes: self.shared.disk_bytes.load(Ordering::Relaxed),
            flushes: self.flushes.histogram(),
        }
    }
}

impl JournalLog {
    fn read_places(&self, places: &[Place]) -> io::Result<Vec<Bytes>> {
        let mut opened: Option<(u64, File)> = None;
        let mut found = Vec::with_capacity(places.len());
        for place in places {
            let file = match opened.take() {
                Some((segment, file)) if segment == place.segment => file,
                _ => File::open(disk::path(&self.folder, place.segment))?,
            };
            let mut bytes = vec![0; place.length as usize];
            file.read_exact_at(&mut bytes, place.offset)?;
            found.push(bytes.into());
            opened = Some((place.segment, file));
        }
        Ok(found)
    }
}

#[cfg(test)]
#[path = "journal/journal_test.rs"]
mod tests;

#[cfg(test)]
#[path = "journal/power_cut_test.rs"]
mod power_cut_test;
