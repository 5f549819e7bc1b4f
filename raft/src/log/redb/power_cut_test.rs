//! What a power cut may leave of a log that is written without waiting for the disk: any of the
//! sectors since the last sync, in any order. It opens as a state that once was, or as damaged, and
//! is never anything else.

use std::fs;

use ::redb::StorageBackend;
use bytes::Bytes;

use super::*;

const SECTOR: usize = 512;
/// Entries of one commit; each commit votes too.
const ENTRIES_EACH: u64 = 3;

/// A file as the operating system has it, with what the disk has of it for certain.
#[derive(Debug, Default)]
struct Contents {
    memory: Vec<u8>,
    disk: Vec<u8>,
    /// Since the disk was synced.
    writes: Vec<(usize, Vec<u8>)>,
}

/// A file whose `sync_data` does nothing: the test syncs.
#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<Contents>>);

impl StorageBackend for Recorder {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().memory.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = offset as usize;
        out.copy_from_slice(&self.0.lock().unwrap().memory[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().memory.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut contents = self.0.lock().unwrap();
        let offset = offset as usize;
        contents.memory[offset..offset + data.len()].copy_from_slice(data);
        contents.writes.push((offset, data.to_vec()));
        Ok(())
    }
}

impl Recorder {
    fn really_sync(&self) {
        let mut contents = self.0.lock().unwrap();
        contents.disk = contents.memory.clone();
        contents.writes.clear();
    }

    /// The disk after a power cut, which took some sectors and left others.
    fn image(&self, next: &mut impl FnMut() -> u64) -> Vec<u8> {
        let contents = self.0.lock().unwrap();
        let mut image = contents.disk.clone();
        image.resize(contents.memory.len(), 0);
        // From nearly nothing to nearly everything.
        let odds = next() % 101;
        for (offset, data) in &contents.writes {
            for (number, sector) in data.chunks(SECTOR).enumerate() {
                if next() % 100 < odds {
                    let at = offset + number * SECTOR;
                    image[at..at + sector.len()].copy_from_slice(sector);
                }
            }
        }
        image
    }
}

fn numbers(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

fn record(number: u64) -> Bytes {
    Bytes::from(number.to_le_bytes().repeat(40))
}

/// A vote and some entries, all of them telling which commit it is.
fn commit(database: &Database, number: u64) {
    let first = (number - 1) * ENTRIES_EACH + 1;
    let entries = (first..first + ENTRIES_EACH).map(|index| (index, record(index)));
    let mut writes = vec![LogWrite::Vote(record(number))];
    writes.push(LogWrite::Append(entries.collect()));
    // A new leader's entries in place of others, and a purge of all before them.
    if number.is_multiple_of(7) {
        writes.insert(0, LogWrite::Truncate { from: first });
        let mark = record(number);
        let through = first - 1;
        writes.push(LogWrite::Purge { through, mark });
    }
    write_batch(database, &writes).unwrap();
}

/// Which commit the log shows, all of it.
fn shown(log: &RedbLog) -> u64 {
    let bounds = log.bounds().unwrap();
    let vote = bounds.vote.expect("the first commit was synced");
    let number = u64::from_le_bytes(vote[..8].try_into().unwrap());
    assert_eq!(vote, record(number));
    let last = number * ENTRIES_EACH;
    assert_eq!(bounds.last_entry.unwrap(), record(last));
    // What the last purge left.
    let first = (number / 7 * 7).saturating_sub(1) * ENTRIES_EACH + 1;
    let entries = log.read(0, last + 100).unwrap();
    let expected: Vec<Bytes> = (first..=last).map(record).collect();
    assert_eq!(entries, expected, "commit {number}");
    number
}

#[test]
fn a_torn_log_is_a_state_that_was_or_a_damaged_one() {
    let (mut whole, mut older, mut damaged) = (0, 0, 0);
    for seed in 0..300 {
        let mut next = numbers(seed);
        let file = Recorder::default();
        let database = Builder::new().create_with_backend(file.clone()).unwrap();
        prepare_tables(&database).ok().unwrap();
        // The two commits before the last are in the file.
        let synced = 2 + next() % 12;
        let written = synced + next() % 6;
        for number in 1..=written {
            commit(&database, number);
            if number == synced {
                file.really_sync();
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.log");
        fs::write(&path, file.image(&mut next)).unwrap();
        fs::write(folder.path().join("g.log.unsynced"), "another boot\n").unwrap();
        match RedbLog::open(folder.path(), "g", |_| Ok(())) {
            Err(OpenError::Damaged { aside, .. }) => {
                assert!(aside.exists() && !path.exists());
                damaged += 1;
            }
            Ok(log) => match shown(&log) {
                number if number == written => whole += 1,
                number => {
                    // Pages of the synced commit may be overwritten: then the one before it shows.
                    assert!(synced <= number + 1, "seed {seed}: {number} of {synced}");
                    older += 1;
                }
            },
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    // Each of them comes: an older one opens cleanly, and only the mark says that it is older.
    assert!(
        0 < whole && 0 < older && 0 < damaged,
        "{whole} {older} {damaged}"
    );
}
