//! Reads a journal from its folder: what it holds, and where it goes on. Tells what a dying process
//! or a power cut leaves from damage (decision 0031). Writes only behind the last frame, where half
//! of one may stand.

use std::fs;
use std::io;
use std::path::Path;

use super::contents::{Contents, Place};
use super::disk::{self, Disk, Folder};
use super::frame::{
    self, Change, Found, SEGMENT_HEADER_BYTES, SegmentHeader, changes, may_be_torn,
};
use super::writer::{GROWTH, Segment, Tail};

/// What is known of the machine since the journal was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Each frame was on the disk, or at least with the operating system, before the next: only the
    /// last may be half, and nobody was told of that one.
    Synced,
    /// The machine went down while frames waited for the disk: the first that is not whole ends it.
    Doubtful,
}

/// A journal as it was found.
pub(super) struct Replayed {
    pub(super) contents: Contents,
    pub(super) tail: Tail,
    /// Bytes behind the last frame are not zero.
    dirty: bool,
    /// Segments that were on their way out.
    stale: Vec<u64>,
}

type Check<'a> = &'a dyn Fn(&[u8]) -> io::Result<()>;

/// Reads all segments. `check` is given each vote, mark and entry.
pub(super) fn replay(folder: &Path, trust: Trust, check: Check<'_>) -> io::Result<Replayed> {
    let mut stale = disk::numbers(folder)?;
    let numbers = together(&mut stale);
    let Some((&first, &last)) = numbers.first().zip(numbers.last()) else {
        return Err(invalid("it has no segment"));
    };
    let mut reading = Reading {
        contents: Contents::default(),
        segments: Vec::new(),
        check,
        frame: 0,
        salt: None,
        is_whole: first == 1,
    };
    let mut end = End::default();
    for number in numbers {
        let bytes = fs::read(disk::path(folder, number))?;
        let trust = match number == last {
            true => trust,
            false => Trust::Synced,
        };
        end = reading.segment(number, &bytes, trust, number == last)?;
    }
    reading.contents.check()?;
    Ok(Replayed {
        contents: reading.contents,
        tail: Tail {
            salt: reading.salt.unwrap_or_default(),
            segments: reading.segments.into(),
            frame: reading.frame,
            at: end.at as u64,
            length: end.length as u64,
        },
        dirty: end.dirty,
        stale,
    })
}

impl Replayed {
    /// Makes the newest segment what it was read as: what was left of a frame goes, and what an
    /// earlier process left to the operating system is on the disk.
    pub(super) fn mend(&mut self, folder: &Path) -> io::Result<Folder> {
        let newest = self.tail.newest();
        let disk = Folder::open(folder, newest)?;
        let length = self.tail.length.max(1).next_multiple_of(GROWTH);
        if self.dirty || length != self.tail.length {
            let folder = folder.display();
            tracing::info!(%folder, newest, "half a frame was at the end of the log, it is gone");
            disk.grow(self.tail.at, length)?;
            self.tail.length = length;
        }
        for number in std::mem::take(&mut self.stale) {
            disk.remove(number)?;
        }
        disk.sync()?;
        Ok(disk)
    }
}

/// Where a segment's frames end.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    at: usize,
    length: usize,
    dirty: bool,
}

struct Reading<'a> {
    contents: Contents,
    segments: Vec<Segment>,
    check: Check<'a>,
    /// The number of the next frame.
    frame: u64,
    salt: Option<u64>,
    /// The first segment ever is there.
    is_whole: bool,
}

impl Reading<'_> {
    fn segment(
        &mut self,
        number: u64,
        bytes: &[u8],
        trust: Trust,
        is_last: bool,
    ) -> io::Result<End> {
        let header = SegmentHeader::read(bytes)?;
        let salt = *self.salt.get_or_insert(header.salt);
        if self.segments.is_empty() {
            self.frame = header.first_frame;
        }
        if (header.number, header.first_frame, header.salt) != (number, self.frame, salt) {
            return Err(invalid(
                "a segment is not of this journal, or of another place in it",
            ));
        }
        if trust == Trust::Synced && !(bytes.len() as u64).is_multiple_of(GROWTH) {
            return Err(invalid("a segment is cut short"));
        }
        let mut segment = Segment::new(number);
        segment.bytes = bytes.len() as u64;
        self.segments.push(segment);
        let mut at = SEGMENT_HEADER_BYTES;
        while let Found::Frame { body, end } = frame::frame_at(bytes, at, salt, self.frame) {
            let body_at = at + frame::FRAME_HEADER_BYTES;
            self.take(number, body, body_at as u64)?;
            self.frame += 1;
            at = end;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let dirty = rest.iter().any(|byte| *byte != 0);
        let torn = is_last && may_be_torn(bytes, at, salt, self.frame);
        if dirty && !torn && trust == Trust::Synced {
            return Err(invalid(&format!("frame {} is damaged", self.frame)));
        }
        Ok(End {
            at,
            length: bytes.len(),
            dirty,
        })
    }

    fn take(&mut self, segment: u64, body: &[u8], body_at: u64) -> io::Result<()> {
        for read in changes(body) {
            let (change, at) = read?;
            self.check(&change)?;
            if let Change::Earlier { next } = change
                && self.segments.len() == 1
                && !self.is_whole
            {
                self.contents.begin_after(next);
            }
            if let Some(newest) = self.segments.last_mut() {
                newest.note(&change);
            }
            let place = Place {
                segment,
                offset: body_at + at as u64,
                length: change.entry_length(),
            };
            self.contents.take(&change, place)?;
        }
        Ok(())
    }

    fn check(&self, change: &Change<'_>) -> io::Result<()> {
        let (what, record) = match change {
            Change::Vote(vote) => ("vote".to_owned(), vote),
            Change::Purge { mark, .. } => ("mark purged".to_owned(), mark),
            Change::Entry { index, bytes } => (format!("entry {index}"), bytes),
            Change::Truncate { .. } | Change::Earlier { .. } => return Ok(()),
        };
        let checked = (self.check)(record);
        checked.map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}")))
    }
}

/// Takes those at the end that follow on each other. Earlier ones were on their way out: they go
/// first to last, and a power cut may bring some of them back.
fn together(numbers: &mut Vec<u64>) -> Vec<u64> {
    let gap = numbers.windows(2).rposition(|pair| pair[0] + 1 != pair[1]);
    numbers.split_off(gap.map_or(0, |gap| gap + 1))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
