//! Stands between the links and the log's core: who may get a vote, and whose entries are taken.
//! The rules are those of `election`; here is where they hold.

use pollux_domain::ids::Voter;

/// See the module. Called on a link's thread; must not wait.
pub(super) trait Gate: Send + Sync + 'static {
    /// Whether the core may be asked for a vote for `candidate` now. From a yes on, nothing of an
    /// earlier term is confirmed until [`Gate::voted`].
    fn may_vote(&self, candidate: Voter, term: u64) -> bool;

    /// The core has answered the request for a vote of this term.
    fn voted(&self, term: u64);

    /// Whether entries of this leader may be taken at all.
    fn may_append(&self, leader: Voter, term: u64) -> bool;

    /// Entries of the leader of `term` were taken. False: it may not hear of it any more.
    fn appended(&self, term: u64) -> bool;
}
