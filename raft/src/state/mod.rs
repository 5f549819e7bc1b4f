//! The shared availability database of a subcluster: a pure state machine. No clock, no I/O, no
//! randomness.
//!
//! ```text
//!   Command + Stamp ──► apply ──► Reply, [Effect], [RowWrite]
//!                          └────► outboxes: what other groups take, in order
//! ```
//! Every replica that applies the same commands has the same state, byte for byte (`digest`). What
//! it says to outside is a list of effects; offline rows are written, never read here, so that a
//! log may be applied again over newer tables.

mod admittance;
mod agreement;
mod anew;
mod apply;
mod availability;
mod between;
mod blocking;
mod carbons;
mod contacts;
mod deliver;
mod directed;
mod documents;
mod forking;
mod image;
mod inquiries;
mod last_seen;
mod list_versions;
mod sessions;
#[cfg(test)]
pub(crate) mod state_test;
mod subscriptions;
mod switches;
mod tokens;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::FixedState;
use pollux_domain::availability::DeviceAvailability;
use pollux_domain::blocking::AddressSet;
use pollux_domain::contact::Contact;
use pollux_domain::contract::{
    AsOf, Effect, EndReason, GroupName, Parcel, Place, RowWrite, Slot, Stamp,
};
use pollux_domain::document::DocumentName;
use pollux_domain::ids::{
    Connection, Epoch, GroupMs, Life, NodeId, Seq, SessionId, StanzaId, SubclusterId,
};
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::privacy::Privacy;
use pollux_domain::settings::Rules;
use pollux_domain::takeovers::{Owner, Takeovers};
use pollux_domain::tokens::Tokens;
use serde::{Deserialize, Serialize};

use between::{Held, Outbox, Taken, Watched};
use documents::Kept;
use forking::Talk;
use list_versions::ListHistory;

pub use between::{OutboxRow, Shipment};
pub use documents::Document;
pub use last_seen::{Activity, LastSeen};
pub use view::{EarlyTarget, SessionRow, Statistics};

/// Maps whose order is the same in each process; their keys are names that an administrator or the
/// group gave out, so that nobody can choose them to collide.
type Map<K, V> = HashMap<K, V, FixedState>;

/// All that a subcluster knows of its users. Users and sessions are shared pointers, so that a copy
/// for a snapshot costs a pointer each and what changes afterwards is copied then.
#[derive(Debug, Clone, Default)]
pub struct State {
    stamp: Stamp,
    last_session: SessionId,
    last_stanza: StanzaId,
    serving: BTreeMap<NodeId, Serving>,
    takeovers: Takeovers,
    users: Map<BareJid, Arc<User>>,
    sessions: Map<SessionId, Arc<SessionState>>,
    /// What the group is called among groups; None: it is alone.
    name: Option<GroupName>,
    /// The newest configuration that was agreed with.
    configured: AsOf,
    /// What it says of how messages go.
    rules: Rules,
    /// In which other group a user lives. It changes with the configuration only.
    foreign: Arc<Map<BareJid, SubclusterId>>,
    outboxes: BTreeMap<SubclusterId, Outbox>,
    taken: BTreeMap<SubclusterId, Taken>,
    /// Nothing is taken until then.
    held: Option<Held>,
    /// Users of other groups whom users of this one watch.
    watched: Map<BareJid, Arc<Watched>>,
    /// Bytes of presence kept in them; derived.
    watched_bytes: usize,
    /// What other groups ask about users of this one, and of which home those are.
    inquiries: BTreeMap<StanzaId, (NodeId, Arc<Parcel>)>,
    /// Documents of the newest entry, whose rows may not be written yet; derived.
    fresh: Vec<(StanzaId, Bytes)>,
    /// Detached sessions by the time at which they expire; derived.
    expiring: BTreeSet<(GroupMs, SessionId)>,
}

/// Who serves the users of a home node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    pub node: NodeId,
    /// Its process: another one of the same node holds nothing.
    pub life: Life,
    pub epoch: Epoch,
}

impl Serving {
    pub fn owner(self) -> Owner {
        Owner {
            node: self.node,
            life: self.life,
        }
    }
}

/// One user of the subcluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    home: NodeId,
    /// Has no session, and gets none.
    disabled: bool,
    contacts: BTreeMap<BareJid, Contact>,
    list: ListHistory,
    /// Requests that wait for the user's answer, as they were sent.
    requests: BTreeMap<BareJid, Arc<Parcel>>,
    /// In the order of sign-in.
    sessions: Vec<SessionId>,
    /// Stored messages and their sizes; the messages are offline rows.
    offline: BTreeMap<StanzaId, u32>,
    /// Devices that went away, for those contacts that resume a session and may not have been told.
    departures: VecDeque<(GroupMs, Jid)>,
    /// From which device the user has replied to whom.
    talks: BTreeMap<BareJid, Talk>,
    documents: BTreeMap<DocumentName, Kept>,
    last_seen: LastSeen,
    blocked: AddressSet,
    privacy: Privacy,
    /// By which its clients sign in again.
    tokens: Tokens,
}

impl User {
    fn new(home: NodeId) -> User {
        User {
            home,
            disabled: false,
            contacts: Default::default(),
            list: Default::default(),
            requests: Default::default(),
            sessions: Vec::new(),
            offline: Default::default(),
            departures: Default::default(),
            talks: Default::default(),
            documents: Default::default(),
            last_seen: Default::default(),
            blocked: Default::default(),
            privacy: Default::default(),
            tokens: Default::default(),
        }
    }
}

/// One session, with or without a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionState {
    pub jid: Jid,
    pub home: NodeId,
    /// What the client must know to resume; secret.
    pub token: [u8; 16],
    pub connection: Connection,
    /// None while a stream carries it.
    pub detached: Option<GroupMs>,
    /// None: without stream management. Otherwise whether it may be resumed.
    pub managed: Option<bool>,
    /// Stanzas of the client that are committed; since `<enable/>` where there is stream
    /// management.
    pub handled: u64,
    /// The client's count when this connection began.
    pub base: u64,
    /// The client's last count.
    pub acked: u64,
    pub last_seq: Seq,
    pub slots: VecDeque<Slot>,
    weight: usize,
    availability: Option<(DeviceAvailability, Bytes)>,
    directed: BTreeSet<Jid>,
    /// Has asked for its contact list and is told of changes (RFC 6121 section 2.2, "interested
    /// resource").
    wants_pushes: bool,
    /// Has asked for the block list and is told of changes (XEP-0191 section 3.3).
    wants_blocks: bool,
    /// Gets copies of what goes to and from the user's other devices (XEP-0280).
    carbons: bool,
}

impl SessionState {
    fn user(&self) -> BareJid {
        self.jid.to_bare()
    }

    /// The client's count after it has received a placed slot.
    fn wire_count(&self, slot: &Slot) -> Option<u64> {
        slot.placed.map(|v| self.base + slot.seq.0 + v)
    }
}

/// What one command has led to so far.
#[derive(Debug, Default)]
pub struct Outcome {
    pub effects: Vec<Effect>,
    pub rows: Vec<RowWrite>,
    places: Vec<Place>,
    /// Sessions that could hold no more and end with this command.
    overfull: Vec<(SessionId, EndReason)>,
    /// Groups for which there are new lines.
    grew: BTreeSet<SubclusterId>,
}

impl Outcome {
    /// The place at which a session is written to before the commit.
    fn early_place(&self, session: SessionId) -> Option<&Place> {
        let mut early = self.places.iter().filter(|place| place.early.is_some());
        early.find(|place| place.session == session)
    }
}
