//! Why there is no connection between two nodes: reasons with names and advice, in words that go to
//! the other side. Not for the judgement: see `hello`.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::frame::PROTOCOL;

/// Why there is no connection. The number is its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Reason {
    WrongCluster = 1,
    UnknownNode = 2,
    WrongCertificateName = 3,
    OwnId = 4,
    DuplicateId = 5,
    ProtocolVersion = 6,
    WrongDirection = 7,
    OldIncarnation = 8,
    TooManyVisits = 9,
    Certificate = 10,
    NotUnderstood = 11,
    OtherNode = 12,
    Format = 13,
}

impl Reason {
    pub const ALL: [Reason; 13] = [
        Reason::WrongCluster,
        Reason::UnknownNode,
        Reason::WrongCertificateName,
        Reason::OwnId,
        Reason::DuplicateId,
        Reason::ProtocolVersion,
        Reason::WrongDirection,
        Reason::OldIncarnation,
        Reason::TooManyVisits,
        Reason::Certificate,
        Reason::NotUnderstood,
        Reason::OtherNode,
        Reason::Format,
    ];

    /// As operators read it.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::WrongCluster => "wrong cluster",
            Reason::UnknownNode => "unknown node",
            Reason::WrongCertificateName => "wrong name in the certificate",
            Reason::OwnId => "own node id",
            Reason::DuplicateId => "duplicate node id",
            Reason::ProtocolVersion => "other protocol version",
            Reason::WrongDirection => "wrong direction",
            Reason::OldIncarnation => "old incarnation",
            Reason::TooManyVisits => "too many visits",
            Reason::Certificate => "certificate not accepted",
            Reason::NotUnderstood => "not understood",
            Reason::OtherNode => "other node",
            Reason::Format => "other format",
        }
    }

    /// What to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Reason::WrongCluster => {
                "check the node's address in the topology, or join that node to this cluster"
            }
            Reason::UnknownNode => {
                "the node was removed or never joined: stop it, or join it with a new token"
            }
            Reason::WrongCertificateName => {
                "the node has another node's certificate: join it again to get its own"
            }
            Reason::OwnId => {
                "two nodes have one id, or the address leads back here: join one of them again \
                 with empty data, or correct the address"
            }
            Reason::DuplicateId => {
                "a second process runs under this id, with a copy of the data: stop it; to get \
                 another node, join it with empty data and a token"
            }
            Reason::ProtocolVersion => "bring both nodes to one release",
            Reason::WrongDirection => {
                "the node with the smaller id dials: compare the ids in both topologies"
            }
            Reason::OldIncarnation => {
                "the node runs on data that was replaced: stop it, and start the one that was \
                 joined in its place, or join it again with empty data"
            }
            Reason::TooManyVisits => {
                "spread the clients: too many come to another node than the one that serves them"
            }
            Reason::Certificate => {
                "another cluster's authority signed the certificate of one of both: correct the \
                 address, or join the node here with a token"
            }
            Reason::NotUnderstood => {
                "something that is no node of this release uses the port: stop it, or let only \
                 nodes reach the port"
            }
            Reason::OtherNode => "another node answers at this address: correct the topology",
            Reason::Format => {
                "one of both is of a version that may not share this cluster: install the version \
                 that the other nodes run (`pollux ctl cluster nodes` there)"
            }
        }
    }

    fn from_number(number: u8) -> Option<Reason> {
        Reason::ALL
            .into_iter()
            .find(|reason| *reason as u8 == number)
    }
}

/// A reason with its particulars; goes to the other side as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}: {text}")]
pub struct Refusal {
    pub reason: Reason,
    pub text: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A refusal's text on the wire; what is longer is cut.
const TEXT_BYTES_MAX: usize = 512;

impl Refusal {
    pub fn new(reason: Reason, text: impl Into<String>) -> Refusal {
        Refusal {
            reason,
            text: text.into(),
        }
    }

    pub fn version(theirs: u8) -> Refusal {
        Refusal::new(
            Reason::ProtocolVersion,
            format!("one side speaks version {PROTOCOL}, the other version {theirs}"),
        )
    }

    pub fn write(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(self.reason as u8);
        let end = self.text.floor_char_boundary(TEXT_BYTES_MAX);
        out.put_slice(&self.text.as_bytes()[..end]);
        out.freeze()
    }

    /// A reason that only a later version knows is not understood, but its words are kept.
    pub fn read(body: &[u8]) -> Refusal {
        let (number, text) = body.split_first().unwrap_or((&0, &[]));
        let reason = Reason::from_number(*number).unwrap_or(Reason::NotUnderstood);
        let text = String::from_utf8_lossy(&text[..text.len().min(TEXT_BYTES_MAX)]);
        // It goes into logs: no line of its own.
        Refusal::new(reason, text.replace(char::is_control, " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for reason in Reason::ALL {
            let one = Refusal::new(reason, "words");
            assert_eq!(Refusal::read(&one.write()), one);
            assert!(!reason.name().is_empty() && !reason.advice().is_empty());
        }
    }

    #[test]
    fn a_refusal_of_a_stranger_is_one_short_line() {
        let mut body = vec![200];
        body.extend_from_slice(&[b'\n'; 2_000]);
        let refusal = Refusal::read(&body);
        assert_eq!(refusal.reason, Reason::NotUnderstood);
        assert!(refusal.text.len() <= TEXT_BYTES_MAX && !refusal.text.contains('\n'));
        assert_eq!(Refusal::read(&[]).reason, Reason::NotUnderstood);
    }
}
