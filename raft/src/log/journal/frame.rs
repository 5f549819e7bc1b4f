//! The bytes of a journal: the header of a segment, and frames, each with all the changes of one
//! flush. Reads whatever comes without panic. Not for where the bytes are kept.
//!
//! ```text
//!  segment:  magic 8, version 2, zero 2, salt 8, number 8, first frame 8, checksum 4
//!            frame, frame, …, each at a multiple of 8; behind the last there are zeros
//!  frame:    magic 4, length of the body 4, number 8, checksum of the body 4, checksum 4; body
//!  body:     changes: kind 1, then what belongs to it
//! ```
//! All numbers are little-endian. Frames are numbered through all segments. The checksum of a
//! frame's header begins with the salt, which nobody outside knows: no text that a client sends can
//! be taken for a frame.

use std::io;

/// Only a segment of this journal begins with it.
const SEGMENT_MAGIC: [u8; 8] = *b"PolluxLg";
/// Of the form of segments and frames.
const VERSION: u16 = 1;
pub(super) const SEGMENT_HEADER_BYTES: usize = 40;

const FRAME_MAGIC: [u8; 4] = *b"Frm\x01";
pub(super) const FRAME_HEADER_BYTES: usize = 24;
/// Frames begin at multiples of this.
const ALIGNMENT: usize = 8;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// The same in all segments of one journal.
    pub(super) salt: u64,
    pub(super) number: u64,
    /// The number of its first frame.
    pub(super) first_frame: u64,
}

/// One change, as it stands in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change<'a> {
    Vote(&'a [u8]),
    Entry {
        index: u64,
        bytes: &'a [u8],
    },
    Truncate {
        from: u64,
    },
    Purge {
        through: u64,
        mark: &'a [u8],
    },
    /// At the beginning of a segment: entries before this one are in earlier segments, or were
    /// purged.
    Earlier {
        next: u64,
    },
}

impl Change<'_> {
    /// Bytes of an entry; 0 of all else.
    pub(super) fn entry_length(&self) -> u32 {
        match self {
            Change::Entry { bytes, .. } => bytes.len() as u32,
            _ => 0,
        }
    }
}

/// What stands where a frame could begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Frame {
        body: &'a [u8],
        /// Where the next one begins.
        end: usize,
    },
    /// No frame, or not all of one.
    Nothing,
}

impl SegmentHeader {
    pub(super) fn to_bytes(self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.salt.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.number.to_le_bytes());
        bytes[28..36].copy_from_slice(&self.first_frame.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..36]);
        bytes[36..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// A later version is of the kind `Unsupported`, all else that does not fit `InvalidData`.
    pub(super) fn read(bytes: &[u8]) -> io::Result<SegmentHeader> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let header = bytes
            .first_chunk::<SEGMENT_HEADER_BYTES>()
            .ok_or_else(|| invalid("a segment is shorter than its header"))?;
        let (fields, sum) = header.split_at(36);
        if !header.starts_with(&SEGMENT_MAGIC) || number(sum, 0) != crc32fast::hash(fields) {
            return Err(invalid("a segment's header does not fit its checksum"));
        }
        let version = u16::from_le_bytes([header[8], header[9]]);
        if VERSION < version {
            let what = format!("the journal has version {version}, this program reads {VERSION}");
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        }
        Ok(SegmentHeader {
            salt: long(header, 12),
            number: long(header, 20),
            first_frame: long(header, 28),
        })
    }
}

/// A frame that is being written. Its buffer is used again and again.
#[derive(Debug, Default)]
pub(super) struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    /// Forgets what it was.
    pub(super) fn clear(&mut self) {
        // One of a great entry does not keep its memory for ever.
        const KEPT: usize = 256 * 1024;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.bytes.resize(FRAME_HEADER_BYTES, 0);
    }

    /// Returns where the bytes of an entry stand, counted from the beginning of the frame.
    pub(super) fn push(&mut self, change: &Change<'_>) -> usize {
        let (kind, number, bytes): (u8, Option<u64>, Option<&[u8]>) = match *change {
            Change::Vote(vote) => (1, None, Some(vote)),
            Change::Entry { index, bytes } => (2, Some(index), Some(bytes)),
            Change::Truncate { from } => (3, Some(from), None),
            Change::Purge { through, mark } => (4, Some(through), Some(mark)),
            Change::Earlier { next } => (5, Some(next), None),
        };
        self.bytes.push(kind);
        if let Some(number) = number {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
        let length = bytes.map_or(0, <[u8]>::len) as u32;
        if bytes.is_some() {
            self.bytes.extend_from_slice(&length.to_le_bytes());
        }
        let place = self.bytes.len();
        self.bytes.extend_from_slice(bytes.unwrap_or_default());
        place
    }

    /// The whole frame, as long as frames are apart.
    pub(super) fn seal(&mut self, salt: u64, number: u64) -> io::Result<&[u8]> {
        let body = &self.bytes[FRAME_HEADER_BYTES..];
        let length = u32::try_from(body.len())
            .map_err(|_| io::Error::other("a frame of the log would be larger than 4 GiB"))?;
        let body_sum = crc32fast::hash(body);
        let header = &mut self.bytes[..FRAME_HEADER_BYTES];
        header[..4].copy_from_slice(&FRAME_MAGIC);
        header[4..8].copy_from_slice(&length.to_le_bytes());
        header[8..16].copy_from_slice(&number.to_le_bytes());
        header[16..20].copy_from_slice(&body_sum.to_le_bytes());
        let sum = header_sum(salt, &header[..20]);
        header[20..].copy_from_slice(&sum.to_le_bytes());
        let whole = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(whole, 0);
        Ok(&self.bytes)
    }
}

/// The frame of this number, if it is at this place, whole.
pub(super) fn frame_at(segment: &[u8], at: usize, salt: u64, expected: u64) -> Found<'_> {
    let Some((header, rest)) = header_at(segment, at, salt) else {
        return Found::Nothing;
    };
    let length = number(header, 4) as usize;
    match rest.get(..length) {
        Some(body)
            if long(header, 8) == expected && crc32fast::hash(body) == number(header, 16) =>
        {
            let end = (at + FRAME_HEADER_BYTES + length).next_multiple_of(ALIGNMENT);
            Found::Frame { body, end }
        }
        _ => Found::Nothing,
    }
}

/// Disks write a sector whole or not at all, of whatever size from this on.
const SECTOR: usize = 512;

/// Whether what stands at `at` can be what is left of one frame that was being written there, over
/// zeros: some sectors of it are there and others are zero. Else something that was whole is
/// damaged.
pub(super) fn may_be_torn(segment: &[u8], at: usize, salt: u64, expected: u64) -> bool {
    let rest = segment.get(at..).unwrap_or_default();
    let zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    if let Some((header, behind)) = header_at(segment, at, salt) {
        let end = (number(header, 4) as usize).next_multiple_of(ALIGNMENT);
        let behind = behind.get(end..);
        return long(header, 8) == expected && behind.is_some_and(zero);
    }
    let head = rest.get(..FRAME_HEADER_BYTES).unwrap_or(rest);
    let divided = SECTOR < at % SECTOR + FRAME_HEADER_BYTES;
    (zero(head) || divided) && !is_followed(segment, at, salt, expected)
}

/// Whether a frame of this journal with a greater number than `last` stands anywhere behind `at`.
fn is_followed(segment: &[u8], at: usize, salt: u64, last: u64) -> bool {
    let later =
        |at: usize| header_at(segment, at, salt).is_some_and(|(header, _)| last < long(header, 8));
    (at..segment.len()).step_by(ALIGNMENT).any(later)
}

/// The header that stands there, if one does, and all that is behind it.
fn header_at(segment: &[u8], at: usize, salt: u64) -> Option<(&[u8; FRAME_HEADER_BYTES], &[u8])> {
    let (header, rest) = segment
        .get(at..)?
        .split_first_chunk::<FRAME_HEADER_BYTES>()?;
    let fits =
        header.starts_with(&FRAME_MAGIC) && header_sum(salt, &header[..20]) == number(header, 20);
    fits.then_some((header, rest))
}

/// The changes of a body in their order, each with where its bytes stand in the body. Ends with an
/// error where the body is not what its length says.
pub(super) fn changes(body: &[u8]) -> impl Iterator<Item = io::Result<(Change<'_>, usize)>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if body.len() <= at {
            return None;
        }
        let read = change_at(body, &mut at);
        if read.is_none() {
            at = body.len();
        }
        let unknown = || io::Error::new(io::ErrorKind::InvalidData, "an unknown change of the log");
        Some(read.ok_or_else(unknown))
    })
}

fn change_at<'a>(body: &'a [u8], at: &mut usize) -> Option<(Change<'a>, usize)> {
    let kind = *body.get(*at)?;
    *at += 1;
    let change = match kind {
        1 => Change::Vote(take_bytes(body, at)?),
        2 => Change::Entry {
            index: take_long(body, at)?,
            bytes: take_bytes(body, at)?,
        },
        3 => Change::Truncate {
            from: take_long(body, at)?,
        },
        4 => Change::Purge {
            through: take_long(body, at)?,
            mark: take_bytes(body, at)?,
        },
        5 => Change::Earlier {
            next: take_long(body, at)?,
        },
        _ => return None,
    };
    Some((change, *at - change.entry_length() as usize))
}

fn take_long(body: &[u8], at: &mut usize) -> Option<u64> {
    let bytes = body.get(*at..)?.first_chunk::<8>()?;
    *at += 8;
    Some(u64::from_le_bytes(*bytes))
}

fn take_bytes<'a>(body: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(*body.get(*at..)?.first_chunk::<4>()?) as usize;
    let bytes = body.get(*at + 4..)?.get(..length)?;
    *at += 4 + length;
    Some(bytes)
}

fn header_sum(salt: u64, fields: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&salt.to_le_bytes());
    sum.update(fields);
    sum.finalize()
}

/// Of bytes that are known to be there.
fn number(bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    field.map_or(0, |field| u32::from_le_bytes(*field))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
    field.map_or(0, |field| u64::from_le_bytes(*field))
}

#[cfg(test)]
#[path = "frame_test.rs"]
mod tests;
