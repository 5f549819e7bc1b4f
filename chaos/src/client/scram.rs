//! SCRAM-SHA-1 and SCRAM-SHA-256 from the client's side (RFC 5802, RFC 7677), without channel
//! binding.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::Error;
use super::keys::{KeyCache, Keys};

/// RFC 5802, 5.1: servers should announce at least this many.
const ITERATIONS_MIN: u32 = 4096;
/// What the client is ready to compute before it calls the server hostile.
const ITERATIONS_MAX: u32 = 1_000_000;
const GS2_HEADER: &str = "n,,";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    ScramSha1,
    ScramSha256,
}

impl Mechanism {
    pub const ALL: [Mechanism; 2] = [Mechanism::ScramSha256, Mechanism::ScramSha1];

    pub fn name(self) -> &'static str {
        match self {
            Mechanism::ScramSha1 => "SCRAM-SHA-1",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
        }
    }

    pub fn hash(self, data: &[u8]) -> Vec<u8> {
        match self {
            Mechanism::ScramSha1 => Sha1::digest(data).to_vec(),
            Mechanism::ScramSha256 => Sha256::digest(data).to_vec(),
        }
    }

    pub fn hmac(self, key: &[u8], data: &[u8]) -> Result<Vec<u8>, Error> {
        let refused = |_| Error::Unsendable("a key that HMAC refuses");
        Ok(match self {
            Mechanism::ScramSha1 => {
                let mac = Hmac::<Sha1>::new_from_slice(key).map_err(refused)?;
                mac.chain_update(data).finalize().into_bytes().to_vec()
            }
            Mechanism::ScramSha256 => {
                let mac = Hmac::<Sha256>::new_from_slice(key).map_err(refused)?;
                mac.chain_update(data).finalize().into_bytes().to_vec()
            }
        })
    }

    /// `Hi()` of RFC 5802.
    pub(super) fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        match self {
            Mechanism::ScramSha1 => {
                pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(password, salt, iterations).to_vec()
            }
            Mechanism::ScramSha256 => {
                pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations).to_vec()
            }
        }
    }
}

/// One exchange: `first` goes out, `answer` takes the challenge, `verify` takes the server's last
/// word.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    nonce: String,
    first_bare: String,
    server_signature: Vec<u8>,
}

impl Exchange {
    pub fn new(mechanism: Mechanism, user: &str, nonce: String) -> Result<Self, Error> {
        let user = stringprep::saslprep(user).map_err(|_| Error::Unsendable("user name"))?;
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let first_bare = format!("n={user},r={nonce}");
        Ok(Exchange {
            mechanism,
            nonce,
            first_bare,
            server_signature: Vec::new(),
        })
    }

    pub fn first(&self) -> String {
        format!("{GS2_HEADER}{}", self.first_bare)
    }

    /// The client's proof for the server's challenge.
    pub fn answer(
        &mut self,
        challenge: &str,
        password: &str,
        cache: &KeyCache,
    ) -> Result<String, Error> {
        let (nonce, salt, iterations) = self.read_challenge(challenge)?;
        let keys = cache.keys(self.mechanism, password, &salt, iterations)?;
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(GS2_HEADER));
        let auth_message = format!("{},{challenge},{without_proof}", self.first_bare);
        let proof = self.proof(&keys, auth_message.as_bytes())?;
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }

    /// Whether the server has proved that it knows the password too.
    pub fn verify(&self, last: &str) -> Result<(), Error> {
        let Some(signature) = last
            .split(',')
            .next()
            .and_then(|first| first.strip_prefix("v="))
        else {
            return Err(Error::protocol("SCRAM ends without the server's signature"));
        };
        let signature = STANDARD.decode(signature).unwrap_or_default();
        if self.server_signature.is_empty() || signature.ct_ne(&self.server_signature).into() {
            return Err(Error::protocol("the server's SCRAM signature is wrong"));
        }
        Ok(())
    }

    fn read_challenge<'a>(&self, challenge: &'a str) -> Result<(&'a str, Vec<u8>, u32), Error> {
        let broken = || Error::protocol(format!("SCRAM challenge {challenge:?}"));
        let mut parts = challenge.split(',');
        let mut part = |key: &str| parts.next().and_then(|part| part.strip_prefix(key));
        let nonce = part("r=").ok_or_else(broken)?;
        let salt = part("s=")
            .and_then(|salt| STANDARD.decode(salt).ok())
            .ok_or_else(broken)?;
        let iterations = part("i=").and_then(|i| i.parse().ok()).ok_or_else(broken)?;
        let extended = nonce.len() > self.nonce.len() && nonce.starts_with(&self.nonce);
        if !extended || salt.is_empty() || !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations)
        {
            return Err(broken());
        }
        Ok((nonce, salt, iterations))
    }

    fn proof(&mut self, keys: &Keys, auth_message: &[u8]) -> Result<Vec<u8>, Error> {
        self.server_signature = self.mechanism.hmac(&keys.server_key, auth_message)?;
        let signature = self.mechanism.hmac(&keys.stored_key, auth_message)?;
        Ok(keys
            .client_key
            .iter()
            .zip(signature)
            .map(|(key, byte)| key ^ byte)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Exchange, KeyCache, Mechanism};

    fn check(mechanism: Mechanism, nonce: &str, challenge: &str, answer: &str, last: &str) {
        let mut exchange = Exchange::new(mechanism, "user", nonce.to_owned()).unwrap();
        assert_eq!(exchange.first(), format!("n,,n=user,r={nonce}"));
        assert!(
            exchange.verify(last).is_err(),
            "nothing is proved before the challenge"
        );
        let cache = KeyCache::default();
        assert_eq!(
            exchange.answer(challenge, "pencil", &cache).unwrap(),
            answer
        );
        exchange.verify(last).unwrap();
        assert!(exchange.verify("v=AAAA").is_err());
        assert!(exchange.verify("e=other-error").is_err());
    }

    #[test]
    fn rfc5802_section_5() {
        check(
            Mechanism::ScramSha1,
            "fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        );
    }

    #[test]
    fn rfc7677_section_3() {
        check(
            Mechanism::ScramSha256,
            "rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        );
    }

    #[test]
    fn refuses_a_challenge_that_is_not_an_answer_to_its_own_nonce() {
        let mut exchange = Exchange::new(Mechanism::ScramSha1, "a", "abc".to_owned()).unwrap();
        let cache = KeyCache::default();
        for challenge in [
            "r=abc,s=QSXCR+Q6sek8bf92,i=4096",
            "r=xyzabc,s=QSXCR+Q6sek8bf92,i=4096",
            "r=abcdef,s=QSXCR+Q6sek8bf92,i=1",
            "r=abcdef,s=,i=4096",
            "m=ext,r=abcdef,s=QSXCR+Q6sek8bf92,i=4096",
        ] {
            assert!(
                exchange.answer(challenge, "p", &cache).is_err(),
                "{challenge}"
            );
        }
    }
}
