//! The files of what a node hosts for other subclusters: one folder for each name under which it
//! votes, and a record of the names that were used, so that a kill at any moment makes nobody vote
//! twice under one. Not for when it hosts: see `pollux_actors::hosting`.
//!
//! ```text
//!   <data folder>/hosted/record.json     2: begun 3, given up 2
//!                        2.3/            subcluster.log, subcluster.snapshot, tables
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pollux_actors::hosting::{Files, Shelf, ShelfError};
use pollux_domain::ids::{Incarnation, NodeId, SubclusterId, Voter};
use pollux_links::secret_file;
use pollux_raft::group::check_record;
use pollux_raft::log::{JournalLog, Keep};
use pollux_raft::machine::{Kind, Subcluster};
use pollux_store::damage::OpenError;
use pollux_store::tables::SledTables;
use serde::{Deserialize, Serialize};

/// Where they lie in the data folder.
const FOLDER: &str = "hosted";
const RECORD: &str = "record.json";
/// The form of the record.
const VERSION: u32 = 1;

/// Which names were used, by subcluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    version: u32,
    names: BTreeMap<SubclusterId, Names>,
}

/// The greatest incarnations in one subcluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Names {
    /// Has had a log: without it, what it has promised is not known any more.
    begun: Incarnation,
    /// Does not vote again.
    given_up: Incarnation,
}

/// See the module.
pub struct Hosted {
    folder: PathBuf,
    keep: Keep,
    /// One reads and writes the record at a time.
    turn: Mutex<()>,
}

impl Hosted {
    pub fn new(data_folder: &Path, keep: Keep) -> Hosted {
        Hosted {
            folder: data_folder.join(FOLDER),
            // A witness is never alone.
            keep: Keep {
                others_vote: true,
                ..keep
            },
            turn: Mutex::new(()),
        }
    }

    fn place(&self, subcluster: SubclusterId, incarnation: Incarnation) -> PathBuf {
        self.folder.join(format!("{subcluster}.{incarnation}"))
    }

    /// The folders that there are.
    fn places(&self) -> io::Result<Vec<(SubclusterId, Incarnation, PathBuf)>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut places = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let of = path.file_name().and_then(|name| {
                let (subcluster, incarnation) = name.to_str()?.split_once('.')?;
                let subcluster = SubclusterId(subcluster.parse().ok()?);
                Some((subcluster, Incarnation(incarnation.parse().ok()?)))
            });
            places.extend(of.map(|(subcluster, incarnation)| (subcluster, incarnation, path)));
        }
        Ok(places)
    }

    fn record(&self) -> io::Result<Record> {
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
        let path = self.folder.join(RECORD);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Record::default()),
            Err(error) => return Err(error),
        };
        let record: Record = serde_json::from_slice(&text)
            .map_err(|error| invalid(format!("{} does not read: {error}", path.display())))?;
        match record.version <= VERSION {
            true => Ok(record),
            false => Err(invalid(format!(
                "{} was written by a newer release; start that one again",
                path.display()
            ))),
        }
    }

    fn names(&self, subcluster: SubclusterId) -> io::Result<Names> {
        let record = self.record()?;
        Ok(record.names.get(&subcluster).copied().unwrap_or_default())
    }

    fn change(&self, subcluster: SubclusterId, change: impl FnOnce(&mut Names)) -> io::Result<()> {
        let before = self.record()?;
        let mut after = before.clone();
        after.version = VERSION;
        change(after.names.entry(subcluster).or_default());
        if before == after {
            return Ok(());
        }
        secret_file::write(
            &self.folder.join(RECORD),
            &serde_json::to_vec_pretty(&after)?,
        )
    }

    /// A log or a table that was damaged is no reason to stop: the others have all of it.
    fn opened<T>(
        &self,
        subcluster: SubclusterId,
        voter: Voter,
        opened: Result<T, OpenError>,
    ) -> Result<T, ShelfError> {
        match opened {
            Ok(opened) => Ok(opened),
            Err(error @ OpenError::Damaged { .. }) => {
                self.given_up(subcluster, voter)?;
                Err(ShelfError::Lost(error.to_string()))
            }
            Err(error) => Err(io::Error::other(error.to_string()).into()),
        }
    }

    fn given_up(&self, subcluster: SubclusterId, voter: Voter) -> io::Result<()> {
        self.change(subcluster, |names| {
            names.given_up = names.given_up.max(voter.incarnation);
        })
    }
}

impl Shelf for Hosted {
    fn open(&self, subcluster: SubclusterId, voter: Voter) -> Result<Files, ShelfError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        fs::create_dir_all(&self.folder)?;
        let names = self.names(subcluster)?;
        let incarnation = voter.incarnation;
        if incarnation <= names.given_up {
            let reason = format!("voter {voter} has left, or had lost its log");
            return Err(ShelfError::Lost(reason));
        }
        let place = self.place(subcluster, incarnation);
        let log = place.join(format!("{}.log", Subcluster::NAME));
        if incarnation <= names.begun && !log.exists() {
            self.given_up(subcluster, voter)?;
            return Err(ShelfError::Lost(format!("{} is gone", log.display())));
        }
        fs::create_dir_all(&place)?;
        let log = JournalLog::open_kept(&place, Subcluster::NAME, self.keep, check_record);
        let log = self.opened(subcluster, voter, log)?;
        let tables = self.opened(subcluster, voter, SledTables::open(&place.join("tables")))?;
        // Before it may vote: from here on a log that is missing is a lost one.
        fs::File::open(&self.folder)?.sync_all()?;
        self.change(subcluster, |names| {
            names.begun = names.begun.max(incarnation)
        })?;
        Ok(Files {
            log: Arc::new(log),
            tables: Arc::new(tables),
        })
    }

    fn give_up(&self, subcluster: SubclusterId, voter: Voter) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.given_up(subcluster, voter)
    }

    fn kept(&self, me: NodeId) -> io::Result<BTreeSet<(SubclusterId, Voter)>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let record = self.record()?;
        let places = self.places()?.into_iter();
        let kept = places.filter(|(subcluster, incarnation, _)| {
            let names = record.names.get(subcluster).copied().unwrap_or_default();
            names.given_up < *incarnation
        });
        let voters = kept.map(|(subcluster, incarnation, _)| {
            let node = me;
            (subcluster, Voter { node, incarnation })
        });
        Ok(voters.collect())
    }

    fn sweep(&self, open: &BTreeSet<(SubclusterId, Voter)>) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let record = self.record()?;
        for (subcluster, incarnation, path) in self.places()? {
            let names = record.names.get(&subcluster).copied().unwrap_or_default();
            let is_open = open
                .iter()
                .any(|(known, voter)| (*known, voter.incarnation) == (subcluster, incarnation));
            if incarnation <= names.given_up && !is_open {
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: SubclusterId = SubclusterId(2);

    fn voter(incarnation: u32) -> Voter {
        Voter {
            node: NodeId(1),
            incarnation: Incarnation(incarnation),
        }
    }

    fn shelf(folder: &Path) -> Hosted {
        Hosted::new(folder, Keep::default())
    }

    #[track_caller]
    fn is_lost(shelf: &Hosted, incarnation: u32) {
        let opened = shelf.open(PAIR, voter(incarnation)).err();
        assert!(matches!(opened, Some(ShelfError::Lost(_))), "{opened:?}");
    }

    fn kept(folder: &Path) -> Vec<(SubclusterId, Voter)> {
        let kept = shelf(folder).kept(NodeId(1)).unwrap();
        kept.into_iter().collect()
    }

    fn folders(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder.join(FOLDER)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != RECORD).collect();
        names.sort();
        names
    }

    #[test]
    fn a_name_that_was_given_up_votes_no_more_and_its_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let open = BTreeSet::from([(PAIR, voter(1))]);
        let files = shelf(folder.path()).open(PAIR, voter(1)).unwrap();
        shelf(folder.path()).give_up(PAIR, voter(1)).unwrap();
        shelf(folder.path()).sweep(&open).unwrap();
        assert_eq!(folders(folder.path()), ["2.1"], "in use");
        assert_eq!(kept(folder.path()), []);
        drop(files);
        // Cut off before the files went: the next start does the rest.
        is_lost(&shelf(folder.path()), 1);
        shelf(folder.path()).open(PAIR, voter(2)).unwrap();
        shelf(folder.path()).sweep(&BTreeSet::new()).unwrap();
        assert_eq!(folders(folder.path()), ["2.2"]);
        assert_eq!(kept(folder.path()), [(PAIR, voter(2))]);
        is_lost(&shelf(folder.path()), 1);
    }

    #[test]
    fn one_that_comes_back_has_its_log_or_another_name() {
        let folder = tempfile::tempdir().unwrap();
        drop(shelf(folder.path()).open(PAIR, voter(1)).unwrap());
        drop(shelf(folder.path()).open(PAIR, voter(1)).unwrap());
        fs::remove_dir_all(folder.path().join("hosted/2.1/subcluster.log")).unwrap();
        is_lost(&shelf(folder.path()), 1);
        // Also once an empty one stands there.
        fs::create_dir_all(folder.path().join("hosted/2.1/subcluster.log")).unwrap();
        is_lost(&shelf(folder.path()), 1);
        drop(shelf(folder.path()).open(PAIR, voter(2)).unwrap());
    }

    #[test]
    fn a_folder_that_was_made_and_never_used_is_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("hosted/2.1")).unwrap();
        drop(shelf(folder.path()).open(PAIR, voter(1)).unwrap());
    }

    #[test]
    fn a_damaged_log_is_a_lost_one_and_a_damaged_record_stops_all() {
        let folder = tempfile::tempdir().unwrap();
        drop(shelf(folder.path()).open(PAIR, voter(1)).unwrap());
        let log = folder.path().join("hosted/2.1/subcluster.log");
        fs::remove_dir_all(&log).unwrap();
        fs::write(&log, "x").unwrap();
        is_lost(&shelf(folder.path()), 1);
        fs::write(folder.path().join("hosted/record.json"), "{").unwrap();
        let opened = shelf(folder.path()).open(PAIR, voter(2)).err();
        assert!(matches!(opened, Some(ShelfError::Io(_))), "{opened:?}");
    }
}
