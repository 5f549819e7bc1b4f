//! The frame of a link: 17 bytes of header, a checksum over header and body, the body. Decodes
//! whatever comes without panic, and believes no length before it has checked it. Not for what a
//! frame means.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The version of everything that is said between nodes. The form of a header and of a refusal
/// stays the same in all versions, so that two versions can tell each other what is wrong.
pub const PROTOCOL: u8 = 1;

/// No version will be larger, so that text is not taken for one.
const VERSION_MAX: u8 = 31;

/// Version, kind, subject: a byte each. Group: two. Id, length of the body, checksum: four each.
/// All little-endian.
pub const HEADER_BYTES: usize = 17;

/// Where the checksum stands in the header; it covers what is before it, and the body.
const CHECKSUM_AT: usize = 13;

/// What a frame is for. The number is its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Who the caller is, and what for.
    Hello = 1,
    /// Who the called one is: the connection stands.
    Welcome = 2,
    /// Why there is no connection.
    Refusal = 3,
    Tell = 4,
    Ask = 5,
    Answer = 6,
    /// The other side could not answer: words.
    Refused = 7,
    NoSuchTopic = 8,
    Ping = 9,
    Pong = 10,
    /// What a visit is about; raw bytes follow.
    Header = 11,
    /// A request to join the cluster.
    Join = 12,
    /// The answer to it.
    Grant = 13,
}

impl Kind {
    pub const ALL: [Kind; 13] = [
        Kind::Hello,
        Kind::Welcome,
        Kind::Refusal,
        Kind::Tell,
        Kind::Ask,
        Kind::Answer,
        Kind::Refused,
        Kind::NoSuchTopic,
        Kind::Ping,
        Kind::Pong,
        Kind::Header,
        Kind::Join,
        Kind::Grant,
    ];

    fn from_number(number: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// One message on the wire. Subject and group are numbers here: an unknown subject is answered, not
/// an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: Kind,
    pub subject: u8,
    pub group: u16,
    pub id: u32,
    pub body: Bytes,
}

impl Frame {
    /// One without a topic.
    pub fn plain(kind: Kind, id: u32, body: Bytes) -> Frame {
        Frame {
            kind,
            subject: 0,
            group: 0,
            id,
            body,
        }
    }

    /// Bytes on the wire.
    pub fn length(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }

    /// Appends it. The sender has checked the length of the body against its lane.
    pub fn write(&self, out: &mut BytesMut) {
        out.reserve(self.length());
        let start = out.len();
        out.put_u8(PROTOCOL);
        out.put_u8(self.kind as u8);
        out.put_u8(self.subject);
        out.put_u16_le(self.group);
        out.put_u32_le(self.id);
        let length = u32::try_from(self.body.len()).expect("lanes allow far less than 4 GiB");
        out.put_u32_le(length);
        let sum = checksum(&out[start..], &self.body);
        out.put_u32_le(sum);
        out.put_slice(&self.body);
    }
}

/// Why bytes are no frame. The connection that brought them has no future.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("protocol version {found}, this node speaks {PROTOCOL}")]
    Version { found: u8 },
    #[error("the first byte is {0}, which is no version")]
    Foreign(u8),
    #[error("no frame has the kind {0}")]
    Kind(u8),
    #[error("a body of {length} bytes, at most {max} are allowed here")]
    TooLong { length: usize, max: usize },
    #[error("the checksum does not fit")]
    Checksum,
}

/// Cuts frames out of bytes as they come.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    body_max: usize,
}

impl Decoder {
    pub fn new(body_max: usize) -> Decoder {
        Decoder {
            buffer: BytesMut::new(),
            body_max,
        }
    }

    /// Where the next bytes go.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole frame. After an error there is none.
    pub fn frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<HEADER_BYTES>() else {
            // A wrong version is known from the first byte on: its header may be shorter.
            if let Some(&first) = self.buffer.first() {
                Header::version(first)?;
            }
            return Ok(None);
        };
        let header = Header::read(header, self.body_max)?;
        if self.buffer.len() < HEADER_BYTES + header.length {
            self.buffer
                .reserve(HEADER_BYTES + header.length - self.buffer.len());
            return Ok(None);
        }
        let whole = self.buffer.split_to(HEADER_BYTES + header.length).freeze();
        let body = whole.slice(HEADER_BYTES..);
        header.verify(&whole[..CHECKSUM_AT], &body)?;
        Ok(Some(header.with(body)))
    }
}

/// A header whose length is allowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    kind: Kind,
    subject: u8,
    group: u16,
    id: u32,
    pub(crate) length: usize,
    checksum: u32,
}

impl Header {
    /// Judges the first byte: all others depend on it.
    pub(crate) fn version(found: u8) -> Result<(), FrameError> {
        match found {
            PROTOCOL => Ok(()),
            0 => Err(FrameError::Foreign(found)),
            _ if VERSION_MAX < found => Err(FrameError::Foreign(found)),
            _ => Err(FrameError::Version { found }),
        }
    }

    pub(crate) fn read(bytes: &[u8; HEADER_BYTES], max: usize) -> Result<Header, FrameError> {
        let mut fields = &bytes[..];
        Header::version(fields.get_u8())?;
        let number = fields.get_u8();
        let kind = Kind::from_number(number).ok_or(FrameError::Kind(number))?;
        let header = Header {
            kind,
            subject: fields.get_u8(),
            group: fields.get_u16_le(),
            id: fields.get_u32_le(),
            length: fields.get_u32_le() as usize,
            checksum: fields.get_u32_le(),
        };
        if max < header.length {
            let length = header.length;
            return Err(FrameError::TooLong { length, max });
        }
        Ok(header)
    }

    pub(crate) fn verify(&self, head: &[u8], body: &[u8]) -> Result<(), FrameError> {
        if checksum(head.get(..CHECKSUM_AT).unwrap_or(head), body) == self.checksum {
            Ok(())
        } else {
            Err(FrameError::Checksum)
        }
    }

    pub(crate) fn with(self, body: Bytes) -> Frame {
        Frame {
            kind: self.kind,
            subject: self.subject,
            group: self.group,
            id: self.id,
            body,
        }
    }
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(head);
    sum.update(body);
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(body: &[u8]) -> Frame {
        Frame {
            kind: Kind::Ask,
            subject: 3,
            group: 513,
            id: 0x0102_0304,
            body: Bytes::copy_from_slice(body),
        }
    }

    fn written(frame: &Frame) -> BytesMut {
        let mut out = BytesMut::new();
        frame.write(&mut out);
        out
    }

    fn read(bytes: &[u8], max: usize) -> Result<Option<Frame>, FrameError> {
        let mut decoder = Decoder::new(max);
        decoder.buffer().extend_from_slice(bytes);
        decoder.frame()
    }

    #[test]
    fn the_header_is_what_the_book_says() {
        let bytes = written(&frame(b"ab"));
        assert_eq!(bytes[..13], [1, 5, 3, 1, 2, 4, 3, 2, 1, 2, 0, 0, 0]);
        assert_eq!(bytes[17..], *b"ab");
    }

    #[test]
    fn what_is_no_frame_is_named() {
        let good = written(&frame(b"abc"));
        let with = |at: usize, value: u8| {
            let mut bytes = good.to_vec();
            bytes[at] = value;
            bytes
        };
        let cases = [
            (with(0, 2), FrameError::Version { found: 2 }),
            (vec![b'G'], FrameError::Foreign(b'G')),
            (with(1, 99), FrameError::Kind(99)),
            (with(9, 5), FrameError::TooLong { length: 5, max: 4 }),
            (
                with(12, 255),
                FrameError::TooLong {
                    length: 0xff00_0003,
                    max: 4,
                },
            ),
            (with(2, 4), FrameError::Checksum),
            (with(13, !good[13]), FrameError::Checksum),
            (with(19, b'C'), FrameError::Checksum),
        ];
        for (bytes, expected) in cases {
            assert_eq!(read(&bytes, 4), Err(expected));
        }
    }

    #[test]
    fn a_part_waits_for_the_rest() {
        let bytes = written(&frame(b"abc"));
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length], 4), Ok(None), "length {length}");
        }
    }

    fn any_frame() -> impl Strategy<Value = Frame> {
        let body = prop::collection::vec(any::<u8>(), 0..200);
        let topic = (any::<u8>(), any::<u16>());
        (0usize..13, topic, any::<u32>(), body).prop_map(|(kind, topic, id, body)| Frame {
            kind: Kind::ALL[kind],
            subject: topic.0,
            group: topic.1,
            id,
            body: body.into(),
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_however_it_is_cut(
            frames in prop::collection::vec(any_frame(), 1..8),
            piece in 1usize..64,
        ) {
            let mut bytes = BytesMut::new();
            frames.iter().for_each(|frame| frame.write(&mut bytes));
            let mut decoder = Decoder::new(200);
            let mut back = Vec::new();
            for part in bytes.chunks(piece) {
                decoder.buffer().extend_from_slice(part);
                while let Some(frame) = decoder.frame().unwrap() {
                    back.push(frame);
                }
            }
            prop_assert_eq!(back, frames);
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..300),
            good in any::<bool>(),
        ) {
            if good && 2 <= bytes.len() {
                bytes[0] = PROTOCOL;
                bytes[1] = bytes[1] % 13 + 1;
            }
            let mut decoder = Decoder::new(256);
            decoder.buffer().extend_from_slice(&bytes);
            while let Ok(Some(_)) = decoder.frame() {}
            prop_assert!(decoder.buffer().capacity() <= 1_024);
        }
    }
}
