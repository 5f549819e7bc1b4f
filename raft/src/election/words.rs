//! What an election is told, what it says to other voters, and what it wants done. Values only.

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::ids::Voter;
use serde::{Deserialize, Serialize};

use super::Timing;

/// What a voter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A node that serves users, or any voter of the configuration group.
    Twin,
    /// A replica that serves nobody, and leads only until a twin can.
    Witness,
}

/// How far a log goes. A longer log in the sense of Raft is the greater one; `leader`, as a voter's
/// number, is in it because the log's core knows several leaders to a term, in that order.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct LogPosition {
    pub term: u64,
    pub leader: u64,
    pub index: u64,
}

/// What the log's core on this node says of itself now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The term of its vote.
    pub term: u64,
    /// It is the leader of that term.
    pub leads: bool,
    pub last_log: LogPosition,
    /// How far each voter's log agrees with ours; empty unless it leads.
    pub matched: BTreeMap<Voter, u64>,
    /// Since when a flush has been going on, if one is.
    pub flush_pending_for: Option<Duration>,
    /// How long ago it sent what a quorum has answered; only while it leads.
    pub quorum_answered_ago: Option<Duration>,
}

/// What a voter says to all others all the time, outside the log's core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    pub term: u64,
    pub leads: bool,
    /// As leader: a quorum has answered within a lease, and its disk writes.
    pub confirmed: bool,
    /// It could campaign and vote: its disk writes and it has not just been started.
    pub able: bool,
    pub last_log: LogPosition,
    pub flush_pending_ms: u32,
    /// The sender's own clock, which means nothing to others: they give it back in `sees`.
    pub stamp_ms: u64,
    /// The last beat of a leader that came here, whether that leader was confirmed or not.
    pub sees: Option<Sight>,
}

impl Beat {
    pub(super) fn disk_stopped(&self, timing: &Timing) -> bool {
        timing.flush_stuck < Duration::from_millis(self.flush_pending_ms.into())
    }
}

/// A leader's beat, as it is given back to the leader: so it learns that a quorum hears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    pub leader: Voter,
    pub term: u64,
    pub stamp_ms: u64,
}

/// What a voter asks before it campaigns. `round` comes back in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    WouldYouElect { round: u64, last_log: LogPosition },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub round: u64,
    /// Nothing, if the answer is yes.
    pub refusal: Option<Refusal>,
}

/// Why a voter would not elect the one who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// It was replaced by a newer incarnation.
    Stranger,
    HearsLeader,
    Leads,
    GrantedLease,
    JustStarted,
    LongerLog,
    /// It asks for itself at this moment, or has just said yes to another.
    GoesFirst,
    /// Its own disk has stopped, so that its vote would not be kept.
    DiskStopped,
}

/// What a witness that leads says to a twin: campaign at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// The term of the one who says it.
    pub term: u64,
    pub last_log: LogPosition,
}

/// What the shell has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Send to all other voters.
    Beat(Beat),
    Ask(Voter, Question),
    /// Let the log's core campaign.
    Elect,
    HeartbeatsOff,
    HeartbeatsOn,
    /// No new entries of any kind; renewals of leases are answered all the same.
    StopProposals,
    ResumeProposals,
    HandOver(Voter, HandOver),
}
