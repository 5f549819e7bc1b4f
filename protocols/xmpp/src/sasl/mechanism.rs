//! The mechanisms that are spoken here, strongest first. Not for their messages: see `scram`.

use super::scram::ScramHash;
use crate::names::named;

named! {
    /// In the order of preference in which they are offered (RFC 6120 section 6.3.3). Both are
    /// known by names of RFC 5802 section 4 and RFC 7677 section 3; the variants with channel
    /// binding are not offered.
    Mechanism {
        ScramSha256 = "SCRAM-SHA-256",
        ScramSha1 = "SCRAM-SHA-1",
    }
}

impl Mechanism {
    pub fn hash(self) -> ScramHash {
        match self {
            Mechanism::ScramSha256 => ScramHash::Sha256,
            Mechanism::ScramSha1 => ScramHash::Sha1,
        }
    }
}
