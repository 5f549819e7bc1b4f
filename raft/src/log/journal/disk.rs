//! Where a journal's segments are written: files of a folder. A seam, so that tests can hold, break
//! and cut a disk. Not for what is written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::log::flushes::FlushTimes;

/// The newest segment is written to; earlier ones only go.
pub(super) trait Disk: Send + Sync + 'static {
    /// A new segment, from now on the newest. It has these bytes for certain, or is not there.
    fn create(&self, number: u64, bytes: &[u8]) -> io::Result<()>;

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// The newest segment gets longer, by zeros.
    fn grow(&self, from: u64, to: u64) -> io::Result<()>;

    /// What was written to the newest segment is on the disk when this returns.
    fn sync(&self) -> io::Result<()>;

    fn remove(&self, number: u64) -> io::Result<()>;
}

/// Of one segment.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.segment"))
}

/// The numbers of all segments in a folder, in order. Half a segment, which an earlier process was
/// making when it died, goes.
pub(super) fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.ends_with(".new") {
            fs::remove_file(folder.join(name))?;
        } else if let Some(number) = name.strip_suffix(".segment") {
            let unknown = || {
                let what = format!("{name} is no segment");
                io::Error::new(io::ErrorKind::InvalidData, what)
            };
            numbers.push(number.parse().map_err(|_| unknown())?);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// See the module.
#[derive(Debug)]
pub(super) struct Folder {
    folder: PathBuf,
    newest: Mutex<Arc<File>>,
    flushes: Arc<FlushTimes>,
}

impl Folder {
    /// With a newest segment, which is there.
    pub(super) fn open(folder: &Path, newest: u64) -> io::Result<Folder> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(path(folder, newest))?;
        Ok(Folder {
            folder: folder.to_owned(),
            newest: Mutex::new(Arc::new(file)),
            flushes: Arc::default(),
        })
    }

    pub(super) fn flushes(&self) -> Arc<FlushTimes> {
        self.flushes.clone()
    }

    fn newest(&self) -> Arc<File> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.clone()
    }
}

/// A file that is there with all its bytes, or not at all.
pub(super) fn create_whole(folder: &Path, number: u64, bytes: &[u8]) -> io::Result<File> {
    let path = path(folder, number);
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, &path)?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

impl Disk for Folder {
    fn create(&self, number: u64, bytes: &[u8]) -> io::Result<()> {
        let file = create_whole(&self.folder, number, bytes)?;
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = Arc::new(file);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.newest().write_all_at(bytes, offset)
    }

    fn grow(&self, from: u64, to: u64) -> io::Result<()> {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        let newest = self.newest();
        // The length is never anything between, whenever the process ends.
        newest.set_len(to)?;
        let mut at = from;
        while at < to {
            let length = (to - at).min(ZEROS.len() as u64);
            newest.write_all_at(&ZEROS[..length as usize], at)?;
            at += length;
        }
        Ok(())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "how long the disk takes is shown to a monitor only"
    )]
    fn sync(&self) -> io::Result<()> {
        let begun = Instant::now();
        let synced = self.newest().sync_data();
        self.flushes.note(begun.elapsed());
        synced
    }

    fn remove(&self, number: u64) -> io::Result<()> {
        fs::remove_file(path(&self.folder, number))
    }
}
