//! Stands between the links and the log's core: who may get a vote, and whose entries are taken.
//! The rules are those of `election` and `guard`; here is where they hold.

use super::guard::Ballot;
use crate::election::LogPosition;

/// See the module. Called on a link's thread; must not wait.
pub(super) trait Gate: Send + Sync + 'static {
    /// Whether the core may be asked for this vote now. From a yes on, nothing of an earlier leader
    /// is confirmed until [`Gate::voted`].
    fn may_vote(&self, ballot: Ballot, last_log: LogPosition) -> bool;

    /// The core has answered the request for a vote; `vote` is its own since.
    fn voted(&self, ballot: Ballot, vote: Option<Ballot>);

    /// Whether entries of this leader may be taken at all. From a yes on they count as heard.
    fn may_append(&self, leader: Ballot) -> bool;

    /// Entries of this leader were taken: whether it may hear of it.
    fn appended(&self, leader: Ballot) -> bool;
}
