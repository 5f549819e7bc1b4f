//! What one device is shown as. Not for the composition of several: that comes with the node in
//! full.

use serde::{Deserialize, Serialize};

/// The `show` of a presence stanza (RFC 6121 section 4.7.2.1); absent means plainly available.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Show {
    Chat,
    #[default]
    Available,
    Away,
    ExtendedAway,
    DoNotDisturb,
}

/// One resource's availability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAvailability {
    pub show: Show,
    /// RFC 6121 section 4.7.2.3; below zero: no message for the bare address comes here.
    pub priority: i8,
}
