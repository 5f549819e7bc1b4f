//! Cold rows of a node, by key: a narrow trait with two makes. Rows follow from a group's log, and
//! the index up to which they do is kept with them; writing a row again changes nothing.

mod memory;
mod sled;

use std::io;

use bytes::Bytes;

pub use self::memory::MemoryTables;
pub use self::sled::SledTables;

/// One change of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableWrite {
    Put { key: u64, value: Bytes },
    Delete { key: u64 },
}

/// The rows of one group on one node.
pub trait Tables: Send + Sync + 'static {
    /// Applies changes in order, atomically together with the log index that they follow from.
    /// Survives the death of the process once the operating system has it; [`Tables::sync`] makes
    /// it survive a power cut.
    fn write(&self, writes: &[TableWrite], applied: u64) -> io::Result<()>;

    /// Rows that came with a snapshot of another replica: as [`Tables::write`], but the index
    /// stays.
    fn put(&self, writes: &[TableWrite]) -> io::Result<()>;

    fn read(&self, key: u64) -> io::Result<Option<Bytes>>;

    /// All keys, in order.
    fn keys(&self) -> io::Result<Vec<u64>>;

    /// Everything written so far is on the disk for certain when this returns. The log may be
    /// purged up to here only.
    fn sync(&self) -> io::Result<()>;

    /// Bytes on the disk, those of rows that are gone and not yet collected included.
    fn disk_bytes(&self) -> io::Result<u64> {
        Ok(0)
    }
}
