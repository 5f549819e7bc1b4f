//! How an operation names a user, a session or an administrator. Not an address: whether the name
//! is one, in which domain and in which normal form, the executor decides with `jid`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ErrorKind, OperationError};

/// A local part, `@` and a domain: RFC 7622 section 3.1 allows 1,023 bytes for each part.
const USER_BYTES_MAX: usize = 2 * 1023 + 1;
/// A user, `/` and a resource.
const SESSION_BYTES_MAX: usize = USER_BYTES_MAX + 1 + 1023;

/// Bytes of an administrator's name: it stands in lines of the audit, and in a column of a page.
pub const ADMINISTRATOR_NAME_BYTES_MAX: usize = 64;

/// A user as a person types it: `alice`, or `alice@example.org`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);

/// A session as `session list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionRef(String);

/// An administrator, or what has a token. Of few signs, so that no two look alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AdministratorName(String);

impl AdministratorName {
    pub fn new(text: impl Into<String>) -> Result<Self, OperationError> {
        let text = text.into();
        check("name", &text, ADMINISTRATOR_NAME_BYTES_MAX)?;
        let is_right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
        if !text.chars().all(is_right) {
            let message = "the name has other signs than a to z, 0 to 9, `.`, `-` and `_`";
            return Err(invalid(message));
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UserName {
    pub fn new(text: impl Into<String>) -> Result<Self, OperationError> {
        let text = text.into();
        check("user name", &text, USER_BYTES_MAX)?;
        if text.contains(['/', ' ']) {
            return Err(invalid("a user name has no space and no `/`"));
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SessionRef {
    pub fn new(text: impl Into<String>) -> Result<Self, OperationError> {
        let text = text.into();
        check("session", &text, SESSION_BYTES_MAX)?;
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(what: &str, text: &str, bytes_max: usize) -> Result<(), OperationError> {
    if text.is_empty() {
        return Err(invalid(format!("the {what} is empty")));
    }
    if text.len() > bytes_max {
        return Err(invalid(format!(
            "the {what} is longer than {bytes_max} bytes"
        )));
    }
    if text.chars().any(char::is_control) {
        return Err(invalid(format!("the {what} has a control character")));
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> OperationError {
    OperationError::new(ErrorKind::Invalid, message)
}

// === conversions for the wire ===

impl TryFrom<String> for UserName {
    type Error = OperationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl TryFrom<String> for AdministratorName {
    type Error = OperationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<AdministratorName> for String {
    fn from(name: AdministratorName) -> Self {
        name.0
    }
}

impl fmt::Display for AdministratorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SessionRef {
    type Error = OperationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<UserName> for String {
    fn from(name: UserName) -> Self {
        name.0
    }
}

impl From<SessionRef> for String {
    fn from(session: SessionRef) -> Self {
        session.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SessionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names() {
        for good in ["alice", "alice@example.org", "jürgen", "o'neill"] {
            assert_eq!(UserName::new(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a b",
            "alice/phone",
            "a\nb",
            &"x".repeat(USER_BYTES_MAX + 1),
        ] {
            assert_eq!(
                UserName::new(bad).unwrap_err().kind,
                ErrorKind::Invalid,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn sessions() {
        assert!(SessionRef::new("alice@example.org/my phone").is_ok());
        for bad in ["", "a\u{0}b", &"x".repeat(SESSION_BYTES_MAX + 1)] {
            assert_eq!(
                SessionRef::new(bad).unwrap_err().kind,
                ErrorKind::Invalid,
                "{bad:?}"
            );
        }
    }
}
