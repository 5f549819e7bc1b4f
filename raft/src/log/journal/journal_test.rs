//! The log over restarts, other processes and damage. Not for power cuts: see `power_cut_test.rs`.

use super::*;

fn no_check(_: &[u8]) -> io::Result<()> {
    Ok(())
}

fn wait(log: &JournalLog, write: LogWrite) -> io::Result<()> {
    let (tell, told) = sync_channel(1);
    log.write(write, Box::new(move |result| tell.send(result).unwrap()));
    told.recv().unwrap()
}

fn entries(range: std::ops::Range<u64>) -> LogWrite {
    LogWrite::Append(
        range
            .map(|index| (index, Bytes::from(vec![index as u8; 64])))
            .collect(),
    )
}

fn save(log: &JournalLog, index: u64, image: &'static [u8]) {
    let (tell, told) = sync_channel(1);
    let done: Done = Box::new(move |result| tell.send(result).unwrap());
    log.save_snapshot(index, Box::new(|| Ok(image.to_vec())), done);
    told.recv().unwrap().unwrap();
}

/// A replica was taking its own when the leader's was installed.
#[test]
fn a_snapshot_that_ends_after_a_newer_one_does_not_take_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let log = JournalLog::open(folder.path(), "g", no_check).unwrap();
    save(&log, 299, b"newer");
    save(&log, 211, b"older");
    assert_eq!(log.read_snapshot().unwrap().as_deref(), Some(&b"newer"[..]));
    save(&log, 300, b"newest");
    let held = log.read_snapshot().unwrap();
    assert_eq!(held.as_deref(), Some(&b"newest"[..]));
}

#[test]
fn entries_marks_and_snapshot_stay_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let log = JournalLog::open(folder.path(), "g", no_check).unwrap();
    wait(&log, LogWrite::Vote(Bytes::from_static(b"vote"))).unwrap();
    wait(&log, entries(1..10)).unwrap();
    wait(&log, LogWrite::Truncate { from: 8 }).unwrap();
    let mark = Bytes::from_static(b"3");
    wait(
        &log,
        LogWrite::Purge {
            through: 3,
            mark: mark.clone(),
        },
    )
    .unwrap();
    save(&log, 3, b"image");
    drop(log);
    let log = JournalLog::open(folder.path(), "g", no_check).unwrap();
    let bounds = log.bounds().unwrap();
    assert_eq!(bounds.vote.as_deref(), Some(&b"vote"[..]));
    assert_eq!(bounds.purged, Some(mark));
    assert_eq!(bounds.last_entry.unwrap()[0], 7);
    let found: Vec<u8> = log
        .read(0, 100)
        .unwrap()
        .iter()
        .map(|entry| entry[0])
        .collect();
    assert_eq!(found, [4, 5, 6, 7]);
    assert_eq!(log.read_snapshot().unwrap().as_deref(), Some(&b"image"[..]));
}

fn purge(through: u64) -> LogWrite {
    let mark = Bytes::from_static(b"mark");
    LogWrite::Purge { through, mark }
}

fn segments(folder: &Path) -> Vec<u64> {
    disk::numbers(&folder.join("g.log")).unwrap()
}

/// Entries of 64 KiB: some two hundred make a segment.
fn large(range: std::ops::Range<u64>) -> LogWrite {
    let entry = |index: u64| (index, Bytes::from(vec![index as u8; 64 * 1024]));
    LogWrite::Append(range.map(entry).collect())
}

#[test]
fn a_log_of_many_segments_is_read_whole_and_the_purged_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let open = || JournalLog::open(folder.path(), "g", no_check).unwrap();
    let log = open();
    wait(&log, LogWrite::Vote(Bytes::from_static(b"vote"))).unwrap();
    for first in (1..1_001).step_by(50) {
        wait(&log, large(first..first + 50)).unwrap();
    }
    let all = segments(folder.path());
    assert!(3 <= all.len(), "{all:?}");
    let size = log.figures().disk_bytes;
    assert!((62 << 20..96 << 20).contains(&size), "{size}");
    let check = |log: &JournalLog, first: u64| {
        let found = log.read(0, u64::MAX).unwrap();
        assert_eq!(found.len() as u64, 1_001 - first);
        for (entry, index) in found.iter().zip(first..) {
            assert_eq!((entry.len(), entry[0]), (64 * 1024, index as u8));
        }
        assert_eq!(log.bounds().unwrap().vote.as_deref(), Some(&b"vote"[..]));
    };
    check(&log, 1);
    drop(log);
    let log = open();
    check(&log, 1);
    wait(&log, purge(900)).unwrap();
    // The next change comes after the removal.
    wait(&log, LogWrite::Vote(Bytes::from_static(b"vote"))).unwrap();
    let left = segments(folder.path());
    assert_eq!(left.last(), all.last());
    assert!(left.len() < all.len(), "{left:?} of {all:?}");
    assert!(log.figures().disk_bytes < size);
    check(&log, 901);
    drop(log);
    check(&open(), 901);
}

#[test]
fn a_snapshot_that_is_ahead_of_all_entries_leaves_none() {
    let folder = tempfile::tempdir().unwrap();
    let open = || JournalLog::open(folder.path(), "g", no_check).unwrap();
    let log = open();
    wait(&log, entries(1..101)).unwrap();
    wait(&log, purge(150)).unwrap();
    assert_eq!(log.bounds().unwrap().last_entry, None);
    wait(&log, entries(151..152)).unwrap();
    drop(log);
    assert_eq!(open().read(0, 200).unwrap().len(), 1);
}

/// It would be a log with a gap, which nothing could be gone on with.
#[test]
fn entries_that_do_not_follow_are_refused_and_so_is_all_after_them() {
    let folder = tempfile::tempdir().unwrap();
    let log = JournalLog::open(folder.path(), "g", no_check).unwrap();
    wait(&log, entries(1..5)).unwrap();
    wait(&log, entries(9..10)).unwrap_err();
    wait(&log, entries(5..6)).unwrap_err();
    drop(log);
    let log = JournalLog::open(folder.path(), "g", no_check).unwrap();
    assert_eq!(log.read(0, 100).unwrap().len(), 4);
}

/// Half a frame at the end: the process died while it wrote it, and nobody was told of it.
#[test]
fn half_a_frame_at_the_end_was_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = disk::path(&folder.path().join("g.log"), 1);
    let log = JournalLog::open(folder.path(), "g", no_check).unwrap();
    wait(&log, large(1..5)).unwrap();
    let before = std::fs::read(&path).unwrap();
    wait(&log, large(5..9)).unwrap();
    let after = std::fs::read(&path).unwrap();
    drop(log);
    let begin = before.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let end = after.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    // A page is written whole or not at all.
    let pages = [begin, (begin + end) / 2, end - 4_096].map(|at| at.next_multiple_of(4_096));
    for cut in pages {
        let mut bytes = after[..cut].to_vec();
        bytes.resize(after.len(), 0);
        std::fs::write(&path, &bytes).unwrap();
        let log = JournalLog::open(folder.path(), "g", no_check).unwrap();
        assert_eq!(log.read(0, 100).unwrap().len(), 4, "cut at {cut}");
        // What is written over it is read again, and nothing of the half one is.
        wait(&log, entries(5..6)).unwrap();
        drop(log);
        let log = JournalLog::open(folder.path(), "g", no_check).unwrap();
        assert_eq!(log.read(0, 100).unwrap().len(), 5, "cut at {cut}");
    }
}

#[test]
fn a_segment_that_is_gone_is_damage_and_half_a_new_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let open = || JournalLog::open(folder.path(), "g", no_check);
    let log = open().unwrap();
    for first in (1..801).step_by(50) {
        wait(&log, large(first..first + 50)).unwrap();
    }
    drop(log);
    let half = folder.path().join("g.log/000000000099.new");
    std::fs::write(&half, "half").unwrap();
    drop(open().unwrap());
    assert!(!half.exists());
    let numbers = segments(folder.path());
    assert!(3 <= numbers.len(), "{numbers:?}");
    std::fs::remove_file(disk::path(&folder.path().join("g.log"), numbers[1])).unwrap();
    let error = open().unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("are missing"), "{error}");
    // Set aside, and an empty one in its place when the operator has said so.
    assert_eq!(open().unwrap().read(0, 1_000).unwrap().len(), 0);
}

/// A power cut may undo a removal, and not that of the next one.
#[test]
fn a_segment_that_came_back_goes_again() {
    let folder = tempfile::tempdir().unwrap();
    let open = || JournalLog::open(folder.path(), "g", no_check).unwrap();
    let log = open();
    for first in (1..801).step_by(50) {
        wait(&log, large(first..first + 50)).unwrap();
    }
    let path = disk::path(&folder.path().join("g.log"), 1);
    let bytes = std::fs::read(&path).unwrap();
    wait(&log, purge(800)).unwrap();
    wait(&log, large(801..802)).unwrap();
    drop(log);
    assert!(!path.exists());
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(open().read(0, u64::MAX).unwrap().len(), 1);
    assert!(!path.exists());
}

#[test]
fn a_file_in_use_is_told_apart_from_a_damaged_one() {
    let folder = tempfile::tempdir().unwrap();
    let _log = JournalLog::open(folder.path(), "g", no_check).unwrap();
    let error = JournalLog::open(folder.path(), "g", no_check).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
}

#[test]
fn what_a_newer_release_wrote_is_left_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let check = |record: &[u8]| {
        pollux_store::codec::verify(1, record)?;
        Ok(())
    };
    let newer = pollux_store::codec::encode(2, &7u64).unwrap();
    let log = JournalLog::open(folder.path(), "g", check).unwrap();
    wait(
        &log,
        LogWrite::Append(vec![(1, Bytes::from(newer.clone()))]),
    )
    .unwrap();
    drop(log);
    let error = JournalLog::open(folder.path(), "g", check).unwrap_err();
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("newer release") && text.contains("entry 1"),
        "{text}"
    );
    assert!(folder.path().join("g.log").exists());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.snapshot");
    std::fs::write(&path, newer).unwrap();
    let error = JournalLog::open(folder.path(), "g", check).unwrap_err();
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
    assert!(path.exists());
}

/// A process that is killed while it writes a snapshot leaves a part of it beside.
#[test]
fn half_a_snapshot_goes_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let half = folder.path().join("g.snapshot.new");
    std::fs::write(&half, "half").unwrap();
    let log = JournalLog::open(folder.path(), "g", no_check).unwrap();
    assert!(!half.exists());
    assert_eq!(log.read_snapshot().unwrap(), None);
}

#[test]
fn damage_anywhere_is_set_aside_and_never_a_panic() {
    let check = |record: &[u8]| {
        pollux_store::codec::verify(1, record)
            .map(|_| ())
            .map_err(Into::into)
    };
    let sealed =
        |index: u64| Bytes::from(pollux_store::codec::encode(1, &vec![index; 100]).unwrap());
    for seed in 0..24usize {
        let folder = tempfile::tempdir().unwrap();
        let log = JournalLog::open(folder.path(), "g", check).unwrap();
        for first in (1..200).step_by(33) {
            let batch = (first..(first + 33).min(200)).map(|index| (index, sealed(index)));
            wait(&log, LogWrite::Append(batch.collect())).unwrap();
        }
        drop(log);
        let path = disk::path(&folder.path().join("g.log"), 1);
        let mut bytes = std::fs::read(&path).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        if seed % 4 == 3 {
            bytes.truncate(used * (seed + 1) / 30);
        } else {
            let at = used * seed / 20;
            bytes[at..at + 3_000]
                .iter_mut()
                .for_each(|byte| *byte ^= 0x5a);
        }
        std::fs::write(&path, &bytes).unwrap();
        match JournalLog::open(folder.path(), "g", check) {
            Err(OpenError::Damaged { aside, .. }) => assert!(aside.exists()),
            // Behind the last frame, where nothing is.
            Ok(log) if 20 <= seed => assert_eq!(log.read(0, 1000).unwrap().len(), 199),
            other => panic!("seed {seed}: {other:?}"),
        }
    }
}

#[test]
fn what_is_no_folder_with_segments_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.log");
    std::fs::write(&path, "no log").unwrap();
    let error = JournalLog::open(folder.path(), "g", no_check).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    std::fs::create_dir(&path).unwrap();
    let error = JournalLog::open(folder.path(), "g", no_check).unwrap_err();
    assert!(error.to_string().contains("no segment"), "{error}");
    // The first start died while it made one.
    std::fs::create_dir(folder.path().join("g.log.new")).unwrap();
    drop(JournalLog::open(folder.path(), "g", no_check).unwrap());
}
