//! The actor of one session that has a stream: reads stanzas and proposes what they do, writes what
//! is committed, counts both (XEP-0198). What must outlive the stream is in the database, not here:
//! an actor that dies is made anew when its client resumes, and takes nobody with it.
//!
//! ```text
//!   socket ─► framer ─► decide ─► Command ─► group          (incoming, stream_management)
//!   group ─► Inbox ─► slots in order, announcements between ─► socket   (outgoing)
//! ```

pub mod abilities;
mod account;
mod broadcast;
mod decide;
mod early;
mod ending;
mod idle;
mod incoming;
mod news;
mod outgoing;
mod probe;
mod pump;
mod questions;
pub mod render;
mod silence;
mod spare;
mod stored;
mod stream_management;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message};
use bytes::{Bytes, BytesMut};
use pollux_domain::contract::{self, Command, Position, Slot};
use pollux_domain::ids::{Connection, Seq, SessionId};
use pollux_domain::jid::Jid;
use pollux_domain::limits;
use pollux_domain::pace::Pace;
use pollux_raft::duty::Tenure;
use pollux_raft::state::SessionState;
use pollux_xml::{Framer, StreamNamespaces, Text};

use crate::inbox::{Behind, Inbox};
use crate::node::Node;
use crate::reminders::Reminder;
use crate::stream::claims::Arrival;
use early::EarlyQueue;
use ending::Guard;
use news::News;
use pollux_links::net::Socket;

pub use ending::Ending;

/// A stream whose client is known, as the negotiation hands it over.
pub struct Stream {
    pub socket: Box<dyn Socket>,
    pub framer: Framer,
    pub namespaces: StreamNamespaces,
    /// Of what the client says to people, where it is another than the server's.
    pub lang: Option<Text>,
    pub arrival: Arrival,
    /// What the socket has not taken yet.
    pub write_queue: BytesMut,
    /// Nobody looks at the client (XEP-0352).
    pub inactive: bool,
    /// Nobody reads it on its way from the client.
    pub encrypted: bool,
}

/// See the module.
pub struct Session {
    node: Arc<Node>,
    jid: Jid,
    /// Whether this node may speak for the user at this moment.
    tenure: Arc<Tenure>,
    stream: Stream,
    inbox: Arc<Inbox>,
    /// What becomes of the session when this actor ends, however that happens.
    guard: Guard,
    waker: Option<Waker>,
    /// In which all that the session does is told.
    span: tracing::Span,
    /// Under stream management, and whether it may be resumed.
    managed: Option<bool>,

    // --- incoming ---
    /// Stanzas proposed, and stanzas committed, of this client.
    proposed: u64,
    handled: u64,
    /// Sizes of the stanzas between the two.
    in_flight: VecDeque<usize>,
    in_flight_bytes: usize,
    /// Commands that the group had no room for; the socket is not read meanwhile.
    stalled: VecDeque<Arc<Command>>,
    waits_for_room: bool,
    /// `<enable/>` is under way: nothing is read or written until it is committed.
    enabling: bool,
    /// What the user does about the account is under way: nothing is read before it is done.
    changing: bool,
    /// What is said first when the session ends because the user was removed.
    parting: Option<Bytes>,
    /// In octets and in elements.
    paces: [Pace; 2],
    /// The client has said more than it may: it is read again when it is reminded.
    pauses: bool,
    /// An `<r/>` waits for the commit of this stanza.
    owes_answer: Option<u64>,
    /// A reminder of it is under way: then it is answered with what is committed.
    is_reminded: bool,
    /// That answer goes with the next thing that is written.
    seeks_company: bool,
    /// How many answers in a row waited for it in vain, and how many are to go alone now.
    in_vain: u8,
    alone: u8,
    /// Stanzas that have a place and may not be committed yet, and in which stream of whom that is.
    placed: VecDeque<(u64, SessionId, Connection)>,
    /// The last stanza that went to no inbox: nothing may go early before it is committed.
    unordered: u64,

    // --- outgoing ---
    /// Slots in order, not written yet.
    slots: VecDeque<Slot>,
    /// The last slot taken from database or inbox.
    taken: Seq,
    /// How far the stream is written.
    written: Position,
    /// Without stream management: what the database was told of that, and whether slots came since.
    told: Position,
    untold: bool,
    /// The last slot for which a place is proposed.
    placing: Seq,
    /// What is written before its commit.
    early: EarlyQueue,
    news: News,
    /// The client's count when this connection began, stanzas sent in it, and the client's last
    /// count.
    base: u64,
    sent: u64,
    acked: u64,
    /// An `<r/>` of ours, or a ping, waits for its answer, since when.
    asked: Option<Duration>,
    /// When the client was last heard, and whether it was since it was last looked after.
    heard: Duration,
    was_heard: bool,
    /// After how much silence it is asked whether it is there.
    silence: Option<Duration>,
    /// When the socket last took a byte, if bytes wait.
    stalled_since: Option<Duration>,
    /// The stream is to be closed when all is written.
    closing: bool,
}

/// Seconds for the last bytes of a stream that closes.
const CLOSE_SECONDS_MAX: u64 = 5;

impl Session {
    /// Starts the actor of a session that has just been given this stream. To be called on the
    /// user's arbiter. This is the factory: whenever a session needs an actor again, it is made
    /// here, from the database.
    pub fn start(node: Arc<Node>, speaker: contract::Session, stream: Stream) {
        let home = node
            .subcluster
            .read(|state| state.session(speaker.id).map(|session| session.home));
        let Some(home) = home else { return };
        let inbox = Arc::new(Inbox::new(speaker.id, home, stream.arrival));
        let guard = Guard::new(node.clone(), speaker, inbox.clone());
        // From here on effects come in; what was there before is read after, and told apart by its
        // number.
        node.directory.enter(inbox.clone());
        if node.is_stopping() {
            // Those who were there have been told already.
            inbox.shut_down();
        }
        let state = node
            .subcluster
            .read(|state| state.session(speaker.id).cloned());
        let Some(state) = state else { return };
        if state.connection != speaker.connection || state.detached.is_some() {
            return;
        }
        let settings = node.cluster_settings();
        let rates = [
            settings.client_bytes_a_second.most(),
            settings.client_stanzas_a_second.most(),
        ];
        let now = node.ambient.clock.now();
        let paces = rates.map(|rate| Pace::new(rate, now));
        // It may begin so (XEP-0386 section 3.2).
        let news = News::new(stream.inactive);
        let mut session = Session {
            span: tracing::debug_span!(
                "session",
                sid = speaker.id.0,
                user = state.jid.bare_str(),
                resource = state.jid.resource(),
                connection = speaker.connection.0,
            ),
            jid: state.jid.clone(),
            tenure: node.tenures.of(home),
            stream,
            inbox,
            guard,
            waker: None,
            managed: None,
            proposed: 0,
            handled: 0,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            stalled: VecDeque::new(),
            waits_for_room: false,
            enabling: false,
            changing: false,
            parting: None,
            paces,
            pauses: false,
            owes_answer: None,
            is_reminded: false,
            seeks_company: false,
            in_vain: 0,
            alone: 0,
            placed: VecDeque::new(),
            unordered: 0,
            slots: VecDeque::new(),
            taken: Seq::default(),
            written: Position::default(),
            told: Position::default(),
            untold: false,
            placing: Seq::default(),
            early: EarlyQueue::default(),
            news,
            base: 0,
            sent: 0,
            acked: 0,
            asked: None,
            heard: node.ambient.clock.now(),
            was_heard: true,
            silence: settings
                .client_silence_seconds
                .most()
                .map(Duration::from_secs),
            stalled_since: None,
            closing: false,
            node,
        };
        session.begin_connection(&state);
        if state.managed.is_some() {
            let all = session
                .node
                .subcluster
                .read(|state| state.news_for(speaker.id));
            session.news.afresh(all);
        }
        let directory = session.node.directory.clone();
        directory.introduce(speaker.id, Actor::start(session));
    }

    /// Takes over what the database says of the session in its new connection.
    fn begin_connection(&mut self, state: &SessionState) {
        self.managed = state.managed;
        self.handled = state.handled;
        self.proposed = state.handled;
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        self.base = state.base;
        self.acked = state.acked;
        self.asked = None;
        self.sent = 0;
        self.written = Position::default();
        self.told = Position::default();
        self.early = EarlyQueue::default();
        self.untold = !state.slots.is_empty();
        self.unordered = 0;
        self.placed.clear();
        self.placing = Seq::default();
        self.taken = state.last_seq;
        self.slots = state.slots.clone();
        let unplaced = state.slots.iter().rfind(|slot| slot.placed.is_none());
        let behind = Behind {
            seq: state.last_seq,
            unplaced: unplaced.map_or(Seq::default(), |slot| slot.seq),
        };
        self.inbox
            .begin_connection(state.connection, state.managed.is_some(), behind);
    }

    fn speaker(&self) -> contract::Session {
        self.guard.speaker
    }

    fn now(&self) -> Duration {
        self.node.ambient.clock.now()
    }

    /// The last check before an act that the log does not guard (design, section 4).
    fn may_speak(&self) -> bool {
        self.tenure.holds(self.now())
    }

    fn ask_reminder(&self, what: Reminder) {
        self.node.reminders.remind(what, self.now(), &self.inbox);
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::SESSION_MAILBOX);
        ctx.spawn(pump::Pump);
        self.ask_reminder(Reminder::LookAfter);
        self.node
            .metrics
            .session_streams
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        self.node
            .metrics
            .session_streams
            .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// What an actor is at the moment, for tests and the admin pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    pub jid: Jid,
    pub handled: u64,
    pub in_flight: usize,
    pub slots_unwritten: usize,
    pub write_queue_bytes: usize,
    pub read_buffer_bytes: usize,
}

/// Asks for [`Observed`]. A full mailbox answers for the actor: it is busy.
#[derive(Debug)]
pub struct Observe;

impl Message for Observe {
    type Result = Option<Observed>;
}

impl Handler<Observe> for Session {
    type Result = Option<Observed>;

    fn handle(&mut self, _message: Observe, _ctx: &mut Self::Context) -> Option<Observed> {
        Some(Observed {
            jid: self.jid.clone(),
            handled: self.handled,
            in_flight: self.in_flight.len(),
            slots_unwritten: self.slots.len(),
            write_queue_bytes: self.stream.write_queue.capacity(),
            read_buffer_bytes: self.stream.framer.capacity(),
        })
    }
}
