//! What is kept of a password (RFC 5802 section 3): enough to verify it, not enough to log in with.
//! Not for messages.

use serde::{Deserialize, Serialize};
use stringprep::saslprep;
use zeroize::Zeroizing;

use super::hash::ScramHash;
use crate::sasl::Secret;

/// Octets of a new salt; the fake ones have as many.
pub const SALT_BYTES: usize = 16;

/// Iterations of new keys: RFC 5802 section 5.1 and RFC 7677 section 3 ask for at least 4096.
pub const ITERATIONS_DEFAULT: u32 = 10_000;

/// Above this, one login would be an attack on the one who computes it.
pub(super) const ITERATIONS_MAX: u32 = 1_000_000;

const SALT_BYTES_MAX: usize = 128;
const PASSWORD_BYTES_MAX: usize = 1024;

/// The keys of one user for one hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawKeys")]
pub struct ScramKeys {
    pub(super) hash: ScramHash,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    pub(super) stored_key: Secret,
    pub(super) server_key: Secret,
}

/// Why a password cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeriveError {
    #[error("the password has a character that SASLprep prohibits, is empty, or is too long")]
    Password,
    #[error("the salt is empty or too long")]
    Salt,
    #[error("the number of iterations is zero or too high")]
    Iterations,
    #[error("a key has another length than its hash")]
    Length,
    #[error(
        "these are no keys: write lines like SCRAM-SHA-1$4096:SALT$STOREDKEY:SERVERKEY (RFC 5803), \
         one for each hash, or give the file of an account of Prosody"
    )]
    Form,
}

impl ScramKeys {
    /// Computes the keys of a password, prepared with SASLprep (RFC 5802 section 2.2). Slow on
    /// purpose, milliseconds of a core: never on a thread that serves others.
    pub fn derive(
        hash: ScramHash,
        password: &str,
        salt: &[u8],
        iterations: u32,
    ) -> Result<ScramKeys, DeriveError> {
        let salted = salted_password(hash, password, salt, iterations)?;
        ScramKeys::of_salted(hash, &salted, salt, iterations)
    }

    /// The keys of a password that its client has salted: the quick part of [`ScramKeys::derive`].
    pub fn of_salted(
        hash: ScramHash,
        salted: &Secret,
        salt: &[u8],
        iterations: u32,
    ) -> Result<ScramKeys, DeriveError> {
        check(salt, iterations)?;
        if salted.len() != hash.len() {
            return Err(DeriveError::Length);
        }
        let client_key = hash.hmac(salted.expose(), &[b"Client Key"]);
        Ok(ScramKeys {
            hash,
            salt: salt.to_vec(),
            iterations,
            stored_key: hash.digest(client_key.expose()),
            server_key: hash.hmac(salted.expose(), &[b"Server Key"]),
        })
    }

    /// Keys that were computed elsewhere, for instance imported from another server.
    pub fn from_parts(
        hash: ScramHash,
        salt: Vec<u8>,
        iterations: u32,
        stored_key: Secret,
        server_key: Secret,
    ) -> Result<ScramKeys, DeriveError> {
        check(&salt, iterations)?;
        if stored_key.len() != hash.len() || server_key.len() != hash.len() {
            return Err(DeriveError::Length);
        }
        Ok(ScramKeys {
            hash,
            salt,
            iterations,
            stored_key,
            server_key,
        })
    }

    /// Keys for a name that nobody has: the same salt each time it is asked for, and the same work,
    /// so that nobody learns which names exist (RFC 6120 section 6.5.10). No
    /// password verifies against them. `username` is the one by which accounts are looked up; the
    /// secret is the cluster's, so that its nodes agree.
    pub fn fake(
        hash: ScramHash,
        server_secret: &Secret,
        username: &str,
        iterations: u32,
    ) -> Result<ScramKeys, DeriveError> {
        let part = |label: &[u8]| {
            let pieces = [label, hash.name(), b"\0", username.as_bytes()];
            // As long as the longest key.
            ScramHash::Sha512
                .hmac(server_secret.expose(), &pieces)
                .expose()
                .to_vec()
        };
        let cut = |mut octets: Vec<u8>, len: usize| {
            octets.truncate(len);
            octets
        };
        ScramKeys::from_parts(
            hash,
            cut(part(b"salt"), SALT_BYTES),
            iterations,
            cut(part(b"stored key"), hash.len()).into(),
            cut(part(b"server key"), hash.len()).into(),
        )
    }

    /// Whether they are those of this password: the work of [`ScramKeys::derive`], also where they
    /// are fake.
    pub fn are_of(&self, password: &Secret) -> bool {
        let Ok(password) = std::str::from_utf8(password.expose()) else {
            return false;
        };
        let derived = ScramKeys::derive(self.hash, password, &self.salt, self.iterations);
        // Secrets compare in constant time.
        derived.is_ok_and(|derived| derived.stored_key == self.stored_key)
    }

    pub fn hash(&self) -> ScramHash {
        self.hash
    }

    pub fn iterations(&self) -> u32 {
        self.iterations
    }
}

impl ScramHash {
    fn name(self) -> &'static [u8] {
        match self {
            ScramHash::Sha1 => b"SHA-1",
            ScramHash::Sha256 => b"SHA-256",
            ScramHash::Sha512 => b"SHA-512",
        }
    }
}

/// `SaltedPassword` of RFC 5802 section 3. Slow on purpose, as [`ScramKeys::derive`].
pub fn salted_password(
    hash: ScramHash,
    password: &str,
    salt: &[u8],
    iterations: u32,
) -> Result<Secret, DeriveError> {
    check(salt, iterations)?;
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(DeriveError::Password);
    }
    let prepared = saslprep(password).map_err(|_| DeriveError::Password)?;
    let prepared = Zeroizing::new(prepared.into_owned());
    if prepared.is_empty() {
        return Err(DeriveError::Password);
    }
    Ok(hash.stretch(prepared.as_bytes(), salt, iterations))
}

fn check(salt: &[u8], iterations: u32) -> Result<(), DeriveError> {
    if salt.is_empty() || salt.len() > SALT_BYTES_MAX {
        return Err(DeriveError::Salt);
    }
    if iterations == 0 || iterations > ITERATIONS_MAX {
        return Err(DeriveError::Iterations);
    }
    Ok(())
}

/// As stored; what is read back is judged like what comes from elsewhere.
#[derive(Deserialize)]
struct RawKeys {
    hash: ScramHash,
    salt: Vec<u8>,
    iterations: u32,
    stored_key: Secret,
    server_key: Secret,
}

impl TryFrom<RawKeys> for ScramKeys {
    type Error = DeriveError;

    fn try_from(raw: RawKeys) -> Result<ScramKeys, DeriveError> {
        ScramKeys::from_parts(
            raw.hash,
            raw.salt,
            raw.iterations,
            raw.stored_key,
            raw.server_key,
        )
    }
}
