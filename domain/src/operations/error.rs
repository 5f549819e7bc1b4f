//! Why an operation was not done. A value that is answered to the caller, not a failure of the
//! node.

use serde::{Deserialize, Serialize};

/// What a program does about it; every face maps these to its own codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The request cannot mean anything: repair it.
    Invalid,
    /// The user or session is not there.
    NotFound,
    /// The user is there already.
    AlreadyExists,
    /// The caller may not.
    Forbidden,
    /// It is dangerous, and the caller has not said once more that it is meant.
    Unconfirmed,
    /// A limit is reached, or the node is busy: try again later.
    ResourceConstraint,
    /// The node cannot do it now: it is starting, stopping, or serves nobody.
    Unavailable,
    /// The node failed; its log says how.
    Internal,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct OperationError {
    pub kind: ErrorKind,
    /// A sentence for a person, without a full stop.
    pub message: String,
}

impl OperationError {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::ResourceConstraint | ErrorKind::Unavailable
        )
    }
}
