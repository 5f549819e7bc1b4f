//! Who serves the users of a subcluster: leases as their holders read them, and the task that asks
//! for them, grants them and decides on takeovers. The rules are those of `lease`.

mod tenure;

use pollux_domain::ids::NodeId;

pub use tenure::{Tenure, Tenures};

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
