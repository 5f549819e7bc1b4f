//! The data folder: there, ours to write, on a disk that keeps what is given to it, with room.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pollux_domain::figures;
use pollux_store::damage;

use super::report::Finding;
use super::running::Running;

const CHECK: &str = "data folder";
/// Below, a snapshot beside its log may find no room.
const FREE_BYTES_MIN: u64 = 256 * 1024 * 1024;
/// Below, it is time to look for more: the log's segments, a snapshot, and its successor.
const FREE_BYTES_LOW: u64 = 2 * 1024 * 1024 * 1024;

pub fn look(folder: &Path, running: Option<&Running>) -> Vec<Finding> {
    let mut findings = vec![writable(folder)];
    // What is not there yet will be where the next folder above it is.
    let there = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = there.ancestors().find(|path| path.exists());
    if let Some(there) = there.and_then(|path| fs::canonicalize(path).ok()) {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        findings.push(kept(file_system(&mounts, &there)));
        if let Ok(space) = rustix::fs::statvfs(&there) {
            findings.push(room(space.f_bavail.saturating_mul(space.f_frsize)));
        }
    }
    // A node that runs has decided, or would not run.
    if running.is_none()
        && let Ok(damaged) = damage::undecided(folder)
        && !damaged.is_empty()
    {
        findings.push(undecided(&damaged));
    }
    findings
}

/// Written and removed again: permissions say less than an attempt.
fn writable(folder: &Path) -> Finding {
    let shown = folder.display();
    if !folder.exists() {
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let above = absolute.ancestors().find(|path| path.exists());
        let above = above.unwrap_or(Path::new("/"));
        return match attempt(above) {
            Ok(()) => Finding::passed(CHECK, format!("{shown} is made at the first start")),
            Err(error) => {
                let finding = format!("{shown} is not there and cannot be made: {error}");
                let advice = format!(
                    "as root: install --directory --mode 700 --owner USER {}",
                    absolute.display()
                );
                Finding::failed(CHECK, finding, advice)
            }
        };
    }
    if !folder.is_dir() {
        let advice = "write another folder as node.data_folder";
        return Finding::failed(CHECK, format!("{shown} is not a folder"), advice);
    }
    match attempt(folder) {
        Ok(()) => Finding::passed(CHECK, format!("{shown} can be written")),
        Err(error) => {
            let advice = format!("run the node as its owner, or as root: chown -R USER {shown}");
            Finding::failed(CHECK, format!("{shown} cannot be written: {error}"), advice)
        }
    }
}

fn attempt(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".check-{}", std::process::id()));
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(&path)
}

/// The type of the file system on which a path lies (proc_pid_mountinfo(5)): the deepest mount that
/// is above it, the last of those at one place.
fn file_system<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split_whitespace().nth(4)?;
        let point = PathBuf::from(point.replace("\\040", " "));
        let kind = after.split_whitespace().next()?;
        path.starts_with(&point)
            .then_some((point.components().count(), kind))
    });
    let deepest = mounts.max_by_key(|(depth, _)| *depth);
    deepest.map(|(_, kind)| kind)
}

fn kept(file_system: Option<&str>) -> Finding {
    let advice = "write a folder on a local disk as node.data_folder";
    let Some(kind) = file_system else {
        let finding = "the kernel does not say on what file system it lies";
        return Finding::warned(CHECK, finding, advice);
    };
    let network = [
        "nfs",
        "cifs",
        "smb",
        "9p",
        "ceph",
        "afs",
        "glusterfs",
        "lustre",
    ];
    if ["tmpfs", "ramfs"].contains(&kind) {
        let finding = format!("it lies on {kind}, in memory: what was acknowledged goes with it");
        return Finding::failed(CHECK, finding, advice);
    }
    if network.iter().any(|begin| kind.starts_with(begin)) || kind.starts_with("fuse.") {
        let finding = format!(
            "it lies on {kind}: what the log has flushed may not be on a disk, and each flush waits"
        );
        return Finding::failed(CHECK, finding, advice);
    }
    if kind == "overlay" {
        let finding = "it lies on overlay, a container's own layer, which goes with the container";
        return Finding::warned(CHECK, finding, "mount a volume there");
    }
    Finding::passed(CHECK, format!("it lies on {kind}"))
}

fn room(free: u64) -> Finding {
    let finding = format!("{} are free", figures::size(free));
    let advice = "make room, or move the folder while the node is stopped; at a full disk the node \
                  stops taking anything";
    if free < FREE_BYTES_MIN {
        return Finding::failed(CHECK, finding, advice);
    }
    if free < FREE_BYTES_LOW {
        return Finding::warned(CHECK, finding, advice);
    }
    Finding::passed(CHECK, finding)
}

fn undecided(files: &[PathBuf]) -> Finding {
    let names: Vec<String> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let finding = format!("files were set aside as damaged: {}", names.join(", "));
    let advice = "docs/refusals.md, \"Files of the node\", says what to do";
    Finding::failed(CHECK, finding, advice)
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn the_deepest_mount_counts() {
        let mounts = "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n\
             23 22 0:20 / /run rw shared:5 - tmpfs tmpfs rw\n\
             24 22 254:2 / /var/lib rw shared:7 master:1 - xfs /dev/vdb rw\n\
             25 22 0:40 / /mnt/a\\040b rw - nfs4 host:/export rw\n\
             26 24 0:41 / /var/lib rw - tmpfs tmpfs rw\n";
        for (path, expected) in [
            ("/var/lib/pollux", "tmpfs"),
            ("/var/libx", "ext4"),
            ("/run/pollux", "tmpfs"),
            ("/mnt/a b/c", "nfs4"),
            ("/", "ext4"),
        ] {
            assert_eq!(
                file_system(mounts, Path::new(path)),
                Some(expected),
                "{path}"
            );
        }
        assert_eq!(file_system("", Path::new("/")), None);
    }

    #[test]
    fn disks_that_keep_and_others() {
        for (kind, expected) in [
            ("ext4", Verdict::Passed),
            ("xfs", Verdict::Passed),
            ("tmpfs", Verdict::Failed),
            ("nfs4", Verdict::Failed),
            ("fuse.sshfs", Verdict::Failed),
            ("overlay", Verdict::Warned),
        ] {
            assert_eq!(kept(Some(kind)).result, expected, "{kind}");
        }
        assert_eq!(kept(None).result, Verdict::Warned);
    }

    #[test]
    fn room_is_warned_of_before_there_is_none() {
        assert_eq!(room(FREE_BYTES_MIN - 1).result, Verdict::Failed);
        assert_eq!(room(FREE_BYTES_LOW - 1).result, Verdict::Warned);
        assert_eq!(room(FREE_BYTES_LOW).result, Verdict::Passed);
    }

    #[test]
    fn folders_that_are_there_or_may_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let there = writable(folder.path());
        assert_eq!(there.result, Verdict::Passed);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            0,
            "left as it was"
        );
        let deep = writable(&folder.path().join("a/b"));
        assert!(deep.finding.contains("first start"), "{deep:?}");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(writable(&file).result, Verdict::Failed);
        assert_eq!(writable(&file.join("below")).result, Verdict::Failed);
    }

    #[test]
    fn what_was_set_aside_waits_for_a_decision() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pair.log.damaged-1"), "").unwrap();
        let findings = look(folder.path(), None);
        let last = findings.last().unwrap();
        assert_eq!(last.result, Verdict::Failed);
        assert!(last.finding.contains("pair.log.damaged-1"), "{last:?}");
    }
}
