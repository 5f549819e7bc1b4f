//! Who asks, and what one must be allowed. Not for proving who it is: the face does that.

use std::fmt;

/// What a caller must be allowed. Several operations may share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    ReadUsers,
    ChangeUsers,
    ReadSessions,
    EndSessions,
    ReadNode,
    ReadCluster,
    ChangeCluster,
    Backup,
}

impl Permission {
    pub fn is_change(self) -> bool {
        match self {
            Self::ReadUsers | Self::ReadSessions | Self::ReadNode | Self::ReadCluster => false,
            Self::ChangeUsers | Self::EndSessions | Self::ChangeCluster | Self::Backup => true,
        }
    }
}

/// Who asks for an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A process on this machine that may open the control socket, as the user the kernel names.
    /// The mode of the socket is the proof, so this caller may do everything.
    LocalSocket { uid: u32 },
}

impl Caller {
    pub fn may(&self, _permission: Permission) -> bool {
        match self {
            Self::LocalSocket { .. } => true,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalSocket { uid } => write!(f, "local user {uid}"),
        }
    }
}
