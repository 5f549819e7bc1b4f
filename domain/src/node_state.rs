//! How a node of a subcluster is, as an operator sees it: a state with a number and a reason. The
//! numbers and the words are those of Cisco Unified Presence. A view: nothing is decided by it.

mod derive;
#[cfg(test)]
mod events_test;
#[cfg(test)]
mod pair_test;
mod reason;
#[cfg(test)]
mod stage_test;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use derive::{Facts, HomeFacts, Moving, NodeSeen, derive};
pub use reason::Reason;

/// The states, by the numbers of the counter `SRMState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum NodeState {
    Unknown = 0,
    Initializing = 1,
    /// Relieved by an operator: serves nobody.
    Idle = 2,
    /// Serves its own users.
    Normal = 3,
    /// Serves its own users and those of its twin.
    RunningInBackupMode = 4,
    TakingOver = 5,
    TakingBack = 6,
    FailingOver = 7,
    /// Relieved, and well again: its users may come home.
    FailedOver = 8,
    /// Relieved, and a critical service does not run.
    FailedOverWithCriticalServicesNotRunning = 9,
    FallingBack = 10,
    /// A double fault: neither node may serve.
    RunningInFailedMode = 11,
    /// Not heard.
    Down = 12,
}

impl NodeState {
    pub const ALL: [NodeState; 13] = [
        Self::Unknown,
        Self::Initializing,
        Self::Idle,
        Self::Normal,
        Self::RunningInBackupMode,
        Self::TakingOver,
        Self::TakingBack,
        Self::FailingOver,
        Self::FailedOver,
        Self::FailedOverWithCriticalServicesNotRunning,
        Self::FallingBack,
        Self::RunningInFailedMode,
        Self::Down,
    ];

    pub fn number(self) -> u8 {
        self as u8
    }

    /// What an operator reads.
    pub fn title(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Initializing => "Initializing",
            Self::Idle => "Idle",
            Self::Normal => "Normal",
            Self::RunningInBackupMode => "Running in Backup Mode",
            Self::TakingOver => "Taking Over",
            Self::TakingBack => "Taking Back",
            Self::FailingOver => "Failing Over",
            Self::FailedOver => "Failed Over",
            Self::FailedOverWithCriticalServicesNotRunning => {
                "Failed Over with Critical Services Not Running"
            }
            Self::FallingBack => "Falling Back",
            Self::RunningInFailedMode => "Running in Failed Mode",
            Self::Down => "Down",
        }
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_the_number_of_its_place() {
        for (number, state) in NodeState::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(state.number()), number, "{state}");
        }
    }
}
