//! What happened, in order and with its virtual time: the trace, and the evidence for the
//! invariants.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use pollux_domain::ids::{Connection, GroupId, NodeId, SessionId};
use pollux_domain::subscription::SubscriptionRequest;
use pollux_domain::takeovers::Takeover;

use super::linear::Deed;
use crate::client::{Journal, Note};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub at: Duration,
    pub fact: Fact,
}

/// What it was. `who` is the number of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A part of a pair's run begins.
    Phase(Phase),
    /// A fault begins; `busy`: a message was under way; `between`: something waited in a group to
    /// be told to another.
    Fault {
        what: String,
        busy: bool,
        between: bool,
    },
    Healed {
        what: String,
    },
    Crashed {
        node: NodeId,
    },
    Started {
        node: NodeId,
        life: u64,
    },
    /// A replica leads, and has committed an entry of its lead.
    Leads {
        group: GroupId,
        term: u64,
        node: NodeId,
    },
    /// A replica has applied an entry, of these bytes.
    Applied {
        group: GroupId,
        node: NodeId,
        index: u64,
        digest: u32,
    },
    /// The state of a replica after it has applied so far.
    State {
        group: GroupId,
        node: NodeId,
        index: u64,
        digest: u32,
    },
    /// The log gives a home to a process.
    Serves {
        home: NodeId,
        node: NodeId,
        life: u64,
        epoch: u64,
    },
    /// The same, with its cause.
    TookOver(Takeover),
    /// Users go home by themselves, when their node has been well for so long.
    FallsBack {
        stable: Duration,
    },
    /// All has been well for long enough that a home is served by its own node; by whom it is.
    EndsAt {
        home: NodeId,
        node: NodeId,
    },
    /// A critical service of a node is down, and has been for so long; none: all of them run.
    Services {
        node: NodeId,
        down: Option<Duration>,
    },
    /// While all is well a service of a node goes down for good.
    Ails {
        node: NodeId,
    },
    /// An operator wants a node to be empty; `while_well`: nothing is wrong.
    Drains {
        node: NodeId,
        while_well: bool,
    },
    /// An operator was told that it is.
    Drained {
        node: NodeId,
    },
    /// It may serve again.
    Undrains {
        node: NodeId,
    },
    /// What an operator was told who has asked a node for a move while all was well; none: it is
    /// done.
    Told {
        at: NodeId,
        asked: String,
        refused: Option<String>,
    },
    /// Whom a replica lets serve a home; noted when it changes there.
    ServedAt {
        replica: NodeId,
        life: u64,
        home: NodeId,
        epoch: u64,
    },
    /// What a replica has of a session, under which epoch its home is served there; noted when it
    /// changes there.
    Session(SessionAt),
    /// A node has said something to a client under its lease; noted when it is another than last.
    Acted {
        home: NodeId,
        node: NodeId,
        life: u64,
        epoch: Option<u64>,
    },
    /// What the database says of a person's device when all is healed.
    Truth {
        who: usize,
        jid: String,
        available: bool,
    },
    /// An operator was told that a user is there now.
    UserAdded {
        user: String,
    },
    /// Every node knows that user when all is healed.
    UserFound {
        user: String,
    },
    NodeCrashed,
    NodeStarted,
    /// A person asks for the own contact list, or for a change of it.
    Asked {
        who: usize,
        id: String,
        deed: Deed,
    },
    /// The answer, with what the list says.
    Answered {
        who: usize,
        id: String,
        value: u64,
    },
    /// A person says something about a subscription; `abroad`: to a user of another group.
    Said {
        who: usize,
        to: usize,
        id: String,
        request: SubscriptionRequest,
        abroad: bool,
    },
    /// What the contact list says of somebody, in the answer to a request for it.
    Relation {
        who: usize,
        of: usize,
        id: String,
        sees: bool,
        has_asked: bool,
        is_seen: bool,
    },
    /// A person tries to sign in or to resume.
    Comes {
        who: usize,
    },
    /// A person is told what the device of somebody of the same group has said of itself.
    Shown {
        who: usize,
        of: usize,
        number: u64,
    },
    /// A node has read the serving table, linearizably, between `begun` and now.
    ServingRead {
        node: NodeId,
        begun: Duration,
        home: NodeId,
        epoch: u64,
    },
    /// A person was told something that makes another try useless.
    TurnedAway {
        who: usize,
        why: String,
    },
    /// A person's client vanishes without a word, and does not come back.
    Gone {
        who: usize,
    },
    /// A person closes the stream, and with it the session.
    Left {
        who: usize,
    },
    Bound {
        who: usize,
    },
    Resumed {
        who: usize,
        h: u32,
        resent: usize,
    },
    NotResumed {
        who: usize,
    },
    Disconnected {
        who: usize,
    },
    Sent {
        who: usize,
        id: String,
    },
    Acknowledged {
        who: usize,
        id: String,
    },
    Unknown {
        who: usize,
        id: String,
    },
    Received {
        who: usize,
        id: String,
    },
    Refused {
        who: usize,
        id: String,
    },
    Presence {
        who: usize,
        from: String,
        kind: String,
    },
    Handled {
        who: usize,
        h: u32,
    },
    HandledBackwards {
        who: usize,
        last: u32,
        h: u32,
    },
    HandledAhead {
        who: usize,
        sent: u32,
        h: u32,
    },
}

/// A session as one replica has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionAt {
    pub replica: NodeId,
    /// The life of the replica's process.
    pub life: u64,
    pub home: NodeId,
    pub epoch: u64,
    pub session: SessionId,
    pub connection: Connection,
    /// The client's stanzas that are committed.
    pub handled: u64,
    /// The client's last count.
    pub acked: u64,
}

/// The parts of a pair's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The cluster is founded.
    Founding,
    /// Everybody signs in and gets to know the partner.
    Setup,
    /// Faults, each with its healing.
    Faults,
    /// Everything is healed; nothing new is said.
    Healing,
    /// Everybody is connected, everything has arrived, nothing happens.
    Quiet,
}

/// The account of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    pub entries: Vec<Entry>,
    /// Messages that were acknowledged or received, to know when all has arrived.
    pub acknowledged: BTreeSet<String>,
    pub received: BTreeSet<String>,
    pub refused: BTreeSet<String>,
}

impl History {
    pub fn add(&mut self, fact: Fact) {
        let at = turmoil::sim_elapsed().unwrap_or_default();
        self.add_at(at, fact);
    }

    pub fn add_at(&mut self, at: Duration, fact: Fact) {
        match &fact {
            Fact::Acknowledged { id, .. } => self.acknowledged.insert(id.clone()),
            Fact::Received { id, .. } => self.received.insert(id.clone()),
            Fact::Refused { id, .. } => self.refused.insert(id.clone()),
            _ => false,
        };
        self.entries.push(Entry { at, fact });
    }

    /// Acknowledged messages whose fate is open.
    pub fn missing(&self) -> Vec<&String> {
        let settled = |id: &&String| self.received.contains(*id) || self.refused.contains(*id);
        let messages = self.acknowledged.iter().filter(|id| is_message(id));
        messages.filter(|id| !settled(id)).collect()
    }
}

/// Messages of people are named `m<sender>-<number>`.
pub fn is_message(id: &str) -> bool {
    id.starts_with('m')
}

/// Requests to nobody are named `q<sender>-<number>`.
pub fn is_question(id: &str) -> bool {
    id.starts_with('q')
}

/// Sender and number of a message.
pub fn parse_message(id: &str) -> Option<(usize, u64)> {
    let (who, number) = id.strip_prefix('m')?.split_once('-')?;
    Some((who.parse().ok()?, number.parse().ok()?))
}

/// What a person says of its own availability is named `p<person>-<number>`, and the number is its
/// status.
pub fn parse_presence(id: &str) -> Option<u64> {
    let (_, number) = id.strip_prefix('p')?.split_once('-')?;
    number.parse().ok()
}

/// One person's pen.
#[derive(Debug, Clone)]
pub struct Pen {
    pub who: usize,
    pub history: Rc<RefCell<History>>,
}

impl Journal for Pen {
    fn note(&mut self, note: Note<'_>) {
        let who = self.who;
        let fact = match note {
            Note::Bound { .. } => Fact::Bound { who },
            Note::Resumed { h, resent } => Fact::Resumed { who, h, resent },
            Note::NotResumed { .. } => Fact::NotResumed { who },
            Note::Disconnected => Fact::Disconnected { who },
            Note::Sent { id } => Fact::Sent {
                who,
                id: id.to_owned(),
            },
            Note::Acknowledged { id } => Fact::Acknowledged {
                who,
                id: id.to_owned(),
            },
            Note::Unknown { id } => Fact::Unknown {
                who,
                id: id.to_owned(),
            },
            Note::Received { id, .. } => Fact::Received {
                who,
                id: id.to_owned(),
            },
            Note::Refused { id, .. } => Fact::Refused {
                who,
                id: id.to_owned(),
            },
            Note::Presence { from, kind } => Fact::Presence {
                who,
                from: from.to_owned(),
                kind: kind.to_owned(),
            },
            Note::Handled { h } => Fact::Handled { who, h },
            Note::HandledBackwards { last, h } => Fact::HandledBackwards { who, last, h },
            Note::HandledAhead { sent, h } => Fact::HandledAhead { who, sent, h },
        };
        self.history.borrow_mut().add(fact);
    }
}
