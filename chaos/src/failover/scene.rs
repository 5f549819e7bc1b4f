//! A pair in the middle of a drill, as the one who breaks it sees it: when the fault was, when it
//! was healed, what changed in between.

use std::time::Duration;

use anyhow::Context;
use pollux_domain::node_state::NodeState;
use pollux_domain::operations::SubclusterStatus;
use tokio::time::Instant;

use super::acts::Acts;
use crate::load::now;
use crate::servers::pair::{CASTOR, POLLUX, Pair, STATIONS};
use crate::servers::wait_until;

/// How long a takeover may be awaited by a drill that needs it.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(30);

pub struct Scene<'a> {
    pub pair: &'a mut Pair,
    /// Who served the users when the drill began.
    pub owner: usize,
    pub fault: Option<Instant>,
    pub healed: Option<Instant>,
    /// Who has acted under which epoch; a process tells before it is killed.
    pub acts: Acts,
    /// What the drill could not arrange, in words.
    pub remarks: Vec<String>,
}

impl Scene<'_> {
    pub fn twin(&self) -> usize {
        match self.owner {
            CASTOR => POLLUX,
            _ => CASTOR,
        }
    }

    pub fn others(&self, station: usize) -> Vec<usize> {
        (0..STATIONS).filter(|other| *other != station).collect()
    }

    /// The fault happens now; the first one counts.
    pub fn fault(&mut self) {
        self.fault.get_or_insert_with(now);
    }

    pub fn healed(&mut self) {
        self.healed = Some(now());
    }

    /// The fault lasts.
    #[expect(
        clippy::disallowed_methods,
        reason = "the length of a fault is a length of time, on a thread of its own"
    )]
    pub fn last(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    pub fn kill(&mut self, station: usize) -> anyhow::Result<()> {
        // What it says after this is lost with it; then again it says nothing much longer.
        let _ = self.acts.read(self.pair, station);
        self.fault();
        self.pair.stations[station].kill()
    }

    pub fn start(&mut self, station: usize) -> anyhow::Result<()> {
        self.pair.stations[station].start(&self.pair.ground)
    }

    /// Waits until `station` serves the users of castor and holds the lease.
    pub fn wait_served_by(&self, station: usize) -> anyhow::Result<()> {
        let served = wait_until(TAKEOVER_LIMIT, || {
            let home = |status: SubclusterStatus| status.homes.into_iter().next();
            let home = self.pair.status(station).ok().and_then(home);
            let node = self.pair.stations[station].node();
            Ok(home.is_some_and(|home| home.serving == Some(node) && home.is_held_here))
        })?;
        let name = self.pair.stations[station].name;
        let served = served.then_some(());
        served.with_context(|| format!("{name} did not take over within {TAKEOVER_LIMIT:?}"))
    }

    /// Waits until `station` sees that `other` is in this state.
    pub fn wait_state(
        &self,
        station: usize,
        other: usize,
        wanted: NodeState,
    ) -> anyhow::Result<()> {
        let node = self.pair.stations[other].node();
        let seen = wait_until(TAKEOVER_LIMIT, || {
            let Ok(status) = self.pair.status(station) else {
                return Ok(false);
            };
            let mut rows = status.nodes.iter();
            Ok(rows.any(|row| row.node == node && row.state == wanted))
        })?;
        let name = self.pair.stations[other].name;
        let seen = seen.then_some(());
        seen.with_context(|| format!("{name} is not {wanted} within {TAKEOVER_LIMIT:?}"))
    }

    /// Makes `station` serve the users, while nothing is broken.
    pub fn move_to(&self, station: usize) -> anyhow::Result<()> {
        if self.pair.owner(CASTOR)? == station {
            return Ok(());
        }
        match station {
            CASTOR => self.pair.stations[CASTOR].ctl(&["subcluster", "fallback"])?,
            _ => self.pair.stations[CASTOR].ctl(&["subcluster", "failover", "1"])?,
        };
        self.wait_served_by(station)
    }
}
