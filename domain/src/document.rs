//! What a user keeps with the server for the user's own clients and for others: the names of such
//! documents. Not for what is in them: nobody but clients knows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One document of a user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DocumentName {
    /// XEP-0054: everybody may read it.
    VCard,
    /// XEP-0049: the user alone.
    Private(PrivateName),
}

/// Elements of one name in one namespace are one document: a get names exactly that (XEP-0049
/// section 2.3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PrivateName {
    pub namespace: String,
    pub element: String,
}

impl PrivateName {
    /// Bytes that it holds in memory, for the limits.
    pub fn weight(&self) -> usize {
        self.namespace.len() + self.element.len()
    }
}

/// Which clients a user has is nobody's business: no log shows it.
impl fmt::Debug for PrivateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateName([{} octets])", self.weight())
    }
}
