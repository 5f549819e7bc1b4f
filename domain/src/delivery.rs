//! The modes of delivery: what a node waits for before a receiver sees a message, and before a
//! command counts as kept. Not for the contract itself, which holds in each of them: see
//! `contract`.

use std::fmt;

/// When a message is written to its receiver's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deliver {
    /// After its commit, a flush later: what a receiver has seen is never said again.
    #[default]
    Committed,
    /// At once; only the acknowledgement waits for the commit. Never a loss, but a repetition is
    /// possible after a fault, or after a sender's repetition.
    Early,
}

/// What a write of the log waits for before it counts: before a vote is given, before an entry is
/// confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The disk has it: it survives a power cut.
    #[default]
    Disk,
    /// The operating system has it, and gives it to the disk a little later: it survives the death
    /// of any process. A log that does not open cleanly after a power cut is a damaged one, and its
    /// node comes back in its next incarnation.
    Memory,
}

impl Deliver {
    pub const ALL: [Deliver; 2] = [Deliver::Committed, Deliver::Early];

    /// As it stands in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Deliver::Committed => "committed",
            Deliver::Early => "early",
        }
    }
}

impl Durability {
    pub const ALL: [Durability; 2] = [Durability::Disk, Durability::Memory];

    /// As it stands in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Durability::Disk => "disk",
            Durability::Memory => "memory",
        }
    }
}

impl fmt::Display for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
