//! What the owner of a user reads of the state. Reads only.

use pollux_domain::availability::{Availability, DeviceAvailability};
use pollux_domain::blocking::AddressSet;
use pollux_domain::contact::Contact;
use pollux_domain::contract::{Announcement, Parcel, Session};
use pollux_domain::ids::{Connection, Epoch, GroupMs, NodeId, Seq, SessionId, StanzaId};
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::limits;
use pollux_domain::privacy::Privacy;
use pollux_domain::routing::Route;
use pollux_domain::settings::Rules;
use pollux_domain::takeovers::Takeovers;

use super::{Serving, SessionState, State};

/// One session as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub id: SessionId,
    pub jid: Jid,
    pub connection: Connection,
    pub attached: bool,
    pub resumable: bool,
    pub availability: Option<DeviceAvailability>,
    pub slots: usize,
    pub handled: u64,
}

/// A session to which a parcel may be written before its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlyTarget {
    pub session: SessionId,
    pub connection: Connection,
    /// Its newest slot: what goes early stands behind that.
    pub last_seq: Seq,
    /// Of its home.
    pub epoch: Epoch,
    /// Under stream management, so that every stanza needs an entry.
    pub managed: bool,
    /// A stream carries it, and it may hold more.
    pub has_room: bool,
}

/// Counts of the whole group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    pub users: usize,
    pub sessions: usize,
    pub sessions_attached: usize,
    pub slots: usize,
    pub offline: usize,
    /// Users of other groups that are known, and those of them that are watched here.
    pub foreign_users: usize,
    pub watched: usize,
    /// In all outboxes; see `outbox_rows`.
    pub outbox_lines: usize,
    pub outbox_bytes: usize,
    pub outbox_age_ms: u64,
}

impl State {
    /// The group's own time.
    pub fn group_time(&self) -> GroupMs {
        self.stamp.group
    }

    pub fn serving(&self, home: NodeId) -> Option<Serving> {
        self.serving.get(&home).copied()
    }

    pub fn takeovers(&self) -> &Takeovers {
        &self.takeovers
    }

    pub fn session(&self, id: SessionId) -> Option<&SessionState> {
        self.sessions.get(&id).map(AsRef::as_ref)
    }

    /// The sessions of a user by their addresses.
    pub fn sessions_by_jid(&self, user: &BareJid) -> Vec<(SessionId, Jid)> {
        self.sessions_of(user.as_str())
            .map(|(id, session)| (id, session.jid.clone()))
            .collect()
    }

    /// The sessions that a parcel would go to now. `apply` may find others.
    pub fn targets(&self, parcel: &Parcel) -> Vec<SessionId> {
        let user = parcel.to.bare_str();
        if self.forbids(parcel).is_some() || self.blocks(user, &parcel.from) {
            return Vec::new();
        }
        let spread = self.spread(user, parcel);
        match self.route(user, parcel.kind, parcel.to.resource(), spread) {
            Route::Deliver(sessions) => sessions,
            Route::Store | Route::Bounce(_) | Route::Drop => Vec::new(),
        }
    }

    /// The sessions that would get a carbon of what this one sends. `targets`: that get the parcel
    /// itself.
    fn copies(&self, from: SessionId, parcel: &Parcel, targets: &[SessionId]) -> Vec<SessionId> {
        let mut copies = self.sent_copies(from, parcel);
        copies.extend(self.received_copies(parcel, targets));
        copies
    }

    /// All that get something of what this session sends: the parcel, or a copy.
    pub fn receivers(&self, from: SessionId, parcel: &Parcel) -> Vec<SessionId> {
        let mut receivers = self.targets(parcel);
        let copies = self.copies(from, parcel, &receivers);
        receivers.extend(copies);
        receivers
    }

    /// Whether what this session sends concerns nobody but those whom it goes to, and leaves
    /// nothing to be remembered.
    pub fn is_between_two(
        &self,
        from: SessionId,
        parcel: &Parcel,
        targets: &[EarlyTarget],
    ) -> bool {
        let targets: Vec<SessionId> = targets.iter().map(|target| target.session).collect();
        !self.is_reply(parcel) && self.copies(from, parcel, &targets).is_empty()
    }

    /// The same as [`State::targets`], with what a parcel that is to go early must know of each.
    pub fn early_targets(&self, parcel: &Parcel) -> Vec<EarlyTarget> {
        // What is stored already goes first, also to a device that has not asked for it yet.
        let user = self.users.get(parcel.to.bare_str());
        let waits = user.is_some_and(|user| !user.offline.is_empty());
        let targets = self.targets(parcel).into_iter();
        let targets = targets.filter_map(|id| Some((id, self.sessions.get(&id)?)));
        let targets = targets.map(|(id, session)| EarlyTarget {
            session: id,
            connection: session.connection,
            last_seq: session.last_seq,
            epoch: self
                .serving(session.home)
                .map_or_else(Epoch::default, |s| s.epoch),
            managed: session.managed.is_some(),
            has_room: session.detached.is_none() && self.has_room(id) && !waits,
        });
        targets.collect()
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What a user is shown as, over all devices.
    pub fn availability(&self, user: &BareJid) -> Availability {
        let devices = self.sessions_of(user.as_str());
        let shows = devices.filter_map(|(_, session)| session.availability.as_ref());
        Availability::of_devices(shows.map(|(device, _)| device.show))
    }

    pub fn offline_count(&self, user: &BareJid) -> usize {
        self.users.get(user).map_or(0, |user| user.offline.len())
    }

    /// Whom a user has blocked (XEP-0191).
    pub fn block_list(&self, user: &BareJid) -> Vec<Jid> {
        let record = self.users.get(user);
        let entries = record.map(|record| record.blocked.entries());
        entries.into_iter().flatten().cloned().collect()
    }

    /// What a user has decided about who may see it.
    pub fn privacy(&self, user: &BareJid) -> Option<(Privacy, AddressSet)> {
        let record = self.users.get(user)?;
        Some((record.privacy.clone(), record.blocked.clone()))
    }

    pub fn has_user(&self, user: &BareJid) -> bool {
        self.users.contains_key(user)
    }

    /// Whether the user's account is disabled; None: there is no such user.
    pub fn is_disabled(&self, user: &BareJid) -> Option<bool> {
        self.users.get(user).map(|user| user.disabled)
    }

    /// All users in alphabetical order.
    pub fn users(&self) -> Vec<BareJid> {
        let mut users: Vec<BareJid> = self.users.keys().cloned().collect();
        users.sort_unstable();
        users
    }

    pub fn home_of(&self, user: &BareJid) -> Option<NodeId> {
        self.users.get(user).map(|user| user.home)
    }

    /// The contact list (RFC 6121 section 2.1.4).
    pub fn contacts(&self, user: &BareJid) -> Vec<Contact> {
        let contacts = self.users.get(user).map(|user| user.contacts.values());
        contacts
            .into_iter()
            .flatten()
            .filter(|contact| contact.listed)
            .cloned()
            .collect()
    }

    /// What a session that resumes is told afresh: devices that went while it may not have heard,
    /// then those that are there.
    pub fn news_for(&self, id: SessionId) -> Vec<Announcement> {
        let Some(session) = self.sessions.get(&id) else {
            return Vec::new();
        };
        if session.availability.is_none() {
            return Vec::new();
        }
        let user = session.user();
        let since = GroupMs(self.stamp.group.0.saturating_sub(2 * limits::RESUMPTION_MS));
        let mut news = self.gone_since(&user, since);
        news.extend(self.seen_by(&user, None));
        news
    }

    /// Sessions whose resumption time is over.
    pub fn expired(&self, now: GroupMs) -> Vec<Session> {
        let due = self.expiring.iter().take_while(|(at, _)| *at <= now);
        due.filter_map(|(_, id)| {
            let session = self.sessions.get(id)?;
            let epoch = self.serving.get(&session.home)?.epoch;
            Some(Session {
                id: *id,
                epoch,
                connection: session.connection,
            })
        })
        .collect()
    }

    /// The speaker that a session has at present.
    pub fn speaker(&self, id: SessionId) -> Option<Session> {
        let session = self.sessions.get(&id)?;
        let epoch = self.serving.get(&session.home)?.epoch;
        Some(Session {
            id,
            epoch,
            connection: session.connection,
        })
    }

    /// All sessions, or those of one user, in the order of sign-in.
    pub fn session_rows(&self, user: Option<&BareJid>) -> Vec<SessionRow> {
        let mut rows: Vec<SessionRow> = self
            .sessions
            .iter()
            .filter(|(_, session)| user.is_none_or(|user| session.user() == *user))
            .map(|(id, session)| SessionRow {
                id: *id,
                jid: session.jid.clone(),
                connection: session.connection,
                attached: session.detached.is_none(),
                resumable: session.managed == Some(true),
                availability: session.availability.as_ref().map(|(device, _)| *device),
                slots: session.slots.len(),
                handled: session.handled,
            })
            .collect();
        rows.sort_unstable_by_key(|row| row.id);
        rows
    }

    /// Users and sessions of one home.
    pub fn home_counts(&self, home: NodeId) -> (usize, usize) {
        let users = self.users.values().filter(|user| user.home == home);
        let sessions = self
            .sessions
            .values()
            .filter(|session| session.home == home);
        (users.count(), sessions.count())
    }

    pub fn statistics(&self) -> Statistics {
        let outboxes = self.outbox_rows();
        Statistics {
            users: self.users.len(),
            sessions: self.sessions.len(),
            sessions_attached: self
                .sessions
                .values()
                .filter(|s| s.detached.is_none())
                .count(),
            slots: self
                .sessions
                .values()
                .map(|session| session.slots.len())
                .sum(),
            offline: self.users.values().map(|user| user.offline.len()).sum(),
            foreign_users: self.foreign.len(),
            watched: self.watched.len(),
            outbox_lines: outboxes.iter().map(|row| row.lines).sum(),
            outbox_bytes: outboxes.iter().map(|row| row.bytes).sum(),
            outbox_age_ms: outboxes
                .iter()
                .map(|row| row.oldest_age_ms)
                .max()
                .unwrap_or(0),
        }
    }

    /// The rows that the tables must hold: stored messages, waiting or on their way, and what users
    /// keep.
    pub fn rows(&self) -> Vec<StanzaId> {
        let stored = self
            .users
            .values()
            .flat_map(|user| user.offline.keys().copied());
        let on_their_way = self
            .sessions
            .values()
            .flat_map(|session| session.stored_rows());
        let documents = self.users.values().flat_map(|user| user.documents.values());
        let documents = documents.map(|kept| kept.row);
        let mut rows: Vec<StanzaId> = stored.chain(on_their_way).chain(documents).collect();
        rows.sort_unstable();
        rows
    }
}

impl SessionState {
    fn stored_rows(&self) -> impl Iterator<Item = StanzaId> {
        use pollux_domain::contract::SlotBody;
        let stored = self
            .slots
            .iter()
            .filter(|slot| matches!(slot.body, SlotBody::Stored { .. }));
        stored.map(|slot| slot.stanza)
    }
}
