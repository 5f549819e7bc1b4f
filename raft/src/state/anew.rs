//! The database as another cluster begins with it: what users have, without what was under way.
//! Not for how a backup is written.

use std::collections::BTreeSet;
use std::sync::Arc;

use pollux_domain::contract::{EndReason, RowWrite};
use pollux_domain::ids::{SessionId, StanzaId};

use super::{Outcome, State};

impl State {
    /// Nobody is connected to the other cluster: every session ends, and what waited for its client
    /// goes to the offline store. Who served whom is forgotten. What groups had to tell each other
    /// stands under the names and numbers that it had, so that the others, restored from the same
    /// moment, take what they have not taken; who is available there, they tell afresh. Returns the
    /// rows that follow, to be written over those of the backup.
    pub fn begin_anew(&mut self) -> Vec<RowWrite> {
        self.forget_fresh();
        let sessions: BTreeSet<SessionId> = self.sessions.keys().copied().collect();
        let mut outcome = Outcome::default();
        for session in sessions {
            self.end_session(session, EndReason::Administrator, &mut outcome);
        }
        self.serving.clear();
        self.takeovers = Default::default();
        self.held = None;
        for watched in self.watched.values_mut() {
            let watched = Arc::make_mut(watched);
            watched.devices.clear();
            watched.departures.clear();
        }
        self.watched_bytes = 0;
        self.inquiries.clear();
        self.forget_fresh();
        outcome.rows
    }

    /// Rows that this state counts on and that are not among those.
    pub fn rows_besides(&self, known: &BTreeSet<StanzaId>) -> Vec<StanzaId> {
        let rows = self.rows().into_iter();
        rows.filter(|row| !known.contains(row)).collect()
    }
}
