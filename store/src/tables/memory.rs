//! Tables in memory, for the simulation: what was not synced is gone after a crash.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::{TableWrite, Tables};

/// A disk that outlives the simulated process.
#[derive(Debug, Default)]
pub struct MemoryTables {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rows: BTreeMap<u64, Bytes>,
    durable: BTreeMap<u64, Bytes>,
}

impl MemoryTables {
    /// The power goes: back to what was synced.
    pub fn crash(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.rows = inner.durable.clone();
    }
}

impl Tables for MemoryTables {
    fn write(&self, writes: &[TableWrite], _applied: u64) -> io::Result<()> {
        self.put(writes)
    }

    fn put(&self, writes: &[TableWrite]) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for write in writes {
            match write {
                TableWrite::Put { key, value } => inner.rows.insert(*key, value.clone()),
                TableWrite::Delete { key } => inner.rows.remove(key),
            };
        }
        Ok(())
    }

    fn read(&self, key: u64) -> io::Result<Option<Bytes>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(inner.rows.get(&key).cloned())
    }

    fn keys(&self) -> io::Result<Vec<u64>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(inner.rows.keys().copied().collect())
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.durable = inner.rows.clone();
        Ok(())
    }
}
