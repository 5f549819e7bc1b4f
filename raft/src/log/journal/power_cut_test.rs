//! What a power cut may leave of a journal: any of the sectors since the last sync, in any order.
//! It opens as a state that was there at the last sync or later, and is never anything else.

use std::collections::BTreeMap;
use std::fs;

use bytes::Bytes;

use super::*;

const SECTOR: usize = 512;
/// Entries of one commit; each commit votes too.
const ENTRIES_EACH: u64 = 3;

/// A segment as the operating system has it, with what the disk has of it for certain.
#[derive(Debug, Default)]
struct Content {
    memory: Vec<u8>,
    disk: Vec<u8>,
    /// Since the disk was synced.
    writes: Vec<(usize, Vec<u8>)>,
}

impl Content {
    fn sync(&mut self) {
        self.disk.clone_from(&self.memory);
        self.writes.clear();
    }

    /// After a power cut, which took some sectors and left others.
    fn image(&self, next: &mut impl FnMut() -> u64) -> Vec<u8> {
        let mut image = self.disk.clone();
        if next().is_multiple_of(2) {
            image.resize(self.memory.len(), 0);
        }
        // From nearly nothing to nearly everything.
        let odds = next() % 101;
        for (offset, data) in &self.writes {
            let sectors = (offset / SECTOR..=(offset + data.len()) / SECTOR).map(|n| n * SECTOR);
            for begin in sectors {
                let from = begin.max(*offset);
                let to = (begin + SECTOR).min(offset + data.len()).min(image.len());
                if from < to && next() % 100 < odds {
                    image[from..to].copy_from_slice(&data[from - offset..to - offset]);
                }
            }
        }
        image
    }
}

#[derive(Debug, Default)]
struct State {
    segments: BTreeMap<u64, Content>,
    /// Gone for the operating system; the disk may have them.
    removed: BTreeMap<u64, Content>,
    /// The test syncs, not whoever writes.
    defers: bool,
}

#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<State>>);

impl Recorder {
    fn newest<R>(&self, change: impl FnOnce(&mut Content) -> R) -> R {
        let mut state = self.0.lock().unwrap();
        change(state.segments.values_mut().next_back().expect("a segment"))
    }

    fn really_sync(&self) {
        self.newest(Content::sync);
    }

    /// The folder after a power cut.
    fn leave(&self, folder: &Path, next: &mut impl FnMut() -> u64) {
        let state = self.0.lock().unwrap();
        for (number, content) in &state.segments {
            fs::write(disk::path(folder, *number), content.image(next)).unwrap();
        }
        for (number, content) in &state.removed {
            if next().is_multiple_of(2) {
                fs::write(disk::path(folder, *number), content.image(next)).unwrap();
            }
        }
    }
}

impl disk::Disk for Recorder {
    fn create(&self, number: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        // As `Deferred` and `Writer` do it: the one before is on the disk.
        if let Some(newest) = state.segments.values_mut().next_back() {
            newest.sync();
        }
        let content = Content {
            memory: bytes.to_vec(),
            disk: bytes.to_vec(),
            writes: Vec::new(),
        };
        state.segments.insert(number, content);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.newest(|content| {
            let offset = offset as usize;
            content.memory[offset..offset + bytes.len()].copy_from_slice(bytes);
            content.writes.push((offset, bytes.to_vec()));
        });
        Ok(())
    }

    fn grow(&self, _from: u64, to: u64) -> io::Result<()> {
        self.newest(|content| content.memory.resize(to as usize, 0));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let defers = self.0.lock().unwrap().defers;
        if !defers {
            self.really_sync();
        }
        Ok(())
    }

    fn remove(&self, number: u64) -> io::Result<()> {
        // As `Deferred` does it, where the disk follows.
        self.really_sync();
        let mut state = self.0.lock().unwrap();
        let content = state.segments.remove(&number).expect("it is there");
        state.removed.insert(number, content);
        Ok(())
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

fn begin(disk: &Recorder, segment_bytes: u64) -> Writer<Recorder> {
    let mut tail = Tail::begin(1);
    let bytes = tail.next_segment(&Contents::default()).unwrap();
    disk::Disk::create(disk, tail.newest(), &bytes).unwrap();
    Writer::new(disk.clone(), Arc::default(), tail).with_segments_of(segment_bytes)
}

/// A vote and some entries, all of them telling which commit it is.
fn commit(writer: &mut Writer<Recorder>, number: u64) {
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
    writer.write(&writes).unwrap();
}

/// Which commit the log shows, all of it.
fn shown(log: &JournalLog) -> u64 {
    let bounds = log.bounds().unwrap();
    let Some(vote) = bounds.vote else { return 0 };
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

fn reopen(disk: &Recorder, next: &mut impl FnMut() -> u64, mark: bool) -> Result<u64, OpenError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.log");
    fs::create_dir(&path).unwrap();
    disk.leave(&path, next);
    if mark {
        fs::write(folder.path().join("g.log.unsynced"), "another boot\n").unwrap();
    }
    let number = shown(&JournalLog::open(folder.path(), "g", |_| Ok(()))?);
    // What was mended is as good as any other.
    assert_eq!(
        shown(&JournalLog::open(folder.path(), "g", |_| Ok(()))?),
        number
    );
    Ok(number)
}

/// The disk follows: several commits since the last sync.
#[test]
fn a_torn_log_is_a_state_that_was_since_the_last_sync() {
    let (mut whole, mut older, mut several) = (0, 0, 0);
    for seed in 0..150 {
        let mut next = numbers(seed);
        let disk = Recorder::default();
        disk.0.lock().unwrap().defers = true;
        let segment_bytes = [4_000, 1 << 20][seed as usize % 2];
        let mut writer = begin(&disk, segment_bytes);
        let synced = next() % 14;
        let written = synced + next() % 6;
        for number in 1..=written {
            commit(&mut writer, number);
            if number == synced {
                disk.really_sync();
            }
            writer.remove_purged();
        }
        several += usize::from(1 < disk.0.lock().unwrap().segments.len());
        let number = reopen(&disk, &mut next, true).unwrap();
        assert!(
            (synced..=written).contains(&number),
            "seed {seed}: {number} of {synced}"
        );
        match number == written {
            true => whole += 1,
            false => older += 1,
        }
    }
    // Each of them comes: an older one opens cleanly, and only the mark says that it is older.
    assert!(
        0 < whole && 0 < older && 0 < several,
        "{whole} {older} {several}"
    );
}

/// Everybody waits for the disk: only the commit that was being written may be there or not.
#[test]
fn of_a_log_that_waits_for_the_disk_nothing_that_counted_is_lost() {
    let (mut whole, mut cut) = (0, 0);
    for seed in 0..150 {
        let mut next = numbers(seed);
        let disk = Recorder::default();
        let segment_bytes = [4_000, 1 << 20][seed as usize % 2];
        let mut writer = begin(&disk, segment_bytes);
        let counted = next() % 14;
        for number in 1..=counted {
            commit(&mut writer, number);
            writer.remove_purged();
        }
        disk.0.lock().unwrap().defers = true;
        commit(&mut writer, counted + 1);
        let number = reopen(&disk, &mut next, false).unwrap();
        match number - counted {
            0 => cut += 1,
            1 => whole += 1,
            _ => panic!("seed {seed}: {number} of {counted}"),
        }
    }
    assert!(0 < whole && 0 < cut, "{whole} {cut}");
}
