//! Why somebody is not let in, before it is known what is wanted. Not for what one may not do who
//! is in: that is `ErrorKind::Forbidden`.

use std::fmt;

/// See the module. The words are the same for a name that there is not, and for a wrong password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    WrongPassword,
    WrongToken,
    /// Too many were wrong; nothing is tried for so long.
    LockedOut {
        seconds: u64,
    },
    /// The node stops, or has not heard yet who administers.
    Unavailable,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongPassword => f.write_str("the name or the password is wrong"),
            Self::WrongToken => f.write_str("there is no such token, or it has expired"),
            Self::LockedOut { seconds } => {
                let minutes = seconds.div_ceil(60).max(1);
                write!(
                    f,
                    "too many failed attempts; the next counts in {minutes} min"
                )
            }
            Self::Unavailable => f.write_str("the node cannot say now; try again"),
        }
    }
}
