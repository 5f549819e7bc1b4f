//! How often a node was started: a number that never comes twice, so that what an earlier process
//! said is told apart from what this one says.

use std::fs;
use std::io;
use std::path::Path;

use pollux_links::secret_file;

const FILE: &str = "starts";

/// Whether there was a start.
pub fn is_counted(data_folder: &Path) -> bool {
    data_folder.join(FILE).exists()
}

/// Counts one start. On disk before it returns.
pub fn next(data_folder: &Path) -> io::Result<u32> {
    let path = data_folder.join(FILE);
    let before: u32 = match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| {
            let text = format!("{} does not hold a number", path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let now = before + 1;
    secret_file::write(&path, format!("{now}\n").as_bytes())?;
    Ok(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_has_a_greater_number() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_counted(folder.path()));
        for want in 1..4 {
            assert_eq!(next(folder.path()).unwrap(), want);
            assert!(is_counted(folder.path()));
        }
        fs::write(folder.path().join(FILE), "many").unwrap();
        assert!(next(folder.path()).is_err());
    }
}
