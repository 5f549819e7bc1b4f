//! What a journal holds after which changes.

use super::*;

fn entry(index: u64) -> Change<'static> {
    Change::Entry {
        index,
        bytes: b"entry",
    }
}

fn purge(through: u64) -> Change<'static> {
    Change::Purge {
        through,
        mark: b"mark",
    }
}

fn place(index: u64) -> Place {
    Place {
        segment: 1,
        offset: index,
        length: 5,
    }
}

/// With where each entry is, which tells the entries apart.
fn after(changes: &[Change<'_>]) -> Contents {
    let mut contents = Contents::default();
    take(&mut contents, changes);
    contents
}

fn take(contents: &mut Contents, changes: &[Change<'_>]) {
    for change in changes {
        let at = match change {
            Change::Entry { index, .. } => *index,
            _ => 0,
        };
        contents.take(change, place(at)).unwrap();
    }
}

fn held(contents: &Contents) -> Vec<u64> {
    let places = contents.places(0, u64::MAX);
    places.iter().map(|place| place.offset).collect()
}

#[test]
fn entries_come_and_go() {
    let first = [entry(1), entry(2), entry(3), entry(4)];
    let cases: &[(&str, &[Change<'_>], &[u64])] = &[
        ("all", &[], &[1, 2, 3, 4]),
        ("cut", &[Change::Truncate { from: 3 }], &[1, 2]),
        ("cut to nothing", &[Change::Truncate { from: 0 }], &[]),
        (
            "nothing to cut",
            &[Change::Truncate { from: 9 }],
            &[1, 2, 3, 4],
        ),
        (
            "replaced",
            &[Change::Truncate { from: 4 }, entry(4), entry(5)],
            &[1, 2, 3, 4, 5],
        ),
        ("purged", &[purge(2)], &[3, 4]),
        ("an older purge", &[purge(2), purge(1)], &[3, 4]),
        ("all purged", &[purge(4), entry(5)], &[5]),
        // The snapshot of another replica, ahead of all that is here.
        ("purged ahead", &[purge(9), entry(10)], &[10]),
        (
            "cut below the purge",
            &[purge(3), Change::Truncate { from: 2 }, entry(4)],
            &[4],
        ),
    ];
    for (name, then, expected) in cases {
        let mut contents = after(&first);
        take(&mut contents, then);
        assert_eq!(held(&contents), *expected, "{name}");
        contents.check().unwrap();
    }
}

#[test]
fn an_entry_that_does_not_follow_is_refused() {
    let mut contents = after(&[entry(1), entry(2)]);
    for index in [1, 2, 4] {
        let error = contents.take(&entry(index), place(index)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
    assert_eq!(held(&contents), [1, 2]);
}

#[test]
fn some_are_given_as_many_as_there_are() {
    let contents = after(&[entry(3), entry(4), entry(5)]);
    for (from, to, count) in [
        (0, 4, 1),
        (4, 5, 1),
        (4, 99, 2),
        (5, 4, 0),
        (6, 9, 0),
        (0, 0, 0),
    ] {
        assert_eq!(contents.places(from, to).len(), count, "{from}..{to}");
    }
}

#[test]
fn a_summary_makes_the_same_of_nothing() {
    let mut contents = after(&[Change::Vote(b"vote"), entry(1), entry(2), purge(2)]);
    take(&mut contents, &[entry(3)]);
    let summary = contents.summary();
    let mut again = Contents::default();
    again.begin_after(contents.extent.next);
    take(&mut again, &summary);
    assert_eq!(again.vote, contents.vote);
    assert_eq!(again.purged, contents.purged);
    assert_eq!(again.extent.begin, contents.extent.begin);
    // The entry that was not purged is in the segment that is gone.
    let error = again.check().unwrap_err();
    assert!(error.to_string().contains("entries before 4"), "{error}");
    take(&mut again, &[purge(3)]);
    again.check().unwrap();
}

/// Else it would be written, and refused at the next start.
#[test]
fn a_gap_behind_the_purge_is_refused() {
    let mut contents = after(&[entry(1), purge(3)]);
    for index in [3, 6] {
        contents.take(&entry(index), place(index)).unwrap_err();
    }
    contents.take(&entry(4), place(4)).unwrap();
    assert_eq!(held(&contents), [4]);
}

#[test]
fn what_replaces_entries_of_a_removed_segment_is_taken() {
    let mut contents = Contents::default();
    contents.begin_after(100);
    take(
        &mut contents,
        &[Change::Truncate { from: 50 }, entry(50), entry(51)],
    );
    assert_eq!(held(&contents), [50, 51]);
    let error = contents.check().unwrap_err();
    assert!(error.to_string().contains("entries before 50"), "{error}");
    take(&mut contents, &[purge(49)]);
    contents.check().unwrap();
    assert_eq!(held(&contents), [50, 51]);
}
