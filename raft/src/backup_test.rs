//! What is written is read again; what is cut, changed or of a later release is refused, and
//! nothing is made of it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use pollux_domain::contract::{Agreement, AsOf, Command, Stamp};
use pollux_domain::ids::{Epoch, GroupMs, Life, NodeId, WallMs};
use pollux_domain::jid::BareJid;
use pollux_domain::takeovers::TakeoverCause;
use pollux_store::tables::{MemoryTables, TableWrite};

use super::*;
use crate::machine::Applied;

fn about() -> About {
    About {
        cluster: ClusterId([7; 16]),
        domain: "example.org".to_owned(),
        program: "0.1.0".to_owned(),
        format: FORMATS.newest,
        made_at: "2023-11-14T22:13:20Z".to_owned(),
        set: SetId([9; 16]),
        subcluster: SubclusterId(1),
        parts: 1,
    }
}

fn with_user() -> State {
    let mut state = State::default();
    let user = BareJid::parse("ann@example.org").unwrap();
    let home = NodeId(1);
    let adopt = Agreement::Adopt { user, home }.under(AsOf::default());
    let stamp = Stamp {
        group: GroupMs(1),
        wall: WallMs(1),
    };
    state.apply_batch(stamp, &[&adopt], &mut Applied::default());
    state
}

/// All at once.
fn write(
    path: &Path,
    tables: &dyn Tables,
    subcluster: impl Fn() -> State,
) -> Result<u64, BackupError> {
    let mut draft = Draft::begin(path, about())?;
    let state = draft.settle(tables, subcluster)?;
    let bytes = draft.finish(&state, &Configuration::default())?;
    assert_eq!(draft.leave().place()?, path);
    Ok(bytes)
}

fn made(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("a.backup");
    let tables = MemoryTables::default();
    let size = write(&path, &tables, with_user).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), size);
    path
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let backup = read(&made(folder.path())).unwrap();
    assert_eq!(backup.about, about());
    assert_eq!(backup.rows, 0);
    assert_eq!(backup.subcluster.statistics().users, 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn one_that_travels_in_pieces_comes_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut draft = Draft::begin(&folder.path().join("here.backup"), about()).unwrap();
    let bytes = draft
        .finish(&with_user(), &Configuration::default())
        .unwrap();
    let (there, mut file) = Unplaced::make(&folder.path().join("there.backup")).unwrap();
    let mut pieces = 0;
    for at in (0..).step_by(100) {
        let piece = draft.read_at(at, 100).unwrap();
        if piece.is_empty() {
            break;
        }
        file.write_all(&piece).unwrap();
        pieces += 1;
    }
    assert_eq!(pieces, bytes.div_ceil(100));
    assert_eq!(there.check().unwrap(), about());
    drop(draft);
    let path = there.place().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), bytes);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let whole = fs::read(path).unwrap();
    let (there, mut file) = Unplaced::make(&folder.path().join("again.backup")).unwrap();
    file.write_all(&whole[..whole.len() - 1]).unwrap();
    assert!(there.check().is_err());
    drop(there);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // As after a kill.
    std::mem::forget(Unplaced::make(&folder.path().join("again.backup")).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    sweep(folder.path()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn each_cut_and_each_changed_byte_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path());
    let whole = fs::read(&path).unwrap();
    let wrong = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        assert!(read(&path).is_err(), "{what}");
    };
    for length in 0..whole.len() {
        wrong(&whole[..length], &format!("cut to {length}"));
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        wrong(&changed, &format!("changed at {at}"));
    }
    wrong(&[&whole[..], &[0]].concat(), "something behind it");
    wrong(b"", "nothing");
    fs::write(&path, &whole).unwrap();
    assert!(read(&path).is_ok());
}

#[test]
fn pieces_that_are_left_out_are_missed() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path());
    let whole = fs::read(&path).unwrap();
    let length = |at: usize| u32::from_le_bytes(whole[at..at + 4].try_into().unwrap()) as usize;
    let first = MAGIC.len();
    let second = first + 4 + length(first);
    let without = [&whole[..first], &whole[second..]].concat();
    fs::write(&path, without).unwrap();
    let error = read(&path).err().unwrap();
    assert!(error.to_string().contains("pieces are missing"), "{error}");
}

/// A table whose rows are there only when they are asked for a second time: the first time they
/// were gone already.
#[derive(Default)]
struct Shy(Mutex<BTreeMap<u64, u32>>);

impl Tables for Shy {
    fn write(&self, _writes: &[TableWrite], _applied: u64) -> io::Result<()> {
        Ok(())
    }

    fn put(&self, _writes: &[TableWrite]) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, key: u64) -> io::Result<Option<Bytes>> {
        let mut asked = self.0.lock().unwrap();
        let times = asked.entry(key).or_default();
        *times += 1;
        Ok((*times > 1).then(|| Bytes::from_static(b"row")))
    }

    fn keys(&self) -> io::Result<Vec<u64>> {
        Ok(Vec::new())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_row_that_goes_meanwhile_is_no_part_of_the_backup() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.backup");
    let with_row = crate::state::state_test::anew::with_row();
    let row = with_row.rows()[0];
    // The row is gone at the first look, and the database that was taken then does not count.
    let looks = Mutex::new(0);
    let state = || {
        *looks.lock().unwrap() += 1;
        with_row.clone()
    };
    write(&path, &Shy::default(), state).unwrap();
    assert_eq!(*looks.lock().unwrap(), 2);
    let mut rows = Vec::new();
    each_row(&path, |row, value| {
        rows.push((row, value));
        Ok(())
    })
    .unwrap();
    assert_eq!(rows, [(row, Bytes::from_static(b"row"))]);
    // A row that never comes is not waited for without end, and nothing is left.
    let never = MemoryTables::default();
    let path = folder.path().join("b.backup");
    let error = write(&path, &never, state).unwrap_err();
    assert!(matches!(error, BackupError::Busy), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_new_cluster_begins_without_what_was_under_way() {
    let mut state = with_user();
    let stamp = Stamp {
        group: GroupMs(2),
        wall: WallMs(2),
    };
    let take_over = Command::TakeOver {
        home: NodeId(1),
        to: NodeId(1),
        life: Life(1),
        epoch: Epoch(1),
        cause: TakeoverCause::First,
    };
    state.apply_batch(stamp, &[&take_over], &mut Applied::default());
    assert!(state.serving(NodeId(1)).is_some());
    assert!(state.begin_anew().is_empty());
    assert!(state.serving(NodeId(1)).is_none());
    assert_eq!(state.statistics().users, 1);
}
