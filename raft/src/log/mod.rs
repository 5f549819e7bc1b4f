//! The log of one group on one node, as bytes: vote, entries, snapshot. One ordered writer; two
//! makes. What the bytes mean is not known here.

mod flushes;
mod journal;
mod memory;
mod snapshot_file;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::delivery::Durability;
use pollux_domain::metrics::Histogram;

pub use self::journal::JournalLog;
pub use self::memory::{MemoryLog, SimulatedDisk};

/// A change of the log. Changes are made in the order in which they are handed over.
#[derive(Debug)]
pub enum LogWrite {
    Vote(Bytes),
    /// Consecutive entries with their indexes.
    Append(Vec<(u64, Bytes)>),
    /// Entries from here on never were.
    Truncate {
        from: u64,
    },
    /// Entries up to here are in a snapshot; `mark` names the last of them.
    Purge {
        through: u64,
        mark: Bytes,
    },
}

/// Called once, when a change counts, or cannot: it is on the disk for certain, or where
/// [`Durability::Memory`] leaves it.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// Makes the bytes of a snapshot, away from the threads that serve.
pub type Encode = Box<dyn FnOnce() -> io::Result<Vec<u8>> + Send>;

/// What a log holds when it is opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogBounds {
    pub vote: Option<Bytes>,
    /// The mark of the last purge.
    pub purged: Option<Bytes>,
    pub last_entry: Option<Bytes>,
}

/// How a log is kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keep {
    /// What a write waits for before it counts.
    pub durability: Durability,
    /// Other voters have heard what this one voted for: a log that may have forgotten it is a
    /// damaged one.
    pub others_vote: bool,
}

/// What a log tells of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogFigures {
    /// The age of the oldest write that the disk may not have.
    pub unsynced: Duration,
    /// What it takes of the disk.
    pub disk_bytes: u64,
    /// How long its flushes took, in milliseconds.
    pub flushes: Histogram,
}

/// See the module. After a failed write every later one fails too: a disk that lied once is not
/// asked again.
pub trait LogStore: Send + Sync + 'static {
    fn bounds(&self) -> io::Result<LogBounds>;

    /// Entries `from..to`, as many as there are.
    fn read(&self, from: u64, to: u64) -> io::Result<Vec<Bytes>>;

    fn write(&self, write: LogWrite, done: Done);

    /// Replaces the snapshot, whole or not at all, by the one up to `index`. One that was begun
    /// earlier and ends later leaves a newer one where it is: the log may be purged up to that.
    fn save_snapshot(&self, index: u64, encode: Encode, done: Done);

    fn read_snapshot(&self) -> io::Result<Option<Bytes>>;

    /// Everything that counts is on the disk when this returns, and what is written later waits for
    /// the disk: the process is about to end.
    fn settle(&self) -> io::Result<()> {
        Ok(())
    }

    fn figures(&self) -> LogFigures {
        LogFigures::default()
    }
}
