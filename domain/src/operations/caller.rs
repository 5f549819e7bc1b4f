//! Who asks. Not for proving who it is: the face does that; nor for what a role may: see `role`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AdministratorName, Permission, Role};

/// By which way an administrator asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Face {
    /// The pages, after a sign-in.
    Pages,
    /// REST, with a token, whose name the caller has.
    Rest,
}

/// Who asks for an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Caller {
    /// A process on this machine that may open the control socket, as the user the kernel names.
    /// The mode of the socket is the proof, so this caller may do everything.
    LocalSocket { uid: u32 },
    Administrator {
        name: AdministratorName,
        role: Role,
        face: Face,
    },
}

impl Caller {
    pub fn may(&self, permission: Permission) -> bool {
        match self {
            Self::LocalSocket { .. } => true,
            Self::Administrator { role, .. } => role.may(permission),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalSocket { uid } => write!(f, "local user {uid}"),
            Self::Administrator { name, role, face } => match face {
                Face::Pages => write!(f, "administrator {name} ({role})"),
                Face::Rest => write!(f, "token {name} ({role})"),
            },
        }
    }
}
