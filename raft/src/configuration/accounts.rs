//! One user as the cluster knows it: what it is proved by, and where it is at home. Not for what
//! the user keeps: that is in the database of its subcluster.

use std::fmt;

use bytes::Bytes;
use pollux_domain::hashes::Hashes;
use pollux_domain::ids::NodeId;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub home: NodeId,
    pub credentials: Credentials,
    /// The version of the configuration with which its password was set, whatever is proposed here.
    /// What was given to its clients before is worth nothing.
    pub password_version: u64,
    pub administrator: bool,
    /// Its user may not sign in until an administrator says otherwise (RFC 6120 section 6.5.2).
    pub disabled: bool,
}

/// What an account is proved by.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Salted keys, one record for each hash; opaque here, never a password.
    pub keys: Bytes,
    /// For which hashes there are keys.
    pub hashes: Hashes,
}

impl Account {
    pub fn new(home: NodeId, credentials: Credentials) -> Account {
        Account {
            home,
            credentials,
            password_version: 0,
            administrator: false,
            disabled: false,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?})", self.hashes)
    }
}
