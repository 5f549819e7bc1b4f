//! The node that runs on this configuration already, if one does: what belongs to it is not in its
//! way. Not for asking it anything but how many users it has.

use std::os::unix::net::UnixStream;
use std::path::Path;

use pollux_domain::operations::{Operation, Outcome};
use rustix::net::sockopt::socket_peercred;

use crate::control::ask;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Of the process that made the control socket.
    pub process: u32,
    /// Unknown where the caller may not ask.
    pub users: Option<u64>,
}

impl Running {
    pub fn find(socket: &Path) -> Option<Running> {
        let stream = UnixStream::connect(socket).ok()?;
        let process = socket_peercred(&stream).ok()?.pid.as_raw_nonzero().get();
        drop(stream);
        let users = match ask(socket, Operation::NodeStatus {}) {
            Ok(Outcome::Status(status)) => Some(status.user_count),
            _ => None,
        };
        Some(Running {
            process: u32::try_from(process).ok()?,
            users,
        })
    }
}
