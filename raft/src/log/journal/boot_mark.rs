//! A file beside a log that says: since this boot of the machine the log is written without waiting
//! for the disk (decision 0027). Where it is of an earlier boot, the machine went down meanwhile.
//! Not for the log itself.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What the kernel calls its present life.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// See the module.
#[derive(Debug)]
pub(super) struct BootMark {
    path: PathBuf,
}

/// What a log's mark says of its past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Past {
    /// Everything that was written was on the disk before it counted, or was settled at the end.
    Synced,
    /// A process ended without settling; the operating system has all that it wrote.
    ProcessDied,
    /// The operating system ended too: what was written last may be gone.
    MachineDied,
}

impl BootMark {
    pub(super) fn beside(log: &Path) -> BootMark {
        let mut name = log.as_os_str().to_owned();
        name.push(".unsynced");
        BootMark {
            path: PathBuf::from(name),
        }
    }

    pub(super) fn past(&self) -> io::Result<Past> {
        let marked = match fs::read_to_string(&self.path) {
            Ok(marked) => marked,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Past::Synced),
            Err(error) => return Err(error),
        };
        match marked == fs::read_to_string(BOOT_ID)? {
            true => Ok(Past::ProcessDied),
            false => Ok(Past::MachineDied),
        }
    }

    /// Of this boot, and on the disk when this returns. One that is cut short by a power cut is of
    /// no boot at all, and so of an earlier one.
    pub(super) fn set(&self) -> io::Result<()> {
        let boot = fs::read_to_string(BOOT_ID)?;
        let mut file = File::create(&self.path)?;
        file.write_all(boot.as_bytes())?;
        file.sync_all()?;
        self.sync_folder()
    }

    /// Gone from the disk when this returns.
    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Ok(()) => self.sync_folder(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn sync_folder(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_tells_a_dead_process_from_a_dead_machine() {
        let folder = tempfile::tempdir().unwrap();
        let mark = BootMark::beside(&folder.path().join("g.log"));
        assert_eq!(mark.past().unwrap(), Past::Synced);
        mark.set().unwrap();
        assert_eq!(mark.past().unwrap(), Past::ProcessDied);
        // An earlier boot, half a mark, and none of what was to be written.
        let whole = fs::read_to_string(&mark.path).unwrap();
        for other in ["another\n", &whole[..20], ""] {
            fs::write(&mark.path, other).unwrap();
            assert_eq!(mark.past().unwrap(), Past::MachineDied, "{other:?}");
        }
        for _twice in 0..2 {
            mark.remove().unwrap();
            assert_eq!(mark.past().unwrap(), Past::Synced);
        }
    }
}
