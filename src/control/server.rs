//! The node's end of the control socket: makes the socket, takes requests under limits, hands them
//! to an executor. Decides nothing about operations but who the caller is.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use pollux_domain::operations::{
    Caller, ENVELOPE_BYTES_MAX, Errand, ErrorKind, OperationError, OperationExecutor, Outcome,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

use super::wire;

/// Connections at one time; more wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 32;
/// A caller has this long for its line, and again for taking the response.
const LINE_DEADLINE: Duration = Duration::from_secs(5);
/// An operation has this long; longer work is a job that is asked for and looked at later.
const OPERATION_DEADLINE: Duration = Duration::from_secs(30);
/// After a failed accept, for instance without a free file descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why there is no control socket.
#[derive(Debug)]
pub enum ControlError {
    /// A node answers on it.
    InUse(PathBuf),
    /// Something else stands at its path, which is not ours to remove.
    NotASocket(PathBuf),
    Io(PathBuf, io::Error),
}

/// A bound socket. Its file goes when this is dropped.
pub struct ControlServer {
    listener: UnixListener,
    path: PathBuf,
    /// Who runs the node: besides root the only one who may ask.
    owner_uid: u32,
}

impl ControlServer {
    /// Takes the path, also from a node that was killed and left its socket. Inside a runtime.
    pub fn bind(path: &Path) -> Result<Self, ControlError> {
        let failed = |error| ControlError::Io(path.to_owned(), error);
        remove_stale(path)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let owner_uid = std::fs::symlink_metadata(path).map_err(failed)?.uid();
        Ok(Self {
            listener,
            path: path.to_owned(),
            owner_uid,
        })
    }

    /// Answers until it is dropped. Works in the task that awaits it: no spawned tasks, so that
    /// nothing goes on after the node has stopped.
    pub async fn serve<E: OperationExecutor>(&self, executor: E) {
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                    match accepted {
                        Ok((stream, _)) => connections.push(self.connection(stream, &executor)),
                        Err(error) => {
                            tracing::warn!(%error, "control connection not accepted");
                            sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
                Some(()) = connections.next(), if !connections.is_empty() => {}
            }
        }
    }

    async fn connection(&self, mut stream: UnixStream, executor: &impl OperationExecutor) {
        let result = match timeout(LINE_DEADLINE, read_line(&mut stream)).await {
            // Nobody is left who could read an answer.
            Ok(Err(error)) => return tracing::debug!(%error, "control connection broke off"),
            Ok(Ok(None)) => Err(refused(format!(
                "it is longer than {ENVELOPE_BYTES_MAX} bytes"
            ))),
            Ok(Ok(Some(line))) if line.is_empty() => return,
            Ok(Ok(Some(line))) => self.execute(&stream, &line, executor).await,
            Err(_) => Err(refused(format!(
                "no whole line within {} s",
                LINE_DEADLINE.as_secs()
            ))),
        };
        let response = wire::write_response(result);
        match timeout(LINE_DEADLINE, stream.write_all(&response)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "control response not taken"),
            Err(_) => tracing::debug!("control response not taken in time"),
        }
    }

    async fn execute(
        &self,
        stream: &UnixStream,
        line: &[u8],
        executor: &impl OperationExecutor,
    ) -> Result<Outcome, OperationError> {
        let caller = self.caller(stream)?;
        let errand = wire::read_request(line)?;
        execute_in_time(executor, &caller, errand).await
    }

    /// The kernel says who connects. Between the making of the socket and the setting of its mode
    /// another user could have connected, so the mode alone is not enough.
    fn caller(&self, stream: &UnixStream) -> Result<Caller, OperationError> {
        let forbidden = |message: &str| OperationError::new(ErrorKind::Forbidden, message);
        let peer = stream
            .peer_cred()
            .map_err(|_| forbidden("the kernel does not say who you are"))?;
        if peer.uid() != 0 && peer.uid() != self.owner_uid {
            return Err(forbidden("only the user who runs the node may ask here"));
        }
        Ok(Caller::LocalSocket { uid: peer.uid() })
    }
}

/// For every face.
pub async fn execute_in_time(
    executor: &impl OperationExecutor,
    caller: &Caller,
    errand: Errand,
) -> Result<Outcome, OperationError> {
    timeout(OPERATION_DEADLINE, executor.execute(caller, errand))
        .await
        .unwrap_or_else(|_| {
            let message = "the node has not finished in time; it may still be done";
            Err(OperationError::new(ErrorKind::Unavailable, message))
        })
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        // It may be gone already; a stale one is removed at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A socket on which nobody listens is what a killed node leaves.
fn remove_stale(path: &Path) -> Result<(), ControlError> {
    let failed = |error| ControlError::Io(path.to_owned(), error);
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ControlError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(ControlError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// The bytes before the first newline or the end; none when there are too many.
async fn read_line(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut limited = stream.take(ENVELOPE_BYTES_MAX as u64);
    loop {
        let from = line.len();
        if limited.read_buf(&mut line).await? == 0 {
            return Ok((line.len() < ENVELOPE_BYTES_MAX).then_some(line));
        }
        if let Some(end) = line[from..].iter().position(|byte| *byte == b'\n') {
            line.truncate(from + end);
            return Ok(Some(line));
        }
    }
}

fn refused(message: String) -> OperationError {
    OperationError::new(
        ErrorKind::Invalid,
        format!("the request is refused: {message}"),
    )
}

impl std::fmt::Display for ControlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse(path) => write!(f, "another node answers on {}", path.display()),
            Self::NotASocket(path) => {
                write!(f, "{} is not a socket; move it away", path.display())
            }
            Self::Io(path, error) => write!(f, "open control socket {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for ControlError {}
