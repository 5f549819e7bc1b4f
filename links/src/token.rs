//! The text that lets one node join: which cluster, which authority, one secret, where to call. Not
//! for who may join: that is the admission's matter.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pollux_domain::ids::ClusterId;
use pollux_domain::seams::Rand;
use rustls::pki_types::CertificateDer;

use crate::authority;

/// Version, cluster, fingerprint of the authority, secret; then the address; then the checksum.
const VERSION: u8 = 1;
const FIXED_BYTES: usize = 1 + 16 + 32 + 16;
const CHECKSUM_BYTES: usize = 4;

/// A one-time token. Whoever has it can join one node: it is shown once and travels by a safe way.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub cluster: ClusterId,
    /// SHA-256 of the authority's certificate: the joining node trusts no other.
    pub authority: [u8; 32],
    pub secret: [u8; 16],
    /// Where to call if nobody says otherwise.
    pub address: String,
}

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is damaged: copy the whole of it")]
    Damaged,
    #[error("the token has version {0}, this program reads version {VERSION}")]
    Version(u8),
}

impl Token {
    /// A new one. The admission keeps its secret, or better a hash of it.
    pub fn make(
        cluster: ClusterId,
        authority: &CertificateDer<'_>,
        address: &str,
        rand: &dyn Rand,
    ) -> Token {
        Token {
            cluster,
            authority: authority::fingerprint(authority),
            secret: rand.token(),
            address: address.to_owned(),
        }
    }

    /// Reads what `Display` wrote; spaces around it do not matter.
    pub fn parse(text: &str) -> Result<Token, TokenError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(text.trim())
            .map_err(|_| TokenError::Damaged)?;
        let (body, sum) = bytes
            .split_last_chunk::<CHECKSUM_BYTES>()
            .ok_or(TokenError::Damaged)?;
        if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
            return Err(TokenError::Damaged);
        }
        match body.first() {
            Some(&VERSION) => {}
            Some(&version) => return Err(TokenError::Version(version)),
            None => return Err(TokenError::Damaged),
        }
        let fields = Self::fields(&body[1..]);
        fields.ok_or(TokenError::Damaged)
    }

    fn fields(body: &[u8]) -> Option<Token> {
        let (cluster, body) = body.split_first_chunk()?;
        let (authority, body) = body.split_first_chunk()?;
        let (secret, address) = body.split_first_chunk()?;
        Some(Token {
            cluster: ClusterId(*cluster),
            authority: *authority,
            secret: *secret,
            address: String::from_utf8(address.to_vec()).ok()?,
        })
    }
}

/// What a cluster keeps of a secret: nobody who reads it can join.
pub fn digest(secret: &[u8; 16]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(secret).into()
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.address.len() + CHECKSUM_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.cluster.0);
        bytes.extend_from_slice(&self.authority);
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(self.address.as_bytes());
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Without the secret, so that it may stand in a log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("cluster", &self.cluster)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            cluster: ClusterId([1; 16]),
            authority: [2; 32],
            secret: [3; 16],
            address: "node1.example.org:7400".to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let text = token().to_string();
        assert_eq!(Token::parse(&format!(" {text}\n")), Ok(token()));
        let bare = Token {
            address: String::new(),
            ..token()
        };
        assert_eq!(Token::parse(&bare.to_string()), Ok(bare));
    }

    #[test]
    fn a_token_that_is_cut_or_changed_is_damaged() {
        let text = token().to_string();
        for length in 0..text.len() {
            assert_eq!(Token::parse(&text[..length]), Err(TokenError::Damaged));
        }
        let changed = text.replace(&text[20..24], "????");
        assert_eq!(Token::parse(&changed), Err(TokenError::Damaged));
        assert_eq!(Token::parse("é"), Err(TokenError::Damaged));
    }

    #[test]
    fn a_later_version_says_so() {
        let mut bytes = vec![9, 1, 2, 3];
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        let text = URL_SAFE_NO_PAD.encode(bytes);
        assert_eq!(Token::parse(&text), Err(TokenError::Version(9)));
    }

    #[test]
    fn the_secret_stays_out_of_the_log() {
        let text = format!(
            "{:?}",
            Token {
                secret: [201; 16],
                ..token()
            }
        );
        assert!(!text.contains("201"), "{text}");
    }
}
