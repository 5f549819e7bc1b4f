//! Stands between the links and the log's core: who may get a vote, and that a leader was heard.
//! The rules are those of `election`; here is where they hold.

use pollux_domain::ids::Voter;

/// See the module. Called on a link's thread; must not wait.
pub(super) trait Gate: Send + Sync + 'static {
    /// Whether this voter may vote for `candidate` now.
    fn may_vote(&self, candidate: Voter, term: u64, last: Option<(u64, u64)>) -> bool;

    /// Entries, or a confirmation, of the leader of `term` were taken.
    fn heard(&self, leader: Voter, term: u64);
}

/// Lets everything through: for a group of one voter.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenGate;

impl Gate for OpenGate {
    fn may_vote(&self, _candidate: Voter, _term: u64, _last: Option<(u64, u64)>) -> bool {
        true
    }

    fn heard(&self, _leader: Voter, _term: u64) {}
}
