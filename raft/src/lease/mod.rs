//! Who may serve the users of a home, and until when: what a leader grants and decides, as
//! functions of time and of what it was asked, and what its holder may make of the answer (design,
//! section 4, "Leases and epochs"). Not for elections, and not for what a lease allows: see `duty`.
//!
//! ```text
//!  owner                                leader
//!  Holder::ask(t) ── Renewal(nonce) ──► Grants::take       recorded on arrival
//!                                       the log's core: still leader, all applied?
//!  Holder::granted ◄── Granted(nonce) ─ Grants::confirm    no takeover decided or applied since?
//!  holds until t + LEASE                Grants::decide ──► TakeOver, when nobody holds
//! ```

mod calm;
mod decide;
mod grants;
mod holder;
mod outlook;
#[cfg(test)]
mod rules_test;
#[cfg(test)]
mod simulation_test;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pollux_domain::ids::{Epoch, Life, NodeId};
use pollux_domain::services::{Down, Service};
use pollux_domain::takeovers::TakeoverCause;
use serde::{Deserialize, Serialize};

use crate::election::Timing;

pub use calm::Calm;
pub use grants::Grants;
pub use holder::Holder;
pub use outlook::Outlook;

/// What a node asks of the leader, several times within one lease. Also its sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    pub node: NodeId,
    pub life: Life,
    pub nonce: u64,
    /// The index up to which it has applied the log.
    pub applied: u64,
    /// For how long nothing has moved although there was work.
    pub stuck: Duration,
    /// For how long its disk has not taken what was written.
    pub flush: Duration,
    /// The critical service that has not run for the longest time.
    pub down: Option<Down>,
    /// For how long leaders have found it well, as they have told it.
    pub well_for: Duration,
    /// Homes that it serves, as far as it knows, each under an epoch.
    pub homes: Vec<(NodeId, Epoch)>,
    /// Homes that it gives back: their streams are closed, nothing is said for them any more.
    pub given_back: Vec<(NodeId, Epoch)>,
}

/// What the leader answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    pub nonce: u64,
    /// Held until a lease after the question was asked.
    pub homes: Vec<(NodeId, Epoch)>,
    /// These are to be given back: somebody else will serve them.
    pub give_back: Vec<(NodeId, Epoch)>,
    /// Whether the leader finds the node well: what it has to say to the next.
    pub is_well: bool,
}

/// What a leader knows when it decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    /// A quorum has heard this leader within one lease: one that is cut off sees nothing of the
    /// others, and finds itself well.
    pub is_confirmed: bool,
    /// `Election::may_take_over`, and all that was committed before this leader led is applied.
    pub may_take_over: bool,
    pub high_availability: bool,
    /// The nodes of the subcluster that serve; each is the home of some users.
    pub homes: Vec<NodeId>,
    /// Those that do not come back: their twin serves their users, also without high availability.
    pub removed: BTreeSet<NodeId>,
    /// Those that are emptied: their twin serves their users as soon as it can, and they take no
    /// others.
    pub drained: BTreeSet<NodeId>,
    /// Who serves each home, as the log says.
    pub serving: BTreeMap<NodeId, ServedBy>,
    /// The last index that the leader has committed.
    pub committed: u64,
    /// Nodes whose beat the leader has heard within one lease, as a voter hears voters.
    pub heard: BTreeSet<NodeId>,
    /// Nodes that an operator has relieved: time alone does not send their users home.
    pub relieved: BTreeSet<NodeId>,
    /// For how long a node is to have been well before its users go home by themselves; none: they
    /// do not.
    pub stable: Option<Duration>,
    /// For how long no home has got another owner: see [`Calm`].
    pub quiet_for: Duration,
    /// How often each home node has failed lately.
    pub failovers: BTreeMap<NodeId, u32>,
    /// For how long a critical service may be down before the twin takes over.
    pub service_delay: Duration,
}

/// See [`World`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedBy {
    pub node: NodeId,
    pub life: Life,
    pub epoch: Epoch,
}

/// Who asks that a node serves a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wisher {
    Operator,
    /// The node that serves it and stops.
    Owner,
}

/// Why a leader decides so: for whoever reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    #[error("an operator asked for it")]
    Wished,
    #[error("its node stops")]
    Stops,
    #[error("its home node has been well for long enough")]
    Fallback,
    #[error("nobody has served it yet")]
    Unserved,
    #[error("nobody has served it yet, and its home node does not come")]
    HomeAbsent,
    #[error("its node was started again")]
    Restarted,
    #[error("its node gave it back, and serves on")]
    GivenBack,
    #[error("its node was removed")]
    Removed,
    #[error("its node is drained")]
    Drained,
    #[error("its node is silent")]
    Silent,
    #[error("the service {service} of its node has been down for {lasts:?}")]
    ServiceDown { service: Service, lasts: Duration },
    /// `says`: for how long nothing has moved, as the node says of its disk and its threads;
    /// `flush`: of its disk alone; `unmoved`: for how long its log has got nothing of what is
    /// committed.
    #[error(
        "its node makes no progress: its disk for {flush:?}, its disk or a thread for {says:?}, \
         its log for {unmoved:?}"
    )]
    StandsStill {
        says: Duration,
        flush: Duration,
        unmoved: Duration,
    },
}

impl Cause {
    /// What the group keeps of it.
    pub fn kind(self, timing: &Timing) -> TakeoverCause {
        match self {
            Cause::Wished => TakeoverCause::Operator,
            Cause::Stops => TakeoverCause::Stopping,
            Cause::Fallback => TakeoverCause::AutomaticFallback,
            Cause::Unserved => TakeoverCause::First,
            Cause::HomeAbsent => TakeoverCause::FirstWithoutHome,
            Cause::Restarted => TakeoverCause::StartedAgain,
            Cause::GivenBack => TakeoverCause::GivenBack,
            Cause::Removed => TakeoverCause::Removed,
            Cause::Drained => TakeoverCause::Drained,
            Cause::Silent => TakeoverCause::Silent,
            Cause::ServiceDown { service, .. } => service.cause(),
            Cause::StandsStill { flush, .. } if timing.flush_stuck <= flush => {
                TakeoverCause::DatabaseFailure
            }
            Cause::StandsStill { .. } => TakeoverCause::NoProgress,
        }
    }
}

/// What a leader decides: to be proposed as `TakeOver`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeOver {
    pub home: NodeId,
    pub to: NodeId,
    pub life: Life,
    pub epoch: Epoch,
}
