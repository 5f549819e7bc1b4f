//! The three functions of RFC 5802 section 2.2 for each hash. Not for messages.

use hmac::{Hmac, KeyInit, Mac};
use pollux_domain::hashes::Hashes;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::sasl::Secret;

/// Which hash the mechanism has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ScramHash {
    Sha1,
    Sha256,
    Sha512,
}

impl ScramHash {
    /// Weakest first.
    pub const ALL: [ScramHash; 3] = [ScramHash::Sha1, ScramHash::Sha256, ScramHash::Sha512];

    /// The mechanism that does not bind to the channel.
    pub fn mechanism(self) -> &'static str {
        match self {
            ScramHash::Sha1 => "SCRAM-SHA-1",
            ScramHash::Sha256 => "SCRAM-SHA-256",
            ScramHash::Sha512 => "SCRAM-SHA-512",
        }
    }

    pub fn is_of(self, hashes: Hashes) -> bool {
        match self {
            ScramHash::Sha1 => hashes.sha1,
            ScramHash::Sha256 => hashes.sha256,
            ScramHash::Sha512 => hashes.sha512,
        }
    }

    /// Octets of its output.
    pub fn len(self) -> usize {
        match self {
            ScramHash::Sha1 => 20,
            ScramHash::Sha256 => 32,
            ScramHash::Sha512 => 64,
        }
    }

    /// Never: for those who ask because there is a length.
    pub fn is_empty(self) -> bool {
        false
    }

    /// `H(str)`.
    pub(in crate::sasl) fn digest(self, octets: &[u8]) -> Secret {
        match self {
            ScramHash::Sha1 => Secret::new(Sha1::digest(octets).to_vec()),
            ScramHash::Sha256 => Secret::new(Sha256::digest(octets).to_vec()),
            ScramHash::Sha512 => Secret::new(Sha512::digest(octets).to_vec()),
        }
    }

    /// `HMAC(key, str)`; the string comes in pieces.
    pub(crate) fn hmac(self, key: &[u8], pieces: &[&[u8]]) -> Secret {
        match self {
            ScramHash::Sha1 => mac(Hmac::<Sha1>::new_from_slice(key), pieces),
            ScramHash::Sha256 => mac(Hmac::<Sha256>::new_from_slice(key), pieces),
            ScramHash::Sha512 => mac(Hmac::<Sha512>::new_from_slice(key), pieces),
        }
    }

    /// `Hi(str, salt, i)`, which is PBKDF2. Slow on purpose.
    pub(super) fn stretch(self, password: &[u8], salt: &[u8], iterations: u32) -> Secret {
        let mut output = vec![0; self.len()];
        match self {
            ScramHash::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut output),
            ScramHash::Sha256 => {
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut output);
            }
            ScramHash::Sha512 => {
                pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut output);
            }
        }
        Secret::new(output)
    }
}

fn mac<M: Mac>(mac: Result<M, hmac::digest::InvalidLength>, pieces: &[&[u8]]) -> Secret {
    let mut mac = mac.expect("HMAC takes a key of any length");
    for piece in pieces {
        mac.update(piece);
    }
    Secret::new(mac.finalize().into_bytes().to_vec())
}

/// `a XOR b`, of equal length.
pub(super) fn xor(a: &[u8], b: &[u8]) -> Secret {
    Secret::new(a.iter().zip(b).map(|(a, b)| a ^ b).collect())
}
