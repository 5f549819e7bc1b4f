//! Which services of a node its operator has stopped: a file of its folder, so that they stay
//! stopped when the node is started again, and whoever looks at the folder sees why. In the folder
//! and not in the configuration: a node that reaches nobody obeys its operator, too.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pollux_domain::services::Service;

const NAME: &str = "stopped-services";

/// See the module.
pub struct Stopped {
    path: PathBuf,
    services: Mutex<BTreeSet<Service>>,
}

impl Stopped {
    /// What the folder says: one name a line. No file: none is stopped.
    pub fn read(folder: &Path) -> io::Result<Stopped> {
        let path = folder.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let services = text.lines().map(|name| {
            Service::parse(name.trim()).map_err(|error| {
                let text = format!("{}: {error}; remove the line", path.display());
                io::Error::new(io::ErrorKind::InvalidData, text)
            })
        });
        Ok(Stopped {
            services: Mutex::new(services.collect::<io::Result<_>>()?),
            path,
        })
    }

    pub fn contains(&self, service: Service) -> bool {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.contains(&service)
    }

    /// It is on the disk when this returns. A file with nothing in it is removed, so that a disk
    /// that is full stops nobody from starting what is stopped.
    pub fn set(&self, service: Service, is_stopped: bool) -> io::Result<()> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = services.clone();
        match is_stopped {
            true => wanted.insert(service),
            false => wanted.remove(&service),
        };
        if wanted == *services {
            return Ok(());
        }
        self.write(&wanted)?;
        *services = wanted;
        Ok(())
    }

    fn write(&self, services: &BTreeSet<Service>) -> io::Result<()> {
        if services.is_empty() {
            fs::remove_file(&self.path)?;
        } else {
            let new = self.path.with_extension("new");
            let mut file = File::create(&new)?;
            for service in services {
                writeln!(file, "{service}")?;
            }
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
        }
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stopped_stays_so_until_it_is_started() {
        let folder = tempfile::tempdir().unwrap();
        let stopped = Stopped::read(folder.path()).unwrap();
        stopped.set(Service::Links, true).unwrap();
        stopped.set(Service::Clients, true).unwrap();
        stopped.set(Service::Links, false).unwrap();
        let again = Stopped::read(folder.path()).unwrap();
        assert!(again.contains(Service::Clients) && !again.contains(Service::Links));
        let text = fs::read_to_string(folder.path().join(NAME)).unwrap();
        assert_eq!(text, "clients\n");
        again.set(Service::Clients, false).unwrap();
        assert!(!folder.path().join(NAME).exists());
        assert!(
            !Stopped::read(folder.path())
                .unwrap()
                .contains(Service::Clients)
        );
    }

    #[test]
    fn a_file_that_cannot_be_used_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "clients\nsip\n").unwrap();
        let error = Stopped::read(folder.path()).err().unwrap().to_string();
        assert!(
            error.contains("no service 'sip'") && error.ends_with("remove the line"),
            "{error}"
        );
    }
}
