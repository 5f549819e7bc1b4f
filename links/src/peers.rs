//! What one node can say to another, without how: the seam between the links and those who talk
//! over them (groups, relays). In tests it is a table in memory.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use pollux_domain::ids::{GroupId, NodeId};

use crate::net::{LocalFuture, Socket};

/// Which of the two connections between two nodes (design, section 4): what decides about leaders
/// and leases never waits behind entries, snapshots and stanzas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    Control,
    Bulk,
}

/// What a message is about. The number is its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Subject {
    /// Beats, and questions before an election.
    Election = 1,
    /// Renewals of leases.
    Lease = 2,
    /// Votes, entries and snapshots of the log.
    Log = 3,
    /// Commands on their way to the leader.
    Proposal = 4,
    /// Lines from one group to another.
    Outbox = 5,
    /// What an operation asks of other replicas.
    Operation = 6,
    /// Whether a client has the token of a user of that group.
    Token = 7,
    /// Operations that an administrator wants done at another node.
    Errand = 8,
    /// The parts of a backup that other subclusters make.
    Backup = 9,
}

impl Subject {
    pub const ALL: [Subject; 9] = [
        Subject::Election,
        Subject::Lease,
        Subject::Log,
        Subject::Proposal,
        Subject::Outbox,
        Subject::Operation,
        Subject::Token,
        Subject::Errand,
        Subject::Backup,
    ];
}

/// To whom within a node: a subject of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    pub subject: Subject,
    pub group: GroupId,
}

/// Why a message did not arrive, or may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It was not sent.
    #[error("there is no connection to node {0}")]
    NotConnected(NodeId),
    /// It was not sent: too much waits already.
    #[error("too much waits for node {0}")]
    Full(NodeId),
    /// It was not sent.
    #[error("a message of {0} bytes is too long")]
    TooLong(usize),
    /// It may have arrived, or not.
    #[error("the connection to node {0} was lost before the answer")]
    Lost(NodeId),
    /// It arrived, and nobody there knows its topic.
    #[error("node {0} does not know the topic")]
    NoSuchTopic(NodeId),
    /// It arrived, and the other side could not answer.
    #[error("node {0} refused: {1}")]
    Refused(NodeId, String),
}

/// An answer on its way.
pub type Answer = Pin<Box<dyn Future<Output = Result<Bytes, LinkError>> + Send>>;

/// The other nodes, as far as they can be reached. May be used from any thread; never blocks.
pub trait Peers: Send + Sync + 'static {
    /// Says something once, or not at all. What was said to one node on one lane arrives in order.
    fn tell(&self, to: NodeId, lane: Lane, topic: Topic, body: Bytes) -> Result<(), LinkError>;

    /// Asks something. Waits for the answer as long as the connection lives: who asks sets a limit
    /// of time.
    fn ask(&self, to: NodeId, lane: Lane, topic: Topic, body: Bytes) -> Answer;

    /// Whether there is a connection to it now.
    fn is_connected(&self, to: NodeId, lane: Lane) -> bool;
}

/// Streams of bytes to another node, each a connection of its own: for clients that are relayed.
pub trait Visits: Send + Sync + 'static {
    /// Opens one. `header` is what the other side is told first.
    fn visit(&self, to: NodeId, header: Bytes) -> LocalFuture<'_, io::Result<Box<dyn Socket>>>;
}

/// Takes what other nodes say about one topic. Called on the thread of the lane: must not block.
pub trait Desk: Send + Sync + 'static {
    fn told(&self, from: NodeId, body: Bytes);

    /// `Err`: the words for the other side, which gets [`LinkError::Refused`].
    fn asked(
        &self,
        from: NodeId,
        body: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, String>> + Send>>;
}

/// Who takes what: written by the groups as they come, read by the links.
#[derive(Default)]
pub struct Desks {
    desks: RwLock<BTreeMap<Topic, Arc<dyn Desk>>>,
}

impl Desks {
    /// A later one for the same topic takes the place of an earlier one.
    pub fn open(&self, topic: Topic, desk: Arc<dyn Desk>) {
        let mut desks = self.desks.write().unwrap_or_else(PoisonError::into_inner);
        desks.insert(topic, desk);
    }

    /// Nobody of that group is here any more.
    pub fn close(&self, group: GroupId) {
        let mut desks = self.desks.write().unwrap_or_else(PoisonError::into_inner);
        desks.retain(|topic, _| topic.group != group);
    }

    pub fn desk(&self, topic: Topic) -> Option<Arc<dyn Desk>> {
        let desks = self.desks.read().unwrap_or_else(PoisonError::into_inner);
        desks.get(&topic).cloned()
    }
}

impl std::fmt::Debug for Desks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let desks = self.desks.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(desks.keys()).finish()
    }
}

/// A node without others.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl Visits for Alone {
    fn visit(&self, _to: NodeId, _header: Bytes) -> LocalFuture<'_, io::Result<Box<dyn Socket>>> {
        Box::pin(async { Err(io::ErrorKind::NotConnected.into()) })
    }
}

impl Peers for Alone {
    fn tell(&self, to: NodeId, _lane: Lane, _topic: Topic, _body: Bytes) -> Result<(), LinkError> {
        Err(LinkError::NotConnected(to))
    }

    fn ask(&self, to: NodeId, _lane: Lane, _topic: Topic, _body: Bytes) -> Answer {
        Box::pin(async move { Err(LinkError::NotConnected(to)) })
    }

    fn is_connected(&self, _to: NodeId, _lane: Lane) -> bool {
        false
    }
}
