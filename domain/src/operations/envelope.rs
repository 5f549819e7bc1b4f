//! What stands around an operation and its result on a wire: a version and nothing more. Not for
//! the bytes, which a face writes in its own form (the local socket: one line of JSON each way).

use serde::{Deserialize, Serialize};

use super::{Errand, Operation, OperationError, Outcome};

/// Raised when a field changes its meaning; new operations and new fields of outcomes do not raise
/// it.
pub const VERSION: u16 = 1;

/// A longer request or response is refused. Lists come in pages that fit (see `Rows`).
pub const ENVELOPE_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub version: u16,
    pub operation: Operation,
    /// See [`Errand::at`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u16>,
}

impl Request {
    pub fn new(Errand { operation, at }: Errand) -> Self {
        Self {
            version: VERSION,
            operation,
            at,
        }
    }

    pub fn into_errand(self) -> Errand {
        let Self { operation, at, .. } = self;
        Errand { operation, at }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    pub version: u16,
    #[serde(flatten)]
    pub reply: Reply,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    Outcome(Outcome),
    Error(OperationError),
}

impl Response {
    pub fn new(result: Result<Outcome, OperationError>) -> Self {
        let reply = match result {
            Ok(outcome) => Reply::Outcome(outcome),
            Err(error) => Reply::Error(error),
        };
        Self {
            version: VERSION,
            reply,
        }
    }

    pub fn into_result(self) -> Result<Outcome, OperationError> {
        match self.reply {
            Reply::Outcome(outcome) => Ok(outcome),
            Reply::Error(error) => Err(error),
        }
    }
}
