//! Who serves the users of a subcluster: leases as their holders read them, and the task that asks
//! for them, grants them and decides on takeovers. The rules are those of `lease`.
//!
//! ```text
//!   Duty (each node) ─ Renewal ─► the leader's Keeper ─ Granted ─► Tenure ─► writers of sockets
//!                                     └─ TakeOver ─► the log
//! ```

mod keeper;
#[cfg(test)]
mod leader_test;
mod tenure;
mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pollux_domain::ids::NodeId;
use pollux_domain::services::Down;

pub use tenure::{Acts, Tenure, Tenures};
pub use watch::{Duty, DutyParts, WishError};

/// The streams of the sessions that a node serves, as the lease rules over them.
pub trait Streams: Send + Sync + 'static {
    /// The lease is held again: what waited goes on.
    fn wake(&self, home: NodeId);

    /// Streams end without a word: this node may not speak for these users any more.
    fn cut(&self, home: NodeId);

    /// Clients are told where to go, while the lease is still held. Returns how many streams are
    /// left.
    fn move_on(&self, home: NodeId) -> usize;
}

/// The subcluster as it is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pair {
    /// The nodes that serve; each is the home of some users.
    pub homes: Vec<NodeId>,
    /// Those of them that do not come back.
    pub removed: BTreeSet<NodeId>,
    /// Those that are emptied: their twin serves their users.
    pub drained: BTreeSet<NodeId>,
    pub high_availability: bool,
    /// For how long a node is to have been well before its users go home by themselves; none: they
    /// do not.
    pub stable: Option<Duration>,
    /// For how long a critical service may be down before the twin takes over.
    pub service_delay: Duration,
}

/// Reads the configuration.
pub type View = Arc<dyn Fn() -> Pair + Send + Sync>;

/// For how long the slowest arbiter of this node has not moved.
pub type Pulse = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The critical service of this node that has not run for the longest time.
pub type Services = Arc<dyn Fn() -> Option<Down> + Send + Sync>;
