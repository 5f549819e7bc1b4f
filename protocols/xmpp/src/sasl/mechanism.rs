//! The mechanisms that are spoken here, strongest first. Not for their messages: see `scram`.

use super::scram::ScramHash;
use crate::names::named;

named! {
    /// In the order of preference in which they are offered (RFC 6120 sections 6.3.3, 6.3.4). The
    /// names are those of RFC 5802 section 4, RFC 7677 section 3, RFC 4616, RFC 4422 appendix A and
    /// the IANA registry; those with PLUS bind to the channel.
    Mechanism {
        External = "EXTERNAL",
        ScramSha512Plus = "SCRAM-SHA-512-PLUS",
        ScramSha256Plus = "SCRAM-SHA-256-PLUS",
        ScramSha1Plus = "SCRAM-SHA-1-PLUS",
        ScramSha512 = "SCRAM-SHA-512",
        ScramSha256 = "SCRAM-SHA-256",
        ScramSha1 = "SCRAM-SHA-1",
        Plain = "PLAIN",
    }
}

impl Mechanism {
    /// None where it is not SCRAM.
    pub fn hash(self) -> Option<ScramHash> {
        match self {
            Mechanism::ScramSha512 | Mechanism::ScramSha512Plus => Some(ScramHash::Sha512),
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => Some(ScramHash::Sha256),
            Mechanism::ScramSha1 | Mechanism::ScramSha1Plus => Some(ScramHash::Sha1),
            Mechanism::External | Mechanism::Plain => None,
        }
    }

    /// Whether it binds to the channel below.
    pub fn binds(self) -> bool {
        match self {
            Mechanism::ScramSha512Plus | Mechanism::ScramSha256Plus | Mechanism::ScramSha1Plus => {
                true
            }
            Mechanism::External
            | Mechanism::ScramSha512
            | Mechanism::ScramSha256
            | Mechanism::ScramSha1
            | Mechanism::Plain => false,
        }
    }
}
