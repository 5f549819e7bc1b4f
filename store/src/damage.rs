//! Damaged files are moved aside under a name that says so, and the start stops there: nothing is
//! overwritten, and nobody begins with less than was acknowledged without having said so.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a file of the node could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    #[error("{} is damaged ({reason}); it was set aside as {}", .path.display(), .aside.display())]
    Damaged {
        path: PathBuf,
        aside: PathBuf,
        reason: String,
    },
    /// It is left where it is: nothing is wrong with it.
    #[error(
        "{} was written by a newer release ({reason}); it was left as it is. Start that release \
         again, or restore a backup of the data folder from before the upgrade", .path.display()
    )]
    Newer { path: PathBuf, reason: String },
    #[error("failed to open {}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Renames `path` to the first free `<path>.damaged-<n>` and says so as an error.
pub fn set_aside(path: &Path, reason: impl Into<String>) -> OpenError {
    let mut number = 1;
    let aside = loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{number}"));
        let candidate = PathBuf::from(name);
        if !candidate.exists() {
            break candidate;
        }
        number += 1;
    };
    match fs::rename(path, &aside) {
        Ok(()) => OpenError::Damaged {
            path: path.to_owned(),
            aside,
            reason: reason.into(),
        },
        Err(source) => OpenError::Io {
            path: path.to_owned(),
            source,
        },
    }
}

/// Files of this folder that were set aside and about which nothing was decided yet.
pub fn undecided(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.contains(".damaged-") && !name.ends_with(".accepted") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The operator accepts what is lost: the files stay, under a name that does not stop the start any
/// more.
pub fn accept(files: &[PathBuf]) -> io::Result<()> {
    for file in files {
        let mut name = file.as_os_str().to_owned();
        name.push(".accepted");
        fs::rename(file, PathBuf::from(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_set_aside_under_the_first_free_name_until_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for number in 1..=2 {
            fs::write(&path, "x").unwrap();
            let error = set_aside(&path, "bad").to_string();
            assert!(error.contains(&format!("log.damaged-{number}")), "{error}");
        }
        let files = undecided(folder.path()).unwrap();
        assert_eq!(files.len(), 2);
        accept(&files).unwrap();
        assert_eq!(undecided(folder.path()).unwrap(), Vec::<PathBuf>::new());
    }
}
