//! Tables in sled. Its own flush is `sync_file_range`, which a power cut does not respect: `sync`
//! adds an fsync.

use std::fmt;
use std::fs::File;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use pollux_domain::limits;

use super::{TableWrite, Tables};
use crate::damage::{OpenError, set_aside};

const APPLIED: &[u8] = b"applied";

/// One sled database: a tree of rows, and the applied index in it.
pub struct SledTables {
    database: ::sled::Db,
    /// The log file that holds what was flushed.
    file: PathBuf,
}

impl SledTables {
    /// Opens or creates the folder `path`. A damaged one is set aside.
    pub fn open(path: &Path) -> Result<SledTables, OpenError> {
        let config = ::sled::Config::new()
            .path(path)
            .cache_capacity(limits::TABLES_CACHE_BYTES)
            .mode(::sled::Mode::HighThroughput)
            .flush_every_ms(Some(500));
        let opened = std::panic::catch_unwind(AssertUnwindSafe(|| config.open()));
        let database = match opened {
            Ok(Ok(database)) => database,
            Ok(Err(::sled::Error::Io(source))) if is_lock(&source) => {
                return Err(OpenError::InUse(path.to_owned()));
            }
            Ok(Err(::sled::Error::Io(source))) if source.kind() != io::ErrorKind::InvalidData => {
                return Err(OpenError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
            Ok(Err(error)) => return Err(set_aside(path, error.to_string())),
            Err(_) => return Err(set_aside(path, "it could not be read")),
        };
        let tables = SledTables {
            database,
            file: path.join("db"),
        };
        tables
            .keys()
            .map_err(|error| set_aside(path, error.to_string()))?;
        Ok(tables)
    }
}

impl fmt::Debug for SledTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledTables")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

fn is_lock(error: &io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

fn batch(writes: &[TableWrite]) -> ::sled::Batch {
    let mut batch = ::sled::Batch::default();
    for write in writes {
        match write {
            TableWrite::Put { key, value } => batch.insert(&key.to_be_bytes(), value.as_ref()),
            TableWrite::Delete { key } => batch.remove(&key.to_be_bytes()),
        }
    }
    batch
}

impl Tables for SledTables {
    fn write(&self, writes: &[TableWrite], applied: u64) -> io::Result<()> {
        if writes.is_empty() {
            return Ok(());
        }
        let mut batch = batch(writes);
        batch.insert(APPLIED, &applied.to_be_bytes());
        self.database.apply_batch(batch)?;
        Ok(())
    }

    fn put(&self, writes: &[TableWrite]) -> io::Result<()> {
        self.database.apply_batch(batch(writes))?;
        Ok(())
    }

    fn read(&self, key: u64) -> io::Result<Option<Bytes>> {
        let row = self.database.get(key.to_be_bytes())?;
        Ok(row.map(|row| Bytes::copy_from_slice(&row)))
    }

    fn keys(&self) -> io::Result<Vec<u64>> {
        let mut keys = Vec::new();
        for key in self.database.iter().keys() {
            if let Ok(key) = <[u8; 8]>::try_from(key?.as_ref()) {
                keys.push(u64::from_be_bytes(key));
            }
        }
        Ok(keys)
    }

    fn sync(&self) -> io::Result<()> {
        self.database.flush()?;
        File::open(&self.file)?.sync_all()
    }

    fn disk_bytes(&self) -> io::Result<u64> {
        Ok(self.database.size_on_disk()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: u64, value: &'static str) -> TableWrite {
        TableWrite::Put {
            key,
            value: Bytes::from_static(value.as_bytes()),
        }
    }

    #[test]
    fn rows_stay_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tables");
        let tables = SledTables::open(&path).unwrap();
        tables
            .write(
                &[put(1, "a"), put(2, "b"), TableWrite::Delete { key: 1 }],
                7,
            )
            .unwrap();
        tables.sync().unwrap();
        drop(tables);
        let tables = SledTables::open(&path).unwrap();
        assert_eq!(tables.keys().unwrap(), [2]);
        assert_eq!(tables.read(2).unwrap().as_deref(), Some(&b"b"[..]));
        assert_eq!(tables.read(1).unwrap(), None);
    }

    #[test]
    fn what_the_rows_take_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let tables = SledTables::open(&folder.path().join("tables")).unwrap();
        let before = tables.disk_bytes().unwrap();
        let value = Bytes::from(vec![7; 64 * 1024]);
        for key in 0..64 {
            let value = value.clone();
            tables
                .write(&[TableWrite::Put { key, value }], key)
                .unwrap();
        }
        tables.sync().unwrap();
        let after = tables.disk_bytes().unwrap();
        assert!(before + 2 * 1024 * 1024 < after, "{before} {after}");
    }

    #[test]
    fn a_damaged_folder_is_set_aside_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tables");
        let tables = SledTables::open(&path).unwrap();
        for key in 0..500 {
            tables
                .write(&[put(key, "a row that takes some room on the disk")], key)
                .unwrap();
        }
        tables.sync().unwrap();
        drop(tables);
        let snapshot = std::fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        for file in snapshot.filter(|file| file.is_file()) {
            let length = std::fs::metadata(&file).unwrap().len() as usize;
            std::fs::write(&file, vec![0xa5; length]).unwrap();
        }
        let error = SledTables::open(&path).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        assert!(folder.path().join("tables.damaged-1").exists());
    }
}
