//! How the nodes under test deliver and keep: the two settings of `[delivery]`, also as words of a
//! command line.

use clap::{Args, ValueEnum};
use serde::Serialize;

/// Of all nodes of a test; by default what a node does by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Args)]
pub struct Mode {
    /// When a node writes a message to its receiver
    #[arg(long, value_enum, default_value_t)]
    pub deliver: Deliver,
    /// What a node has committed when it says so
    #[arg(long, value_enum, default_value_t)]
    pub durability: Durability,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Deliver {
    /// Once it is committed with all its effects
    #[default]
    Committed,
    /// At once; only the acknowledgement waits
    Early,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// What is on the disk
    #[default]
    Disk,
    /// What the operating system has; the disk follows
    Memory,
}

impl Mode {
    pub const EARLY: Mode = Mode {
        deliver: Deliver::Early,
        durability: Durability::Disk,
    };

    pub const IN_MEMORY: Mode = Mode {
        deliver: Deliver::Committed,
        durability: Durability::Memory,
    };

    /// Lines of pollux.toml, with an empty one behind them.
    pub(super) fn settings(self) -> String {
        let deliver = match self.deliver {
            Deliver::Committed => "committed",
            Deliver::Early => "early",
        };
        let durability = match self.durability {
            Durability::Disk => "disk",
            Durability::Memory => "memory",
        };
        format!("[delivery]\ndeliver = \"{deliver}\"\ndurability = \"{durability}\"\n\n")
    }

    /// Whether a message may come twice after a fault (design, section 5, Modes).
    pub fn may_repeat(self) -> bool {
        self.deliver == Deliver::Early
    }
}
