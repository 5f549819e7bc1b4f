//! What a node does for the users of a home that the log does not guard, as it is told to whoever
//! looks on. In production nobody does, and nothing is made of it: the simulation judges by it that
//! each home has one owner.

use pollux_domain::ids::{Epoch, Life, NodeId};

/// Something was said to a client, right after the lease was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    pub node: NodeId,
    pub life: Life,
    pub home: NodeId,
    /// Under which the lease was held; none: it was not.
    pub epoch: Option<Epoch>,
}

/// Sees acts as they happen. Called between the check and the next one: must not wait.
pub trait Onlooker: Send + Sync + 'static {
    fn acted(&self, act: Act);
}
