//! A pause between groups, in which no group takes what another tells: for a backup of all of them
//! that is of one moment. What waits meanwhile waits in the outboxes. Not for backups.

use pollux_domain::contract::{HoldId, Refusal};
use pollux_domain::ids::GroupMs;
use pollux_domain::limits;
use serde::{Deserialize, Serialize};

use crate::state::State;

/// One that is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    hold: HoldId,
    /// It ends by itself: whoever asked for it may be gone.
    until: GroupMs,
}

impl State {
    pub(in crate::state) fn hold(&mut self, hold: HoldId) -> Result<(), Refusal> {
        if self.held().is_some_and(|held| held != hold) {
            return Err(Refusal::Held);
        }
        let until = GroupMs(self.stamp.group.0 + limits::HOLD_MS_MAX);
        self.held = Some(Held { hold, until });
        Ok(())
    }

    /// Of one that has ended by itself there is nothing left to end.
    pub(in crate::state) fn end_hold(&mut self, hold: HoldId) {
        if self.held.is_some_and(|held| held.hold == hold) {
            self.held = None;
        }
    }

    /// The pause that is on at the moment of this state.
    pub fn held(&self) -> Option<HoldId> {
        let held = self.held.filter(|held| self.stamp.group < held.until);
        held.map(|held| held.hold)
    }
}
