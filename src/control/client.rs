//! The caller's end of the control socket: asks one operation and waits for its outcome. Blocking,
//! because a command line has nothing else to do.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pollux_domain::operations::{ENVELOPE_BYTES_MAX, Errand, OperationError, Outcome};

use super::wire;

/// Longer than the node gives itself for an operation, so that its own answer comes first.
const RESPONSE_DEADLINE: Duration = Duration::from_secs(40);

#[derive(Debug)]
pub enum ClientError {
    /// Nothing was asked: the socket cannot be reached.
    NoNode { path: PathBuf, error: io::Error },
    /// It was asked and no answer came: it may be done or not.
    Unknown(String),
    /// The node says no.
    Refused(OperationError),
}

pub fn ask(socket: &Path, errand: impl Into<Errand>) -> Result<Outcome, ClientError> {
    let request = wire::write_request(errand.into()).map_err(ClientError::Refused)?;
    let no_node = |error| ClientError::NoNode {
        path: socket.to_owned(),
        error,
    };
    let mut stream = UnixStream::connect(socket).map_err(no_node)?;
    stream
        .set_read_timeout(Some(RESPONSE_DEADLINE))
        .map_err(no_node)?;
    stream
        .set_write_timeout(Some(RESPONSE_DEADLINE))
        .map_err(no_node)?;
    // The node may refuse an overlong or late line before it has read all of it.
    let sent = stream.write_all(&request);
    let mut response = Vec::new();
    let limit = ENVELOPE_BYTES_MAX as u64 + 1;
    let received = stream.take(limit).read_to_end(&mut response);
    if !response.ends_with(b"\n") {
        let reason = match (sent, received) {
            (Err(error), _) | (_, Err(error)) => error.to_string(),
            (Ok(()), Ok(_)) => "the node closed the connection".to_owned(),
        };
        return Err(ClientError::Unknown(reason));
    }
    let response = wire::read_response(&response)
        .map_err(|error| ClientError::Unknown(format!("the response is not one: {error}")))?;
    response.into_result().map_err(ClientError::Refused)
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNode { path, error } => {
                write!(f, "no node answers on {}: {error}", path.display())
            }
            Self::Unknown(reason) => write!(f, "no answer, it may be done or not: {reason}"),
            Self::Refused(error) => write!(f, "{error}"),
        }
    }
}
