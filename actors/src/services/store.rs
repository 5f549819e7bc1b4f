//! Looks at the disk below a node: writes a record, syncs it, reads it, and asks what is free. Not
//! for what the groups write: a log that fails ends its node, and this is to come before that.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Doing, Driver};
use crate::placement::Placement;

/// A disk that takes longer for one record serves nobody; one that is slow for a moment, as when
/// another machine shares it, is well.
const LIMIT: Duration = Duration::from_secs(3);
/// So large that it is not put into a corner of what is allotted already.
const RECORD_BYTES: usize = 64 * 1024;
/// Below this the store is failed, while there is room for the logs and a snapshot until the users
/// are with the twin: at 1,000 stanzas of 1 KiB a second for the delay and some seconds more.
const FREE_BYTES_MIN: u64 = 32 * 1024 * 1024;
/// What is free is asked each time, a record written each so many times: each sync takes the disk's
/// time from the logs.
const WRITE_EVERY: u64 = 10;
const NAME: &str = "store-check";

/// See the module.
pub struct StoreProbe {
    path: PathBuf,
    placement: Arc<dyn Placement>,
    looks: AtomicU64,
    /// The last look has not ended.
    is_looking: Arc<AtomicBool>,
}

impl StoreProbe {
    /// `folder`: where the tables and the logs lie; looked at aside.
    pub fn new(folder: &Path, placement: Arc<dyn Placement>) -> StoreProbe {
        StoreProbe {
            path: folder.join(NAME),
            placement,
            looks: AtomicU64::new(0),
            is_looking: Arc::default(),
        }
    }

    async fn look(&self) -> Result<(), String> {
        if self.is_looking.swap(true, Ordering::AcqRel) {
            return Err("the disk has still not taken what was written before".to_owned());
        }
        let writes = self
            .looks
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(WRITE_EVERY);
        let (tell, told) = oneshot::channel();
        let (path, is_looking) = (self.path.clone(), self.is_looking.clone());
        let job = move || {
            let looked = look(&path, writes);
            is_looking.store(false, Ordering::Release);
            let _late = tell.send(looked);
        };
        self.placement.run_aside(Box::new(job));
        match tokio::time::timeout(LIMIT, told).await {
            Ok(Ok(looked)) => {
                if looked.is_err() {
                    // Until it is well a record is written each time.
                    self.looks.store(0, Ordering::Relaxed);
                }
                looked
            }
            // No thread could be started; the log has it.
            Ok(Err(_gone)) => {
                self.is_looking.store(false, Ordering::Release);
                Err("no thread could be started to look at the disk".to_owned())
            }
            Err(_late) => Err(format!(
                "the disk has not taken a record of {} KiB within {} s: look at its health, and at \
                 what else writes to it",
                RECORD_BYTES / 1024,
                LIMIT.as_secs()
            )),
        }
    }
}

impl Driver for StoreProbe {
    fn start(&self) -> Doing<'_, Result<(), String>> {
        self.check()
    }

    /// It cannot be stopped: nobody asks for it.
    fn stop(&self) -> Doing<'_, ()> {
        Box::pin(async {})
    }

    fn check(&self) -> Doing<'_, Result<(), String>> {
        Box::pin(self.look())
    }
}

fn look(path: &Path, writes: bool) -> Result<(), String> {
    let disk = path.parent().unwrap_or(path);
    let free = rustix::fs::statvfs(disk)
        .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
        .map_err(|error| format!("failed to ask what is free of the disk: {error}"))?;
    judge(free)?;
    if !writes {
        return Ok(());
    }
    write_and_read(path).map_err(|error| {
        let path = path.display();
        format!("failed to write and read {path}: {error}")
    })
}

fn judge(free: u64) -> Result<(), String> {
    if FREE_BYTES_MIN <= free {
        return Ok(());
    }
    const MIB: u64 = 1024 * 1024;
    Err(format!(
        "the disk of the data folder has {} MiB free, and {} are needed: remove what does not \
         belong to the node, or make the disk larger",
        free / MIB,
        FREE_BYTES_MIN / MIB
    ))
}

fn write_and_read(path: &Path) -> io::Result<()> {
    let written: Vec<u8> = (0..RECORD_BYTES).map(|at| (at * 31 % 251) as u8).collect();
    // Anew each time: what is allotted already takes bytes on a disk that is full.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::create_new(path)?;
    file.write_all(&written)?;
    file.sync_all()?;
    let mut read = Vec::new();
    File::open(path)?.read_to_end(&mut read)?;
    fs::remove_file(path)?;
    match read == written {
        true => Ok(()),
        false => Err(io::Error::other("it gives back something else")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_works_is_well_and_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        fs::write(&path, "of a process that was killed").unwrap();
        assert_eq!(look(&path, true), Ok(()));
        assert!(!path.exists());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_cure() {
        let gone = look(Path::new("/nonexistent/data/store-check"), false).unwrap_err();
        assert!(gone.contains("failed to ask what is free"), "{gone}");
        let full = judge(FREE_BYTES_MIN - 1).unwrap_err();
        assert!(full.starts_with("the disk of the data folder has 31 MiB free, and 32 are needed"));
        assert!(full.contains("make the disk larger"));
        assert_eq!(judge(FREE_BYTES_MIN), Ok(()));
        // Something stands where the record would.
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join(NAME);
        fs::create_dir(&taken).unwrap();
        let error = look(&taken, true).unwrap_err();
        assert!(error.contains("failed to write and read"), "{error}");
    }
}
