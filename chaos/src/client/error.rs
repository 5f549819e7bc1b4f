//! What can end or refuse a client's connection, told apart by whose word it is.

use super::scan::ScanError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("connection: {0}")]
    Io(#[from] std::io::Error),
    #[error("server sent {0}")]
    Xml(#[from] ScanError),
    #[error("stream error {condition}: {text}")]
    Stream { condition: String, text: String },
    #[error("server ended the stream")]
    Closed,
    #[error("sign-in refused: {0}")]
    Refused(String),
    #[error("bind refused: {0}")]
    Bind(String),
    #[error("server broke the protocol: {0}")]
    Protocol(String),
    #[error("no answer in time while the client was to {0}")]
    Timeout(&'static str),
    #[error("not connected")]
    NotConnected,
    #[error("{0} is full")]
    Full(&'static str),
    #[error("cannot be sent: {0}")]
    Unsendable(&'static str),
}

impl Error {
    pub(super) fn protocol(what: impl Into<String>) -> Self {
        Error::Protocol(what.into())
    }

    /// Whether another connection may do better: not when the server has judged the client.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Io(_) | Error::Closed | Error::Timeout(_) | Error::NotConnected => true,
            Error::Stream { condition, .. } => !matches!(
                condition.as_str(),
                "conflict" | "host-unknown" | "policy-violation"
            ),
            // RFC 6120, 6.5.9: the server asks to come again later.
            Error::Refused(condition) => condition == "temporary-auth-failure",
            _ => false,
        }
    }
}
