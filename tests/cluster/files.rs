//! Files of a node that are damaged, cut, or of a later release: the node does not begin, nothing
//! is overwritten, and it says what to do. Each goes with a row of `docs/refusals.md`.

use std::fs;
use std::path::{Path, PathBuf};

use super::common::deadline::wait_for;
use super::site::{Member, hear, say};

const IO_ERR: i32 = 74;
const NO_INPUT: i32 = 66;

/// A node of its own that has taken a snapshot and some entries after it, stopped.
fn with_snapshot() -> Member {
    let mut castor = Member::prepare("castor");
    castor.change_setting("[cluster]\n", "[cluster]\nsnapshot_entries = 100\n");
    castor.done(&["cluster", "init", "--config", "pollux.toml"]);
    castor.begin();
    castor.wait_served(&[(1, 1)]);
    castor.add_user("alice");
    castor.add_user("bob");
    let mut alice = castor.client("alice");
    let snapshot = castor.path("data/subcluster.snapshot");
    let mut count = 0;
    wait_for("a snapshot", || {
        say(&mut alice, "bob", &format!("m{count}"));
        count += 1;
        snapshot.exists().then_some(())
    });
    castor.stop();
    castor
}

fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    PathBuf::from(name)
}

#[test]
fn a_damaged_snapshot_is_set_aside_and_a_person_decides() {
    let mut castor = with_snapshot();
    let snapshot = castor.path("data/subcluster.snapshot");
    let whole = fs::read(&snapshot).expect("a snapshot");
    fs::write(&snapshot, &whole[..whole.len() / 2]).expect("it can be written");
    let said = castor.fails_to_begin(&[], IO_ERR);
    assert!(said.contains("subcluster.snapshot is damaged"), "{said}");
    assert!(said.contains("set aside as"), "{said}");
    let aside = beside(&snapshot, ".damaged-1");
    assert_eq!(
        fs::read(&aside).expect("it was set aside").len(),
        whole.len() / 2
    );
    // Until somebody has decided, it does not begin with less than was acknowledged.
    let said = castor.fails_to_begin(&[], IO_ERR);
    for advice in [
        "Restore a backup",
        "--accept-loss",
        "subcluster.snapshot.damaged-1",
    ] {
        assert!(said.contains(advice), "{said}");
    }
    // The backup comes back.
    fs::remove_file(aside).expect("it is there");
    fs::write(&snapshot, &whole).expect("it can be written");
    castor.begin();
    castor.wait_served(&[(1, 1)]);
    let mut bob = castor.client("bob");
    hear(&mut bob, "m0");
}

/// The log begins after the snapshot that is gone: what is left cannot be gone on with.
#[test]
fn what_is_left_without_the_snapshot_is_no_state_and_no_panic() {
    let castor = with_snapshot();
    let snapshot = castor.path("data/subcluster.snapshot");
    fs::write(&snapshot, "half").expect("it can be written");
    castor.fails_to_begin(&[], IO_ERR);
    let said = castor.fails_to_begin(&["--accept-loss"], IO_ERR);
    assert!(said.contains("Restore a backup"), "{said}");
}

#[test]
fn what_a_newer_release_wrote_is_left_as_it_is() {
    let castor = with_snapshot();
    let snapshot = castor.path("data/subcluster.snapshot");
    let whole = fs::read(&snapshot).expect("a snapshot");
    let newer = pollux_store::codec::encode(99, &"something new").expect("it is short");
    fs::write(&snapshot, &newer).expect("it can be written");
    let said = castor.fails_to_begin(&[], NO_INPUT);
    for words in [
        "subcluster.snapshot was written by a newer release",
        "Start that release again",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(fs::read(&snapshot).expect("it is left"), newer);

    fs::write(&snapshot, whole).expect("it can be written");
    let membership = castor.path("data/cluster/membership.json");
    let text = fs::read_to_string(&membership).expect("a membership");
    fs::write(
        &membership,
        text.replace("\"version\": 1", "\"version\": 2"),
    )
    .expect("written");
    let said = castor.fails_to_begin(&[], NO_INPUT);
    for words in [
        "membership.json was written by a newer release",
        "start that release again",
    ] {
        assert!(said.contains(words), "{said}");
    }
    fs::write(&membership, &text[..text.len() / 2]).expect("it can be written");
    let said = castor.fails_to_begin(&[], NO_INPUT);
    for words in ["membership.json does not read", "invite --replaces"] {
        assert!(said.contains(words), "{said}");
    }
    fs::write(&membership, text).expect("it can be written");
    let mut castor = castor;
    castor.begin();
    castor.wait_served(&[(1, 1)]);
}

/// A voter that has lost its log does not know what it voted for: no loss is accepted there.
#[test]
fn a_node_of_several_with_a_damaged_log_is_joined_again() {
    let mut castor = Member::first("castor");
    let pollux = castor.invite("pollux", &[]);
    castor.wait_served(&[(1, 1), (2, 2)]);
    wait_for("the node to know of the other", || {
        let membership = fs::read_to_string(castor.path("data/cluster/membership.json"));
        let text = membership.ok()?;
        text.contains(&pollux.nodes().to_string()).then_some(())
    });
    castor.stop();
    let segment = castor.path("data/subcluster.log/000000000001.segment");
    let mut bytes = fs::read(&segment).expect("the log");
    bytes[70] ^= 1;
    fs::write(&segment, bytes).expect("it can be written");
    let said = castor.fails_to_begin(&[], IO_ERR);
    assert!(said.contains("subcluster.log is damaged"), "{said}");
    let joins_again = |said: String, first: &str| {
        for words in [first, "may not again under its name", "invite --replaces 1"] {
            assert!(said.contains(words), "{said}");
        }
    };
    for more in [&[][..], &["--accept-loss"]] {
        let said = castor.fails_to_begin(more, IO_ERR);
        joins_again(said, "files were set aside as damaged");
    }
    // Nor does it help to take it away.
    fs::remove_dir_all(castor.path("data/subcluster.log.damaged-1")).expect("it was set aside");
    let said = castor.fails_to_begin(&["--accept-loss"], IO_ERR);
    joins_again(said, "subcluster.log is gone");
}
