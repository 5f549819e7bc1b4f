//! One client: what it has received and sent, and how far it knows both to be.

use std::collections::{BTreeSet, VecDeque};

use pollux_domain::contract::Action;
use pollux_domain::ids::{NodeId, SessionId, StanzaId};
use pollux_domain::jid::{BareJid, Jid};

use super::stream::Stream;

pub(super) struct Client {
    pub(super) user: BareJid,
    pub(super) jid: Jid,
    pub(super) home: NodeId,
    /// The session that it is in, or means to resume.
    pub(super) session: Option<SessionId>,
    pub(super) managed: bool,
    pub(super) stream: Option<Stream>,
    /// Waits for a reply; does nothing else meanwhile.
    pub(super) waits: bool,
    /// Counts what it has asked for, so that it knows a late reply.
    pub(super) attempt: u64,
    /// Its count of stanzas received, since `<enable/>`.
    pub(super) received: u64,
    /// Stanzas sent, since `<enable/>`.
    pub(super) sent: u64,
    /// What it has sent and the server has not acknowledged.
    pub(super) unconfirmed: VecDeque<(u64, Action)>,
    /// What it has seen in this session.
    pub(super) seen: BTreeSet<StanzaId>,
    /// The numbers of the messages that it got early in this session.
    pub(super) seen_early: BTreeSet<u64>,
    /// Requests to answer: from whom.
    pub(super) asked: Vec<Jid>,
}

impl Client {
    pub(super) fn new(user: BareJid, home: NodeId, device: usize) -> Client {
        let jid = user
            .with_resource(["phone", "desk", "web"][device])
            .unwrap();
        Client {
            user,
            jid,
            home,
            session: None,
            managed: false,
            stream: None,
            waits: false,
            attempt: 0,
            received: 0,
            sent: 0,
            unconfirmed: VecDeque::new(),
            seen: BTreeSet::new(),
            seen_early: BTreeSet::new(),
            asked: Vec::new(),
        }
    }

    /// Nothing holds it to its session any more.
    pub(super) fn forget(&mut self) {
        self.session = None;
        self.managed = false;
        self.cut();
        self.begin_counts();
        self.seen.clear();
        self.seen_early.clear();
        self.asked.clear();
    }

    /// The stream is gone, with what was on its way.
    pub(super) fn cut(&mut self) {
        self.stream = None;
        self.waits = false;
        self.attempt += 1;
    }

    pub(super) fn begin_counts(&mut self) {
        self.received = 0;
        self.sent = 0;
        self.unconfirmed.clear();
    }

    /// The server's count. It never goes back, and never says more than was sent (design, section
    /// 5, rule 1).
    pub(super) fn confirmed(&mut self, handled: u64) {
        assert!(handled <= self.sent, "{} handled of {}", handled, self.sent);
        let first = self.unconfirmed.front().map_or(self.sent + 1, |(n, _)| *n);
        assert!(
            first <= handled + 1,
            "the server's count went back to {handled}"
        );
        while self.unconfirmed.front().is_some_and(|(n, _)| *n <= handled) {
            self.unconfirmed.pop_front();
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.stream.is_some() && !self.waits
    }
}
