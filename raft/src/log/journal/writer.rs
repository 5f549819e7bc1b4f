//! Writes a journal: the changes that wait make one frame, one write and one flush. Begins a new
//! segment where one is full, and removes those whose entries are all purged.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pollux_domain::limits;

use super::contents::{Contents, Place};
use super::disk::Disk;
use super::frame::{Change, Frame, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::log::{Done, LogWrite};

/// A segment gets longer by so much at a time, zeros, and its length is on the disk before a frame
/// stands there: then a flush has nothing to say of the file but its bytes, which makes it twice as
/// fast, and a segment that is shorter than its frames is a damaged one.
pub(super) const GROWTH: u64 = 512 * 1024;

/// What may be looked at while the journal is written. Shows only what counts.
#[derive(Default)]
pub(super) struct Shared {
    contents: Mutex<Contents>,
    pub(super) disk_bytes: AtomicU64,
}

impl Shared {
    pub(super) fn new(contents: Contents) -> Shared {
        Shared {
            contents: Mutex::new(contents),
            disk_bytes: AtomicU64::new(0),
        }
    }

    fn note_size(&self, tail: &Tail) {
        let earlier = tail.segments.iter().rev().skip(1);
        let earlier: u64 = earlier.map(|segment| segment.bytes).sum();
        self.disk_bytes
            .store(earlier + tail.length, Ordering::Relaxed);
    }

    pub(super) fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One segment as the writer knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    number: u64,
    /// The greatest index of an entry in it.
    last: Option<u64>,
    /// Its length, once it is not the newest any more.
    pub(super) bytes: u64,
}

impl Segment {
    pub(super) fn new(number: u64) -> Segment {
        Segment {
            number,
            last: None,
            bytes: 0,
        }
    }

    pub(super) fn note(&mut self, change: &Change<'_>) {
        if let Change::Entry { index, .. } = change {
            self.last = self.last.max(Some(*index));
        }
    }
}

/// Where a journal goes on.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) salt: u64,
    /// Never empty; the last is the newest.
    pub(super) segments: VecDeque<Segment>,
    /// The number of the next frame.
    pub(super) frame: u64,
    /// Where it goes, in the newest segment.
    pub(super) at: u64,
    /// Of the newest segment.
    pub(super) length: u64,
}

impl Tail {
    /// Of a journal that begins.
    pub(super) fn begin(salt: u64) -> Tail {
        Tail {
            salt,
            segments: VecDeque::new(),
            frame: 1,
            at: 0,
            length: 0,
        }
    }

    pub(super) fn newest(&self) -> u64 {
        self.segments.back().map_or(0, |segment| segment.number)
    }

    /// The bytes of the next segment, which begins with what counts of all before it.
    pub(super) fn next_segment(&mut self, contents: &Contents) -> io::Result<Vec<u8>> {
        let header = SegmentHeader {
            salt: self.salt,
            number: self.newest() + 1,
            first_frame: self.frame,
        };
        let mut bytes = header.to_bytes().to_vec();
        let mut frame = Frame::default();
        frame.clear();
        for change in contents.summary() {
            frame.push(&change);
        }
        bytes.extend_from_slice(frame.seal(self.salt, self.frame)?);
        debug_assert_eq!(SEGMENT_HEADER_BYTES % 8, 0, "frames are aligned");
        if let Some(newest) = self.segments.back_mut() {
            newest.bytes = self.length;
        }
        self.at = bytes.len() as u64;
        self.length = self.at.next_multiple_of(GROWTH);
        bytes.resize(self.length as usize, 0);
        self.frame += 1;
        self.segments.push_back(Segment::new(header.number));
        Ok(bytes)
    }
}

/// See the module.
pub(super) struct Writer<D> {
    disk: D,
    shared: Arc<Shared>,
    tail: Tail,
    frame: Frame,
    /// Bytes after which the next segment begins.
    full: u64,
}

impl<D: Disk> Writer<D> {
    pub(super) fn new(disk: D, shared: Arc<Shared>, tail: Tail) -> Writer<D> {
        let writer = Writer {
            disk,
            shared,
            tail,
            frame: Frame::default(),
            full: limits::LOG_SEGMENT_BYTES,
        };
        writer.shared.note_size(&writer.tail);
        writer
    }

    #[cfg(test)]
    pub(super) fn with_segments_of(mut self, bytes: u64) -> Self {
        self.full = bytes;
        self
    }

    /// Takes what waits, writes it, tells. Ends when the log is dropped.
    pub(super) fn run(mut self, waiting: &Receiver<(LogWrite, Done)>) {
        let mut broken = false;
        while let Ok(first) = waiting.recv() {
            let mut dones = Vec::new();
            let mut writes = Vec::new();
            for (write, done) in std::iter::once(first).chain(waiting.try_iter()) {
                writes.push(write);
                dones.push(done);
            }
            let result = if broken {
                Err("an earlier write failed".to_owned())
            } else {
                self.write(&writes).map_err(|error| error.to_string())
            };
            broken |= result.is_err();
            for done in dones {
                done(result.clone().map_err(io::Error::other));
            }
            if !broken {
                self.remove_purged();
            }
        }
        // Behind the last frame that counts one more: damage of it is told from half a frame.
        if !broken && let Err(error) = self.write(&[]) {
            tracing::error!(%error, "failed to close a log");
        }
    }

    pub(super) fn write(&mut self, writes: &[LogWrite]) -> io::Result<()> {
        if self.full <= self.tail.at {
            self.begin_segment()?;
        }
        let changes: Vec<Change<'_>> = writes.iter().flat_map(changes_of).collect();
        let places = self.put_frame(&changes)?;
        let mut contents = self.shared.contents();
        for (change, place) in changes.iter().zip(places) {
            contents.take(change, place)?;
        }
        Ok(())
    }

    /// Writes one frame and flushes. Returns where the bytes of each change stand.
    fn put_frame(&mut self, changes: &[Change<'_>]) -> io::Result<Vec<Place>> {
        let mut extent = self.shared.contents().extent;
        let mut places = Vec::with_capacity(changes.len());
        let newest = self.tail.segments.back_mut();
        let newest = newest.ok_or_else(|| io::Error::other("a journal without a segment"))?;
        self.frame.clear();
        for change in changes {
            extent.take(change)?;
            let at = self.frame.push(change);
            places.push(Place {
                segment: newest.number,
                offset: self.tail.at + at as u64,
                length: change.entry_length(),
            });
            newest.note(change);
        }
        let bytes = self.frame.seal(self.tail.salt, self.tail.frame)?;
        let end = self.tail.at + bytes.len() as u64;
        if self.tail.length < end {
            let length = end.next_multiple_of(GROWTH);
            self.disk.grow(self.tail.length, length)?;
            self.disk.sync()?;
            self.tail.length = length;
            self.shared.note_size(&self.tail);
        }
        self.disk.write(self.tail.at, bytes)?;
        self.disk.sync()?;
        self.tail.at = end;
        self.tail.frame += 1;
        Ok(places)
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        let bytes = self.tail.next_segment(&self.shared.contents())?;
        self.disk.create(self.tail.newest(), &bytes)?;
        self.shared.note_size(&self.tail);
        Ok(())
    }

    /// Segments whose entries are all purged go, the oldest first.
    pub(super) fn remove_purged(&mut self) {
        let begin = self.shared.contents().extent.begin;
        while let [oldest, _, ..] = self.tail.segments.make_contiguous()
            && oldest.last.is_none_or(|last| last < begin)
        {
            // What cannot go now goes at the next start.
            if let Err(error) = self.disk.remove(oldest.number) {
                tracing::warn!(%error, number = oldest.number, "segment of a log does not go");
            }
            self.tail.segments.pop_front();
            self.shared.note_size(&self.tail);
        }
    }
}

/// What a write says, as it stands in a frame.
fn changes_of(write: &LogWrite) -> Vec<Change<'_>> {
    match write {
        LogWrite::Vote(vote) => vec![Change::Vote(vote)],
        LogWrite::Append(entries) => {
            let entry = |entry| {
                let (index, bytes): &(u64, Bytes) = entry;
                let index = *index;
                Change::Entry { index, bytes }
            };
            entries.iter().map(entry).collect()
        }
        LogWrite::Truncate { from } => vec![Change::Truncate { from: *from }],
        LogWrite::Purge { through, mark } => vec![Change::Purge {
            through: *through,
            mark,
        }],
    }
}
