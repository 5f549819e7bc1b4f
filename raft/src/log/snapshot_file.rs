//! The snapshot of one group as a file: written beside, flushed, renamed. What it says is not known
//! here.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use bytes::Bytes;
use pollux_store::damage::{OpenError, set_aside};

/// The file's name; the file may not exist yet.
#[derive(Debug)]
pub(super) struct SnapshotFile {
    path: PathBuf,
    /// Up to which index the newest is that was written here.
    written: u64,
}

impl SnapshotFile {
    pub(super) fn new(path: PathBuf) -> SnapshotFile {
        SnapshotFile { path, written: 0 }
    }

    /// Sets a damaged snapshot aside; half of one, which an earlier process was writing when it
    /// died, goes.
    pub(super) fn check(&self, check: impl Fn(&[u8]) -> io::Result<()>) -> Result<(), OpenError> {
        let failed = |source| OpenError::Io {
            path: self.path.clone(),
            source,
        };
        match fs::remove_file(self.beside()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let Some(bytes) = self.read().map_err(failed)? else {
            return Ok(());
        };
        check(&bytes).map_err(|error| match error.kind() {
            io::ErrorKind::Unsupported => OpenError::Newer {
                path: self.path.clone(),
                reason: error.to_string(),
            },
            _ => set_aside(&self.path, error.to_string()),
        })
    }

    /// Where the next one is written before it is whole.
    fn beside(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".new");
        PathBuf::from(name)
    }

    /// Leaves a newer one where it is.
    pub(super) fn replace(&mut self, index: u64, bytes: &[u8]) -> io::Result<()> {
        if index < self.written {
            return Ok(());
        }
        let beside = self.beside();
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        self.written = index;
        Ok(())
    }

    pub(super) fn read(&self) -> io::Result<Option<Bytes>> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
