//! The log over restarts, other processes and damage. Not for power cuts: see `power_cut_test.rs`.

use super::*;

fn no_check(_: &[u8]) -> io::Result<()> {
    Ok(())
}

fn wait(log: &RedbLog, write: LogWrite) -> io::Result<()> {
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

fn save(log: &RedbLog, index: u64, image: &'static [u8]) {
    let (tell, told) = sync_channel(1);
    let done: Done = Box::new(move |result| tell.send(result).unwrap());
    log.save_snapshot(index, Box::new(|| Ok(image.to_vec())), done);
    told.recv().unwrap().unwrap();
}

/// A replica was taking its own when the leader's was installed.
#[test]
fn a_snapshot_that_ends_after_a_newer_one_does_not_take_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let log = RedbLog::open(folder.path(), "g", no_check).unwrap();
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
    let log = RedbLog::open(folder.path(), "g", no_check).unwrap();
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
    let log = RedbLog::open(folder.path(), "g", no_check).unwrap();
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

fn rows(log: &RedbLog) -> u64 {
    let transaction = log.database.begin_read().unwrap();
    let entries = transaction.open_table(ENTRIES).unwrap();
    ::redb::ReadableTableMetadata::len(&entries).unwrap()
}

fn purge(through: u64) -> LogWrite {
    let mark = Bytes::from_static(b"mark");
    LogWrite::Purge { through, mark }
}

/// All that is to be committed would wait for a purge in one.
#[test]
fn what_is_purged_counts_no_more_and_leaves_little_by_little() {
    let folder = tempfile::tempdir().unwrap();
    let open = || RedbLog::open(folder.path(), "g", no_check).unwrap();
    let log = open();
    wait(&log, entries(1..101)).unwrap();
    wait(&log, purge(90)).unwrap();
    let at_once = PURGED_AT_ONCE as u64;
    assert_eq!(rows(&log), 100 - at_once);
    assert_eq!(log.read(0, 200).unwrap().len(), 10);
    drop(log);
    let log = open();
    assert_eq!(log.bounds().unwrap().last_entry.unwrap()[0], 100);
    for index in 101..101 + 90 / at_once {
        wait(&log, entries(index..index + 1)).unwrap();
    }
    assert_eq!(rows(&log), log.read(0, 200).unwrap().len() as u64);
    // A snapshot that is ahead of all that is here.
    wait(&log, purge(150)).unwrap();
    assert_eq!(log.bounds().unwrap().last_entry, None);
    wait(&log, entries(151..152)).unwrap();
    assert!(1 < rows(&log), "some are left");
    drop(log);
    assert_eq!(open().read(0, 200).unwrap().len(), 1);
}

#[test]
fn a_file_in_use_is_told_apart_from_a_damaged_one() {
    let folder = tempfile::tempdir().unwrap();
    let _log = RedbLog::open(folder.path(), "g", no_check).unwrap();
    let error = RedbLog::open(folder.path(), "g", no_check).unwrap_err();
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
    let log = RedbLog::open(folder.path(), "g", check).unwrap();
    wait(
        &log,
        LogWrite::Append(vec![(1, Bytes::from(newer.clone()))]),
    )
    .unwrap();
    drop(log);
    let error = RedbLog::open(folder.path(), "g", check).unwrap_err();
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
    let error = RedbLog::open(folder.path(), "g", check).unwrap_err();
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
    assert!(path.exists());
}

/// A process that is killed while it writes a snapshot leaves a part of it beside.
#[test]
fn half_a_snapshot_goes_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let half = folder.path().join("g.snapshot.new");
    std::fs::write(&half, "half").unwrap();
    let log = RedbLog::open(folder.path(), "g", no_check).unwrap();
    assert!(!half.exists());
    assert_eq!(log.read_snapshot().unwrap(), None);
}

#[test]
fn damage_anywhere_is_set_aside_and_never_a_panic() {
    for seed in 0..24usize {
        let folder = tempfile::tempdir().unwrap();
        let check = |record: &[u8]| {
            pollux_store::codec::verify(1, record)
                .map(|_| ())
                .map_err(Into::into)
        };
        let log = RedbLog::open(folder.path(), "g", check).unwrap();
        let sealed =
            |index: u64| Bytes::from(pollux_store::codec::encode(1, &vec![index; 100]).unwrap());
        wait(
            &log,
            LogWrite::Append((1..200).map(|index| (index, sealed(index))).collect()),
        )
        .unwrap();
        drop(log);
        let path = folder.path().join("g.log");
        let mut bytes = std::fs::read(&path).unwrap();
        let length = bytes.len();
        if seed % 4 == 3 {
            bytes.truncate(length * (seed + 1) / 30);
        } else {
            let at = length * seed / 24;
            let end = (at + 3000).min(length);
            bytes[at..end].iter_mut().for_each(|byte| *byte ^= 0x5a);
        }
        std::fs::write(&path, &bytes).unwrap();
        match RedbLog::open(folder.path(), "g", check) {
            Err(OpenError::Damaged { aside, .. }) => assert!(aside.exists()),
            // The damage hit pages that hold nothing.
            Ok(log) => assert_eq!(log.read(0, 1000).unwrap().len(), 199),
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
}

#[test]
fn a_large_log_is_not_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let log = RedbLog::open(folder.path(), "g", no_check).unwrap();
    let entry = Bytes::from(vec![7; 64 * 1024]);
    let each = 64;
    for batch in 0..8 {
        let indexes = batch * each..(batch + 1) * each;
        let batch = indexes.map(|index| (index, entry.clone())).collect();
        wait(&log, LogWrite::Append(batch)).unwrap();
    }
    assert_eq!(log.read(0, 8 * each).unwrap().len(), 512);
    let figures = log.figures();
    let most = limits::LOG_CACHE_BYTES as u64;
    assert!((1..=most).contains(&figures.cache_bytes), "{figures:?}");
    assert_ne!(figures.cache_evictions, 0);
}
