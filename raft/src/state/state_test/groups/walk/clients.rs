//! Clients: what they say, what they have received, what they believe of others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::availability::{DeviceAvailability, Show};
use pollux_domain::contract::{
    Action, Announcement, Command, ContactChange, Copied, Effect, EndReason, Parcel, ParcelKind,
    Refusal, Reply, Session, SlotBody,
};
use pollux_domain::ids::{Epoch, StanzaId, WallMs};
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::subscription::SubscriptionRequest::{
    Subscribe, Subscribed, Unsubscribe, Unsubscribed,
};

use super::super::super::world::user;
use super::{HOME, USERS, Walk};

pub(super) struct Client {
    pub(super) group: usize,
    pub(super) user: BareJid,
    pub(super) jid: Jid,
    pub(super) session: Option<Session>,
    pub(super) attached: bool,
    /// Its count of stanzas received.
    received: u64,
    /// What it has seen in this session.
    stanzas: BTreeSet<StanzaId>,
    asked: Vec<Jid>,
    /// Devices that it believes to be available, with their last word.
    pub(super) view: BTreeMap<Jid, Bytes>,
}

impl Client {
    pub(super) fn new(group: usize, user: BareJid, device: usize) -> Client {
        let jid = user.with_resource(["desk", "phone"][device]).unwrap();
        Client {
            group,
            user,
            jid,
            session: None,
            attached: false,
            received: 0,
            stanzas: BTreeSet::new(),
            asked: Vec::new(),
            view: BTreeMap::new(),
        }
    }

    fn forget(&mut self) {
        *self = Client {
            jid: self.jid.clone(),
            ..Client::new(self.group, self.user.clone(), 0)
        };
    }

    fn hears(&mut self, announcement: &Announcement) {
        let from = announcement.from.clone();
        match &announcement.bytes {
            Some(bytes) if !bytes.starts_with(b"bye") => self.view.insert(from, bytes.clone()),
            _ => self.view.remove(&from),
        };
    }
}

impl Walk {
    pub(super) fn effect(&mut self, group: usize, effect: &Effect) {
        let Some(id) = effect.session() else { return };
        let has = |client: &&mut Client| {
            client.group == group && client.session.is_some_and(|session| session.id == id)
        };
        let Some(client) = self.clients.iter_mut().find(has) else {
            return;
        };
        match effect {
            Effect::Announce { announcement, .. } if client.attached => client.hears(announcement),
            Effect::Ended { .. } => client.forget(),
            _ => {}
        }
    }

    /// Signs in, resumes, or loses its stream.
    pub(super) fn connect(&mut self, client: usize) {
        let one = &self.clients[client];
        let group = one.group;
        match one.session {
            None => self.sign_in(client),
            Some(session) if one.attached => {
                self.clients[client].attached = false;
                self.done(group, &Command::Detached { session });
            }
            Some(_) => self.come_back(client),
        }
    }

    fn sign_in(&mut self, client: usize) {
        let one = &self.clients[client];
        let sign_in = Command::SignIn {
            user: one.user.clone(),
            resource: one.jid.resource().unwrap().to_owned(),
            epoch: Epoch(1),
            token: [7; 16],
            carbons: false,
        };
        let group = one.group;
        let Reply::Session { session, .. } = self.done(group, &sign_in) else {
            panic!("no session");
        };
        let enable = Command::Enable {
            session,
            resumable: true,
            written: Default::default(),
        };
        let Reply::Session { session, .. } = self.done(group, &enable) else {
            panic!("no session");
        };
        self.clients[client].session = Some(session);
        self.clients[client].attached = true;
        let present = self.availability(client, 8);
        self.act(client, present);
    }

    pub(super) fn come_back(&mut self, client: usize) {
        let one = &self.clients[client];
        let (Some(session), false) = (one.session, one.attached) else {
            return;
        };
        let group = one.group;
        let resumed = Command::Resumed {
            session: session.id,
            epoch: Epoch(1),
            h: one.received as u32,
        };
        let Reply::Session { session, .. } = self.done(group, &resumed) else {
            panic!("not resumed");
        };
        let state = &self.groups[group].state;
        let one = &mut self.clients[client];
        one.session = Some(session);
        one.attached = true;
        // A client drops what it knew of those whom it does not see any more: a push says so.
        let contacts = state.contacts(&one.user);
        let own = one.user.clone();
        let sees = |jid: &BareJid| contacts.iter().any(|c| c.jid == *jid && c.relation.to);
        one.view
            .retain(|jid, _| jid.to_bare() == own || sees(&jid.to_bare()));
        for news in state.news_for(session.id) {
            one.hears(&news);
        }
    }

    pub(super) fn leave(&mut self, client: usize) {
        let one = &self.clients[client];
        if let (Some(session), true) = (one.session, one.attached) {
            let reason = EndReason::Closed;
            let group = one.group;
            self.done(group, &Command::End { session, reason });
        }
    }

    /// Sessions that have waited too long end, now and then.
    pub(super) fn expire(&mut self, group: usize) {
        if self.chance.one_in(3) {
            self.groups[group].stamp.group.0 += pollux_domain::limits::RESUMPTION_MS / 2;
        }
        let one = &self.groups[group];
        for session in one.state.expired(one.stamp.group) {
            self.done(group, &Command::Expired { session });
        }
    }

    /// Receives some of what waits, and says so, or does not come to it.
    pub(super) fn read(&mut self, client: usize) {
        let count = 1 + self.chance.index(10);
        let acks = !self.chance.one_in(4);
        self.receive(client, count, acks);
    }

    pub(super) fn read_all(&mut self, client: usize) {
        self.receive(client, usize::MAX, true);
    }

    fn receive(&mut self, client: usize, count: usize, acks: bool) {
        let one = &self.clients[client];
        let (Some(session), true) = (one.session, one.attached) else {
            return;
        };
        let group = one.group;
        let state = &self.groups[group].state.sessions[&session.id];
        let slots: Vec<_> = state.slots.iter().take(count).cloned().collect();
        let base = state.base;
        let Some(last) = slots.last().map(|slot| slot.seq) else {
            return;
        };
        let placed = Command::Placed {
            session,
            through: last,
            v: 0,
        };
        self.done(group, &placed);
        for slot in slots {
            let wire = base + slot.seq.0;
            let one = &mut self.clients[client];
            if wire <= one.received {
                continue;
            }
            one.received = wire;
            assert!(one.stanzas.insert(slot.stanza), "seen twice: {slot:?}");
            let parcel = match &slot.body {
                SlotBody::Bounce(parcel, condition) => {
                    self.ledger.refused(parcel);
                    let case = format!("bounce {condition:?}");
                    *self.seen.entry(case).or_default() += 1;
                    continue;
                }
                SlotBody::Parcel(parcel) | SlotBody::Carbon(parcel, Copied::Received) => {
                    parcel.clone()
                }
                SlotBody::Stored { .. } => self.groups[group].table[&slot.stanza].clone(),
                _ => continue,
            };
            if parcel.kind == ParcelKind::IqRequest {
                one.asked.push(parcel.from.clone());
            }
            self.ledger.received((group, session.id), &parcel);
        }
        if acks {
            let h = self.clients[client].received as u32;
            self.done(group, &Command::Acked { session, h });
        }
    }

    pub(super) fn say(&mut self, client: usize) {
        if self.clients[client].attached {
            // A client that is cut off may say much before it notices.
            let times = if self.chance.one_in(20) { 30 } else { 1 };
            for _ in 0..times {
                let action = self.action(client);
                self.act(client, action);
            }
        }
    }

    pub(super) fn act(&mut self, client: usize, action: Action) {
        let (group, session) = match &self.clients[client] {
            Client {
                group,
                session: Some(session),
                attached: true,
                ..
            } => (*group, *session),
            _ => return,
        };
        if let Action::Directed { to, .. } = &action {
            self.directed
                .insert((self.clients[client].user.clone(), to.to_bare()));
        }
        if matches!(action, Action::Availability { device: None, .. }) {
            // From here on it is told of nobody.
            self.clients[client].view.clear();
        }
        let n = self.groups[group].state.sessions[&session.id].handled + 1;
        let stanza = Command::Stanza {
            session,
            n,
            places: Vec::new(),
            action,
        };
        self.done(group, &stanza);
        if self.chance.one_in(16) && self.clients[client].session.is_some() {
            let again = Reply::Refused(Refusal::OutOfTurn);
            assert_eq!(self.apply(group, &stanza), again, "taken twice");
        }
    }

    fn action(&mut self, client: usize) -> Action {
        match self.chance.below(22) {
            0..=2 => self.availability(client, 4),
            3 => Action::Directed {
                to: self.address(client),
                available: !self.chance.one_in(3),
                bytes: Bytes::from_static(b"bye, directed"),
            },
            4..=8 => self.subscription(client),
            9 if self.chance.one_in(3) => self.contact(client),
            10..=11 => match self.clients[client].asked.pop() {
                Some(to) => Action::Send(self.message(client, to, ParcelKind::IqResponse)),
                None => {
                    // An answer to nothing; it uses the reserve all the same.
                    let to = self.address(client);
                    Action::Send(self.message(client, to, ParcelKind::IqResponse))
                }
            },
            _ => {
                let kinds = [
                    ParcelKind::Chat,
                    ParcelKind::Chat,
                    ParcelKind::Normal,
                    ParcelKind::Headline,
                    ParcelKind::IqRequest,
                ];
                let kind = *self.chance.pick(&kinds);
                let to = self.address(client);
                Action::Send(self.message(client, to, kind))
            }
        }
    }

    fn message(&mut self, client: usize, to: Jid, kind: ParcelKind) -> Arc<Parcel> {
        self.numbers += 1;
        Arc::new(Parcel {
            from: self.clients[client].jid.clone(),
            to,
            kind,
            bytes: Bytes::from(self.numbers.to_string()),
            sent: WallMs(0),
            hints: Default::default(),
        })
    }

    fn availability(&mut self, _client: usize, times: u64) -> Action {
        self.numbers += 1;
        let priority = *self.chance.pick(&[0, 0, 5, -1]);
        let here = !self.chance.one_in(times);
        let show = Show::Available;
        let words = if here { "here" } else { "bye" };
        Action::Availability {
            device: here.then_some(DeviceAvailability { show, priority }),
            bytes: Bytes::from(format!("{words} {}", self.numbers)),
        }
    }

    fn subscription(&mut self, client: usize) -> Action {
        let one = &self.clients[client];
        let state = &self.groups[one.group].state;
        let waiting = state.users[&one.user].requests.keys().next().cloned();
        let (to, request) = match waiting {
            Some(asker) if !self.chance.one_in(5) => (asker, Subscribed),
            _ => {
                let requests = [
                    Subscribe,
                    Subscribe,
                    Subscribe,
                    Subscribe,
                    Subscribed,
                    Unsubscribe,
                    Unsubscribed,
                ];
                (self.anybody(client), *self.chance.pick(&requests))
            }
        };
        Action::Subscription {
            to,
            request,
            bytes: Bytes::from_static(b"words"),
        }
    }

    /// Whoever serves the users of a group answers what is asked about them, and perhaps once more.
    pub(super) fn answer_inquiries(&mut self, group: usize) {
        let epoch = Epoch(1);
        for (inquiry, parcel) in self.groups[group].state.inquiries(HOME) {
            let answered = Command::Answered {
                home: HOME,
                epoch,
                inquiry,
                bytes: Bytes::from_static(b"an answer"),
            };
            self.done(group, &answered);
            self.ledger.answered(&parcel);
            if self.chance.one_in(4) {
                let again = Reply::Refused(Refusal::NoSuchInquiry);
                assert_eq!(self.apply(group, &answered), again, "answered twice");
            }
        }
    }

    fn contact(&mut self, client: usize) -> Action {
        let jid = self.anybody(client);
        let iq = Parcel {
            from: self.clients[client].jid.clone(),
            to: self.clients[client].user.to_jid(),
            kind: ParcelKind::IqRequest,
            bytes: Bytes::from_static(b"set"),
            sent: WallMs(0),
            hints: Default::default(),
        };
        Action::Contact {
            iq: Arc::new(iq),
            result: Bytes::from_static(b"result"),
            change: ContactChange::Remove { jid },
        }
    }

    /// Most often a user of another group.
    fn anybody(&mut self, client: usize) -> BareJid {
        if self.chance.one_in(30) {
            return user("nobody");
        }
        let own = self.clients[client].group;
        let mut group = self.chance.index(self.groups.len());
        if group == own && !self.chance.one_in(4) {
            group = (group + 1) % self.groups.len();
        }
        user(self.chance.pick(USERS[group]).0)
    }

    fn address(&mut self, client: usize) -> Jid {
        let user = self.anybody(client);
        match self.chance.below(4) {
            0 => user.with_resource("desk").unwrap(),
            1 => user.with_resource("phone").unwrap(),
            _ => user.to_jid(),
        }
    }
}
