//! Records on disk and between nodes: a version, a checksum, then the value by bincode. Nothing is
//! decoded without a limit.

use std::cell::RefCell;
use std::io::{self, Write};

use bincode::Options;
use pollux_domain::limits;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// `u16` version, `u32` checksum of all that follows, both little-endian.
const HEADER_BYTES: usize = 6;

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("the record is shorter than its header")]
    Short,
    #[error("the record's checksum does not fit its content")]
    Checksum,
    #[error("the record has version {found}, this program reads up to {known}")]
    Version { found: u16, known: u16 },
    #[error("the record does not decode: {0}")]
    Content(#[from] bincode::Error),
}

impl From<CodecError> for io::Error {
    /// What a later release wrote is not damaged: it is of another kind than what cannot be read.
    fn from(error: CodecError) -> io::Error {
        let kind = match error {
            CodecError::Version { .. } => io::ErrorKind::Unsupported,
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

fn options() -> impl Options {
    bincode::options()
        .with_limit(limits::RECORD_BYTES_MAX as u64)
        .with_varint_encoding()
}

/// Takes no more than a record may have. bincode's own limit would go through each value twice,
/// once to count.
struct Bounded<'a>(&'a mut Vec<u8>);

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if limits::RECORD_BYTES_MAX < self.0.len() + bytes.len() {
            return Err(io::Error::other("it is larger than a record may be"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes one record. Fails only for a value beyond [`limits::RECORD_BYTES_MAX`].
pub fn encode<T: Serialize>(version: u16, value: &T) -> Result<Vec<u8>, CodecError> {
    drafted(|out| {
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        write(out, value)?;
        let sum = crc32fast::hash(&out[HEADER_BYTES..]);
        out[2..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
        Ok(())
    })
}

/// Reads one record of a version up to `known`.
pub fn decode<T: DeserializeOwned>(known: u16, record: &[u8]) -> Result<T, CodecError> {
    let body = verify(known, record)?;
    Ok(options().deserialize(body)?)
}

/// The bytes of a value that stands within a record, which has the version and the checksum.
pub fn encode_within<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    drafted(|out| write(out, value))
}

thread_local! {
    /// Where this thread has written before. Values stand within each other, so there are several.
    static DRAFTS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A draft that grew beyond this is not kept.
const DRAFT_BYTES_MAX: usize = 256 * 1024;

/// What `write` writes; what is not large in a vector without room to spare. It is written where
/// there is room: a vector that grows with a value is copied several times.
fn drafted(
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
) -> Result<Vec<u8>, CodecError> {
    let mut draft = DRAFTS.with_borrow_mut(Vec::pop).unwrap_or_default();
    draft.clear();
    let written = write(&mut draft);
    if DRAFT_BYTES_MAX < draft.capacity() {
        return written.map(|()| draft);
    }
    let written = written.map(|()| draft.as_slice().into());
    DRAFTS.with_borrow_mut(|drafts| drafts.push(draft));
    written
}

fn write<T: Serialize>(out: &mut Vec<u8>, value: &T) -> Result<(), CodecError> {
    let unlimited = options().with_no_limit();
    Ok(unlimited.serialize_into(Bounded(out), value)?)
}

/// Reads what [`encode_within`] has written.
pub fn decode_within<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    Ok(options().deserialize(bytes)?)
}

/// How many elements the sequence has that [`encode_within`] has written; they are not looked at.
pub fn count_within(bytes: &[u8]) -> Result<usize, CodecError> {
    let count: u64 = options().allow_trailing_bytes().deserialize(bytes)?;
    usize::try_from(count).map_err(|_| CodecError::Short)
}

/// Checks version and checksum without decoding.
pub fn verify(known: u16, record: &[u8]) -> Result<&[u8], CodecError> {
    let Some((header, body)) = record.split_at_checked(HEADER_BYTES) else {
        return Err(CodecError::Short);
    };
    let found = u16::from_le_bytes([header[0], header[1]]);
    if known < found {
        return Err(CodecError::Version { found, known });
    }
    let sum = u32::from_le_bytes([header[2], header[3], header[4], header[5]]);
    if crc32fast::hash(body) != sum {
        return Err(CodecError::Checksum);
    }
    Ok(body)
}

/// A checksum of a value, equal for equal values on all nodes.
pub fn digest<T: Serialize>(value: &T) -> Result<u32, CodecError> {
    Ok(crc32fast::hash(&options().serialize(value)?))
}

/// A checksum of bytes as they are.
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let record = encode(3, &("text", 7u64)).unwrap();
        let back: (String, u64) = decode(3, &record).unwrap();
        assert_eq!(back, ("text".to_owned(), 7));
    }

    #[test]
    fn damage_of_any_byte_is_noticed() {
        let record = encode(1, &vec![1u8; 40]).unwrap();
        for index in 0..record.len() {
            let mut damaged = record.clone();
            damaged[index] ^= 0x10;
            assert!(decode::<Vec<u8>>(1, &damaged).is_err(), "byte {index}");
        }
        for length in 0..record.len() {
            assert!(
                decode::<Vec<u8>>(1, &record[..length]).is_err(),
                "length {length}"
            );
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let record = encode(9, &1u8).unwrap();
        let error = decode::<u8>(8, &record).unwrap_err();
        assert!(matches!(error, CodecError::Version { found: 9, known: 8 }));
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::Unsupported);
        let damaged = decode::<u8>(9, &record[..6]).unwrap_err();
        assert_eq!(io::Error::from(damaged).kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        let mut record = encode(1, &vec![0u8; 4]).unwrap();
        record.truncate(HEADER_BYTES);
        record.extend_from_slice(&[253, 255, 255, 255, 255, 255, 255, 255, 127]);
        let sum = crc32fast::hash(&record[HEADER_BYTES..]);
        record[2..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
        assert!(matches!(
            decode::<Vec<u8>>(1, &record),
            Err(CodecError::Content(_))
        ));
    }
}
