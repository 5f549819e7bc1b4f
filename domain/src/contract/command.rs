//! What a node proposes to its group, and what the proposer is told.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::availability::DeviceAvailability;
use crate::blocking::BlockChange;
use crate::contact::{Contact, ListVersion};
use crate::contract::effect::EndReason;
use crate::contract::outbox::{GroupName, OutboxLine};
use crate::contract::slot::Parcel;
use crate::document::DocumentName;
use crate::ids::{
    Connection, Epoch, GroupMs, Incarnation, Life, NodeId, Seq, SessionId, StanzaId, SubclusterId,
    WallMs,
};
use crate::jid::{BareJid, Jid};
use crate::settings::Rules;
use crate::subscription::SubscriptionRequest;
use crate::takeovers::TakeoverCause;
use crate::tokens::TokenAct;

/// When a batch was proposed, by its leader. Both never decrease within a group: `apply` sees to
/// it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub group: GroupMs,
    pub wall: WallMs,
}

/// Who speaks: a session under one epoch of its home and one connection. Anything older is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub epoch: Epoch,
    pub connection: Connection,
}

/// A promise made by the owner of a receiving session: a slot created by this command stands after
/// `v` volatile stanzas of that connection, and nothing volatile is written until the command is
/// decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub session: SessionId,
    pub connection: Connection,
    pub v: u64,
    /// The parcel is written at once, as the `v`th volatile stanza, after the slots up to this one
    /// (`deliver = early`): that is the place of its slot, whenever it is committed.
    pub early: Option<Seq>,
}

/// How far a stream without stream management is written: slots up to `seq`, and what came early
/// behind them up to `v`. Ordered as it is written.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Position {
    pub seq: Seq,
    pub v: u64,
}

/// One change of a subcluster's shared availability database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// `to` serves the users of `home` from now on, in its present life. Also the restart of an
    /// owner: the node serves nobody before it.
    TakeOver {
        home: NodeId,
        to: NodeId,
        life: Life,
        epoch: Epoch,
        cause: TakeoverCause,
    },
    /// A client has proved who it is and binds a resource (RFC 6120 section 7).
    SignIn {
        user: BareJid,
        resource: String,
        epoch: Epoch,
        token: [u8; 16],
        /// It gets copies from its first moment (XEP-0386, XEP-0280).
        carbons: bool,
    },
    /// The tokens of one client of a user (XEP-0484). By any node of the group: a sign-in may come
    /// to the one that does not serve the user.
    Token {
        user: BareJid,
        client: String,
        act: TokenAct,
    },
    /// XEP-0198 `<enable/>`. `written`: how far this stream was written before.
    Enable {
        session: Session,
        resumable: bool,
        written: Position,
    },
    /// XEP-0198 `<resume/>` with the client's count; `session` names the connection that ends.
    Resumed {
        session: SessionId,
        epoch: Epoch,
        h: u32,
    },
    /// The `n`th stanza of the session, with all its effects.
    Stanza {
        session: Session,
        n: u64,
        places: Vec<Place>,
        action: Action,
    },
    /// XEP-0198 `<a h=…/>`.
    Acked { session: Session, h: u32 },
    /// Slots up to here were written to the socket of a session without stream management.
    Written { session: Session, through: Position },
    /// Parcels that were handed to a session without an entry (`deliver = early`, stream management
    /// on neither side) and that its socket has not taken yet: they get slots, at their places.
    Unwritten {
        session: Session,
        parcels: Vec<(Position, Arc<Parcel>)>,
    },
    /// The slots up to `through` that have no place yet stand after `v` volatile stanzas.
    Placed {
        session: Session,
        through: Seq,
        v: u64,
    },
    /// The stream is gone, the session waits for resumption, or ends where it cannot be resumed.
    Detached { session: Session },
    /// The session is over.
    End { session: Session, reason: EndReason },
    /// The session waited for its client for longer than the resumption time.
    Expired { session: Session },
    /// What the group is called among groups. A larger incarnation is a new life: lines are
    /// numbered from 1 again. A group that is alone needs no name.
    Name(GroupName),
    /// What the configuration says of users, and which configuration: whoever lags behind what the
    /// group has heard already would undo it.
    Agree { as_of: AsOf, part: Agreement },
    /// What a user has decided about who may see it: names with values as a person writes them
    /// (`domain::privacy`), all or none.
    Privacy {
        user: BareJid,
        settings: Vec<(String, Option<String>)>,
    },
    /// In the target: takes lines of another group, from number `first` on. `told`: the source was
    /// told that its lines up to there were taken.
    Take {
        source: GroupName,
        told: u64,
        first: u64,
        lines: Vec<Arc<OutboxLine>>,
    },
    /// In the source: the target has taken its lines up to `through`, of those numbered in this
    /// incarnation, but for these, which it refused for want of room.
    Told {
        target: SubclusterId,
        incarnation: Incarnation,
        through: u64,
        refused: Vec<u64>,
    },
    /// No line of another group is taken until `Release` of the same hold, or for as long as
    /// [`limits::HOLD_MS_MAX`]: what is read of all groups while each is held is of one moment.
    Hold { hold: HoldId },
    /// Lines are taken again.
    Release { hold: HoldId },
    /// Who serves the user answers a question of another group about that user.
    Answered {
        home: NodeId,
        epoch: Epoch,
        inquiry: StanzaId,
        bytes: Bytes,
    },
    /// In the source: an operator removes a line, which may have been taken. Its parcel goes back
    /// to its sender.
    DropLine {
        target: SubclusterId,
        incarnation: Incarnation,
        number: u64,
    },
}

/// One pause between groups: random, so that nobody ends another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldId(pub [u8; 16]);

/// What one stanza of a client does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Counted, and that is all (a result that nobody waits for, presence that says nothing).
    Nothing,
    /// A message or IQ for somebody.
    Send(Arc<Parcel>),
    /// One message for several (XEP-0033), each of which is `Send`. `outer`: as it was addressed to
    /// the server, which is refused where nobody is to get it.
    Broadcast {
        outer: Arc<Parcel>,
        parcels: Vec<Arc<Parcel>>,
    },
    /// Presence without `to` (RFC 6121 sections 4.2, 4.4, 4.5). None: unavailable. The bytes have
    /// `from` but no `to`.
    Availability {
        device: Option<DeviceAvailability>,
        bytes: Bytes,
    },
    /// Presence to one address (RFC 6121 section 4.6).
    Directed {
        to: Jid,
        available: bool,
        bytes: Bytes,
    },
    /// The same to several (XEP-0033 section 5.1). `outer`: as it was addressed to the server,
    /// which is refused where nobody is to get it.
    DirectedToSeveral {
        outer: Arc<Parcel>,
        available: bool,
        copies: Vec<(Jid, Bytes)>,
    },
    /// Presence of a subscription type (RFC 6121 section 3). The bytes have the bare `from`.
    Subscription {
        to: BareJid,
        request: SubscriptionRequest,
        bytes: Bytes,
    },
    /// A get to the server or the own account.
    Ask { request: Bytes },
    /// A get of the contact list, and of pushes from now on. `known`: the client has the list as it
    /// was then (RFC 6121 section 2.6.2).
    AskList {
        request: Bytes,
        known: Option<ListVersion>,
    },
    /// A get about another user, which the server answers for that user.
    Inquire(Arc<Parcel>),
    /// A set of what the user keeps: answered by `result`, or by an error made from `iq`. All of it
    /// is kept, or nothing.
    Keep {
        iq: Arc<Parcel>,
        result: Bytes,
        documents: Vec<(DocumentName, Bytes)>,
    },
    /// A set of one contact (RFC 6121 sections 2.3 to 2.5): answered by `result`, or by an error
    /// made from `iq`.
    Contact {
        iq: Arc<Parcel>,
        result: Bytes,
        change: ContactChange,
    },
    /// A get of the block list: as `Ask`, and pushes of its changes from now on (XEP-0191 section
    /// 3.2).
    AskBlockList { request: Bytes },
    /// A change of the block list: answered by `result`, or by an error made from `iq`.
    Block {
        iq: Arc<Parcel>,
        result: Bytes,
        change: BlockChange,
    },
    /// The session gets copies of what goes to and from the user's other devices, or no more
    /// (XEP-0280 sections 4, 5). Answered with `result`.
    Carbons { on: bool, result: Bytes },
    /// Answered at once with these bytes.
    Answer(Bytes),
}

/// What a contact-list set asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContactChange {
    Set {
        jid: BareJid,
        name: Option<String>,
        groups: Vec<String>,
    },
    Remove {
        jid: BareJid,
    },
}

/// What the proposer is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    Done,
    /// The session that `SignIn`, `Enable` or `Resumed` leaves, and its committed count of stanzas
    /// handled.
    Session {
        session: Session,
        handled: u64,
    },
    /// To `Take`: what the source is to be `Told`. The same for a repetition.
    Taken {
        source: GroupName,
        through: u64,
        refused: Vec<u64>,
    },
    Refused(Refusal),
}

/// Why a command changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// An older epoch: another node serves, or this one has restarted since.
    StaleEpoch,
    /// An older connection of the session.
    StaleConnection,
    /// Not the next stanza of the session: a repetition, or a gap.
    OutOfTurn,
    NoSuchSession,
    NoSuchUser,
    TooManySessions,
    /// Another session of the user has the resource.
    Conflict,
    TooManyUsers,
    /// The session was not enabled for resumption.
    NotResumable,
    /// The count is ahead of what was sent: a client's (XEP-0198 section 4), or another group's.
    AheadOfSent,
    /// The group has no name yet, or the other group has the same.
    NoSuchGroup,
    /// An older life of a group.
    StaleIncarnation,
    /// An older configuration.
    StaleConfiguration,
    /// The user's account is disabled.
    UserDisabled,
    /// Lines before these have not been taken; the last that has is this.
    Gap {
        through: u64,
    },
    NoSuchLine,
    /// Nothing is taken for a moment.
    Held,
    /// Nobody waits for this answer any more.
    NoSuchInquiry,
    /// A name or a value that is not known.
    Invalid,
    /// No such token, or one whose count was there before.
    NoSuchToken,
}

/// A state of the configuration, as a subcluster orders them: a takeover that was forced may go on
/// from an older version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AsOf {
    pub reforms: u32,
    pub version: u64,
}

/// One thing that a configuration says of users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Agreement {
    /// It is read next: nothing older counts any more.
    Begin,
    /// The user belongs to this subcluster and has `home` as home node.
    Adopt { user: BareJid, home: NodeId },
    /// The user is gone: sessions end, contacts are told, everything kept for the user goes.
    Release { user: BareJid },
    /// The user's account is disabled, so that its sessions end and it gets no other; or enabled.
    Disabled { user: BareJid, disabled: bool },
    /// Where users of other groups live; None: nowhere any more.
    Foreign {
        users: Vec<(BareJid, Option<SubclusterId>)>,
    },
    /// What was set for the whole cluster.
    Rules(Rules),
}

impl Agreement {
    /// The command that says so, of that configuration.
    pub fn under(self, as_of: AsOf) -> Command {
        Command::Agree { as_of, part: self }
    }
}

/// A contact-list entry for the pushes that a removal makes.
impl Contact {
    /// Bytes that it holds in memory, for the limits.
    pub fn weight(&self) -> usize {
        let groups: usize = self.groups.iter().map(String::len).sum();
        self.jid.as_str().len() + self.name.as_ref().map_or(0, String::len) + groups
    }
}
