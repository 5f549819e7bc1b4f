//! Frames as bytes: what is written is read, and nothing else is.

use proptest::prelude::*;

use super::*;

const SALT: u64 = 0x0123_4567_89ab_cdef;

const CHANGES: [Change<'static>; 5] = [
    Change::Vote(b"vote"),
    Change::Entry {
        index: 7,
        bytes: b"entry",
    },
    Change::Truncate { from: 3 },
    Change::Purge {
        through: 2,
        mark: b"",
    },
    Change::Earlier { next: u64::MAX },
];

fn sealed(frame: u64, changes: &[Change<'_>]) -> Vec<u8> {
    let mut writing = Frame::default();
    writing.clear();
    for change in changes {
        writing.push(change);
    }
    writing.seal(SALT, frame).unwrap().to_vec()
}

fn read(bytes: &[u8], frame: u64) -> Option<Vec<Change<'_>>> {
    match frame_at(bytes, 0, SALT, frame) {
        Found::Frame { body, .. } => {
            let read = changes(body).map(|change| change.unwrap().0);
            Some(read.collect())
        }
        Found::Nothing => None,
    }
}

#[test]
fn what_is_written_is_read_and_the_next_one_follows() {
    let mut bytes = sealed(5, &CHANGES);
    assert_eq!(read(&bytes, 5).unwrap(), CHANGES);
    assert_eq!(read(&bytes, 6), None, "another number");
    let end = bytes.len();
    assert_eq!(end % ALIGNMENT, 0);
    bytes.extend(sealed(6, &[]));
    let Found::Frame { end: found, .. } = frame_at(&bytes, 0, SALT, 5) else {
        panic!("a frame");
    };
    assert_eq!(found, end);
    let next = frame_at(&bytes, end, SALT, 6);
    assert!(matches!(next, Found::Frame { body: [], .. }));
}

#[test]
fn an_entry_stands_where_the_writer_was_told() {
    let mut frame = Frame::default();
    frame.clear();
    frame.push(&CHANGES[0]);
    let at = frame.push(&CHANGES[1]);
    let bytes = frame.seal(SALT, 1).unwrap();
    assert_eq!(&bytes[at..at + 5], b"entry");
    let Found::Frame { body, .. } = frame_at(bytes, 0, SALT, 1) else {
        panic!("a frame");
    };
    let places: Vec<usize> = changes(body).map(|change| change.unwrap().1).collect();
    assert_eq!(places[1] + FRAME_HEADER_BYTES, at);
}

#[test]
fn a_change_of_any_byte_is_noticed() {
    let good = sealed(5, &CHANGES);
    let padding = good.len() - (FRAME_HEADER_BYTES + number(&good, 4) as usize);
    for index in 0..good.len() - padding {
        let mut bytes = good.clone();
        bytes[index] ^= 0x10;
        assert_eq!(read(&bytes, 5), None, "byte {index}");
    }
    for length in 0..good.len() - padding {
        assert_eq!(read(&good[..length], 5), None, "length {length}");
    }
}

/// A client may send what looks like a frame: it does not know the salt.
#[test]
fn a_frame_of_another_salt_is_none() {
    let bytes = sealed(5, &CHANGES);
    assert_eq!(frame_at(&bytes, 0, SALT + 1, 5), Found::Nothing);
    assert!(is_followed(&bytes, 0, SALT, 4));
    assert!(!is_followed(&bytes, 0, SALT + 1, 4));
    assert!(!is_followed(&bytes, 0, SALT, 5), "not a later one");
}

#[test]
fn a_later_frame_is_found_behind_a_broken_one() {
    let mut bytes = sealed(5, &CHANGES);
    bytes.extend(sealed(6, &CHANGES));
    bytes[4] = 0xff;
    assert_eq!(frame_at(&bytes, 0, SALT, 5), Found::Nothing);
    assert!(is_followed(&bytes, 0, SALT, 5));
}

#[test]
fn what_a_torn_frame_leaves_is_told_from_damage() {
    let entry = Change::Entry {
        index: 1,
        bytes: &[7; 2_000],
    };
    let whole = sealed(5, &[entry]);
    let with = |at: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = vec![0; at];
        bytes.extend(&whole);
        bytes.resize(8_192, 0);
        change(&mut bytes);
        may_be_torn(&bytes, at, SALT, 5)
    };
    assert!(with(0, &|bytes| bytes[512..1_024].fill(0)));
    assert!(
        with(0, &|bytes| bytes[..512].fill(0)),
        "its header is not there"
    );
    assert!(
        with(504, &|bytes| bytes[512..1_024].fill(0)),
        "half of its header is"
    );
    assert!(
        !with(0, &|bytes| bytes[4] ^= 1),
        "its header is not what was written"
    );
    assert!(
        !with(0, &|bytes| bytes[3_000] = 1),
        "more than it was is there"
    );
    assert!(!with(0, &|bytes| {
        bytes[..512].fill(0);
        bytes[4_096..4_096 + whole.len()].copy_from_slice(&sealed(6, &[entry]));
    }));
    let cut = &whole[..1_000];
    assert!(
        !may_be_torn(cut, 0, SALT, 5),
        "the segment is shorter than it"
    );
}

#[test]
fn a_segments_header_is_read_and_a_later_version_is_named() {
    let header = SegmentHeader {
        salt: SALT,
        number: 3,
        first_frame: 99,
    };
    let good = header.to_bytes();
    assert_eq!(SegmentHeader::read(&good).unwrap(), header);
    let mut newer = good;
    newer[8] = 2;
    let sum = crc32fast::hash(&newer[..36]);
    newer[36..].copy_from_slice(&sum.to_le_bytes());
    let error = SegmentHeader::read(&newer).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
    for index in 0..good.len() {
        let mut damaged = good;
        damaged[index] ^= 1;
        let error = SegmentHeader::read(&damaged).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "byte {index}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _any = frame_at(&bytes, 0, SALT, 1);
        let _any = is_followed(&bytes, 0, SALT, 0);
        let _any = SegmentHeader::read(&bytes);
        prop_assert!(changes(&bytes).count() <= bytes.len());
    }
}
