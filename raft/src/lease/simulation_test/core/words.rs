//! What the model keeps, and what its voters say to each other.

use pollux_domain::ids::Voter;

use crate::election::LogPosition;
use crate::group::guard::Ballot;
use crate::lease::{Granted, Renewal, TakeOver};

/// In the order of the real core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Vote {
    pub(in super::super) term: u64,
    pub(in super::super) voter: Voter,
    pub(in super::super) committed: bool,
}

impl Vote {
    pub(in super::super) fn ballot(self) -> Ballot {
        Ballot {
            term: self.term,
            voter: self.voter,
        }
    }
}

/// A grant that is being confirmed.
#[derive(Debug, Clone)]
pub(in super::super) struct Ticket {
    /// The leadership in which it was recorded.
    pub(in super::super) term: u64,
    pub(in super::super) renewal: Renewal,
    pub(in super::super) granted: Granted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Command {
    Blank,
    Write(u64),
    /// With the leadership that has decided so.
    TakeOver(Ballot, TakeOver),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Entry {
    pub(in super::super) term: u64,
    pub(in super::super) leader: u64,
    pub(in super::super) command: Command,
}

/// What is on the disk.
#[derive(Debug, Clone)]
pub(in super::super) struct Disk {
    pub(in super::super) vote: Vote,
    pub(in super::super) log: Vec<Entry>,
}

#[derive(Debug, Clone)]
pub(in super::super) enum Message {
    Vote {
        vote: Vote,
        last_log: LogPosition,
    },
    Voted {
        asked: Vote,
        granted: bool,
        vote: Vote,
    },
    Append {
        vote: Vote,
        before: LogPosition,
        entries: Vec<Entry>,
        committed: u64,
        sent: u64,
        read: u64,
    },
    Appended {
        vote: Vote,
        matched: Result<u64, u64>,
        sent: u64,
        read: u64,
    },
}

/// What waits for the core.
#[derive(Debug, Clone)]
pub(in super::super) enum Item {
    From(Voter, Message),
    Elect,
    Propose(Command),
    Read(Ticket, Voter),
    Heartbeat,
}

#[derive(Debug)]
pub(in super::super) enum Out {
    Send(Voter, Message),
    /// Still leader after the read came, and everything before it is committed.
    Read(Ticket, Voter),
    Elected,
}
