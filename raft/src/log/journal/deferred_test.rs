//! Who waits for the disk and who does not, with a disk that answers when the test says so.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use super::*;

/// A disk that can be held and broken, and says what it was asked for.
#[derive(Debug, Default)]
struct Held {
    syncs: AtomicUsize,
    held: Mutex<bool>,
    released: Condvar,
    broken: AtomicBool,
    asked: Mutex<Vec<&'static str>>,
}

impl Held {
    fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.released.notify_all();
    }

    fn note(&self, what: &'static str) -> io::Result<()> {
        self.asked.lock().unwrap().push(what);
        Ok(())
    }
}

/// The test's end of it.
#[derive(Debug, Clone)]
struct Shared(Arc<Held>);

impl Disk for Shared {
    fn create(&self, _number: u64, _bytes: &[u8]) -> io::Result<()> {
        self.0.note("create")
    }

    fn write(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        self.0.note("write")
    }

    fn grow(&self, _from: u64, _to: u64) -> io::Result<()> {
        self.0.note("grow")
    }

    fn sync(&self) -> io::Result<()> {
        let held = self.0.held.lock().unwrap();
        let _free = self.0.released.wait_while(held, |held| *held).unwrap();
        self.0.syncs.fetch_add(1, Ordering::SeqCst);
        self.0.note("sync")?;
        match self.0.broken.load(Ordering::SeqCst) {
            true => Err(io::Error::other("broken")),
            false => Ok(()),
        }
    }

    fn remove(&self, _number: u64) -> io::Result<()> {
        self.0.note("remove")
    }
}

fn deferred() -> (Arc<Held>, Deferred<Shared>) {
    let disk = Arc::new(Held::default());
    let file = Deferred::new(Shared(disk.clone()), "test").unwrap();
    (disk, file)
}

#[test]
fn it_begins_as_any_other_file() {
    let (disk, file) = deferred();
    file.sync().unwrap();
    assert_eq!(disk.syncs.load(Ordering::SeqCst), 1);
    assert_eq!(file.behind().age(), Duration::ZERO);
}

#[test]
fn nobody_waits_and_the_disk_follows() {
    let (disk, file) = deferred();
    let behind = file.behind();
    behind.begin();
    disk.hold(true);
    // Were one of them to wait, it would wait for ever.
    for _ in 0..100 {
        file.sync().unwrap();
    }
    assert_ne!(behind.age(), Duration::ZERO);
    disk.hold(false);
    behind.settle().unwrap();
    assert_eq!(behind.age(), Duration::ZERO);
    let syncs = disk.syncs.load(Ordering::SeqCst);
    assert!((1..50).contains(&syncs), "{syncs} syncs for 100 writes");
    // Settled: whoever writes waits again.
    file.sync().unwrap();
    assert_eq!(disk.syncs.load(Ordering::SeqCst), syncs + 1);
}

/// Nobody has to ask for it.
#[test]
fn the_disk_follows_by_itself() {
    let (disk, file) = deferred();
    file.behind().begin();
    file.sync().unwrap();
    let behind = file.behind();
    let mut state = behind.lock();
    while state.oldest().is_some() {
        state = behind.wait(state);
    }
    drop(state);
    assert_eq!(disk.syncs.load(Ordering::SeqCst), 1);
}

#[test]
fn who_is_far_ahead_of_the_disk_waits_for_it() {
    let (disk, file) = deferred();
    let behind = file.behind();
    behind.begin();
    disk.hold(true);
    file.sync().unwrap();
    let (tell, told) = sync_channel(1);
    let _timed_out = told.recv_timeout(BEHIND_MAX + PAUSE).unwrap_err();
    std::thread::scope(|scope| {
        scope.spawn(|| tell.send(file.sync()).unwrap());
        let waits = told.recv_timeout(Duration::from_millis(300));
        assert!(waits.is_err(), "{waits:?}");
        disk.hold(false);
        told.recv().unwrap().unwrap();
    });
}

#[test]
fn a_disk_that_failed_once_is_not_asked_again() {
    let (disk, file) = deferred();
    let behind = file.behind();
    behind.begin();
    disk.broken.store(true, Ordering::SeqCst);
    file.sync().unwrap();
    behind.settle().unwrap_err();
    disk.broken.store(false, Ordering::SeqCst);
    behind.begin();
    file.sync().unwrap_err();
    behind.settle().unwrap_err();
    assert_eq!(disk.syncs.load(Ordering::SeqCst), 1);
}

#[test]
fn what_waits_is_synced_when_it_is_dropped() {
    let (disk, file) = deferred();
    let behind = file.behind();
    behind.begin();
    file.sync().unwrap();
    drop(file);
    assert_ne!(disk.syncs.load(Ordering::SeqCst), 0);
    assert_eq!(behind.age(), Duration::ZERO);
}

/// The thread would sync only the newer one; a purge that a power cut takes back needs its entries.
#[test]
fn what_was_written_is_on_the_disk_before_segments_come_and_go() {
    let (disk, file) = deferred();
    file.behind().begin();
    file.write(0, b"x").unwrap();
    file.create(2, b"y").unwrap();
    let asked = disk.asked.lock().unwrap().clone();
    assert_eq!(asked, ["write", "sync", "create"]);
    file.remove(1).unwrap();
    let asked = disk.asked.lock().unwrap().clone();
    assert_eq!(asked[3..], ["sync", "remove"]);
}
