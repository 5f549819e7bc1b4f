//! A password on its way in, or what another server has kept of one. Cannot be printed; not for
//! keeping: what is kept are salted keys.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ErrorKind, OperationError};

/// RFC 8265 section 4.2.1 lets a server set a limit; this one stops nobody and bounds the hashing.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Three hashes with long salts; more than the file of an account of any server.
pub const KEYS_BYTES_MAX: usize = 4096;

/// Keys of one account as another server has kept them, as text: whether they are some, and in
/// which form, who takes them says. Shows itself as `KeysText(…)`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeysText(String);

impl KeysText {
    pub fn new(text: String) -> Result<Self, OperationError> {
        match text.len() <= KEYS_BYTES_MAX {
            true => Ok(Self(text)),
            false => Err(OperationError::new(
                ErrorKind::Invalid,
                "the keys are longer than 4096 bytes",
            )),
        }
    }

    /// The text itself, as [`Secret::expose_secret`].
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeysText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeysText(…)")
    }
}

impl TryFrom<String> for KeysText {
    type Error = OperationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<KeysText> for String {
    fn from(keys: KeysText) -> Self {
        keys.0
    }
}

/// Shows itself as `Secret(…)`. It crosses a wire in the clear, so such a wire is local or
/// encrypted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Secret(String);

impl Secret {
    pub fn new(text: String) -> Result<Self, OperationError> {
        let wrong = |message: &str| Err(OperationError::new(ErrorKind::Invalid, message));
        if text.is_empty() {
            return wrong("the password is empty");
        }
        if text.len() > PASSWORD_BYTES_MAX {
            return wrong("the password is longer than 1024 bytes");
        }
        if text.chars().any(char::is_control) {
            return wrong("the password has a control character");
        }
        Ok(Self(text))
    }

    /// The text itself. The name is long on purpose: each use is one to look at in a review.
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl TryFrom<String> for Secret {
    type Error = OperationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::new("swordfish".to_owned()).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose_secret(), "swordfish");
        let keys = KeysText::new("SCRAM-SHA-1$1:a$b:c".to_owned()).unwrap();
        assert_eq!(format!("{keys:?}"), "KeysText(…)");
        assert!(KeysText::new("x".repeat(KEYS_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn what_cannot_be_a_password_is_refused_without_repeating_it() {
        for bad in ["", "sword\nfish", &"x".repeat(PASSWORD_BYTES_MAX + 1)] {
            let error = Secret::new(bad.to_owned()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(bad.is_empty() || !error.message.contains(bad));
        }
    }
}
