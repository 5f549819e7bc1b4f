//! What one device is shown as, and what its user is shown as over all devices. Not for who is
//! told: the state machine of the group decides that.

use std::fmt;

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

/// What one user is shown as, composed of all that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Availability {
    Available,
    Away,
    ExtendedAway,
    DoNotDisturb,
    Unavailable,
}

impl Availability {
    /// Who does not want to be disturbed on one device is not disturbed on the others; who is at
    /// one of them is there; and is away where all of them say so, as little as they say.
    pub fn of_devices(devices: impl IntoIterator<Item = Show>) -> Availability {
        let each = devices.into_iter().map(|show| match show {
            Show::Chat | Show::Available => Availability::Available,
            Show::Away => Availability::Away,
            Show::ExtendedAway => Availability::ExtendedAway,
            Show::DoNotDisturb => Availability::DoNotDisturb,
        });
        each.max_by_key(|availability| availability.rank())
            .unwrap_or(Availability::Unavailable)
    }

    /// Which of several counts: the greatest. Between "do not disturb" and "available" stand those
    /// that a phone and a calendar know: on the phone, in a meeting, busy.
    fn rank(self) -> u8 {
        match self {
            Availability::Unavailable => 0,
            Availability::ExtendedAway => 10,
            Availability::Away => 20,
            Availability::Available => 30,
            Availability::DoNotDisturb => 100,
        }
    }
}

impl fmt::Display for Availability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Availability::Available => "available",
            Availability::Away => "away",
            Availability::ExtendedAway => "extended away",
            Availability::DoNotDisturb => "do not disturb",
            Availability::Unavailable => "unavailable",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_devices_make_one_availability() {
        use Show::{Away, Chat, DoNotDisturb, ExtendedAway};
        for (devices, expected) in [
            (&[][..], "unavailable"),
            (&[Show::Available], "available"),
            (&[Chat], "available"),
            (&[Away, Show::Available], "available"),
            (&[ExtendedAway, Away], "away"),
            (&[ExtendedAway, ExtendedAway], "extended away"),
            (&[Chat, DoNotDisturb, Away], "do not disturb"),
        ] {
            let composed = Availability::of_devices(devices.iter().copied());
            assert_eq!(composed.to_string(), expected, "{devices:?}");
        }
    }
}
