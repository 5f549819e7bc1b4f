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
}

impl SnapshotFile {
    pub(super) fn new(path: PathBuf) -> SnapshotFile {
        SnapshotFile { path }
    }

    /// Sets a damaged snapshot aside.
    pub(super) fn check(&self, check: impl Fn(&[u8]) -> io::Result<()>) -> Result<(), OpenError> {
        match self.read() {
            Ok(None) => Ok(()),
            Ok(Some(bytes)) => {
                check(&bytes).map_err(|error| set_aside(&self.path, error.to_string()))
            }
            Err(source) => Err(OpenError::Io {
                path: self.path.clone(),
                source,
            }),
        }
    }

    pub(super) fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".new");
        let beside = PathBuf::from(name);
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
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
