//! Why a node is in its state, as an operator reads it. The words are those of Cisco Unified
//! Presence where it has any. Not for why a takeover was decided: see [`TakeoverCause`].

use std::fmt;

use crate::takeovers::TakeoverCause;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// All is well.
    Normal,
    /// It has just started, or started again.
    Initialization,
    /// Of the takeover that is under way, or that was the last.
    Takeover(TakeoverCause),
    /// The same, of one by which the two nodes change places.
    AutoRecover(TakeoverCause),
    HighAvailabilityNotEnabled,
    /// Nothing is heard of it, or was for a while.
    NotHeard,
    /// It was told to stop.
    Stopping,
    /// Fewer votes can be reached than decide.
    NoMajority,
    Unknown,
}

impl Reason {
    /// Of a takeover, as the node says it that loses its users by it.
    pub(super) fn of_loss(cause: TakeoverCause) -> Reason {
        match cause {
            TakeoverCause::Silent => Reason::NotHeard,
            TakeoverCause::Stopping => Reason::Stopping,
            TakeoverCause::First | TakeoverCause::FirstWithoutHome => Reason::Initialization,
            other => Reason::Takeover(other),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Takeover(cause) => cause.fmt(f),
            // Cisco's own table has "Auto Recovery" beside it, for the other node of the pair.
            Reason::AutoRecover(cause) => write!(f, "Auto Recover {cause}"),
            Reason::Normal => f.write_str("Normal"),
            Reason::Initialization => f.write_str("Initialization"),
            Reason::HighAvailabilityNotEnabled => f.write_str("High Availability Not Enabled"),
            Reason::Unknown => f.write_str("Unknown"),
            // Of our own, from here on.
            Reason::NotHeard => f.write_str("Not Heard"),
            Reason::Stopping => f.write_str("Stopping"),
            Reason::NoMajority => f.write_str("No Majority"),
        }
    }
}
