//! Who is told of whose availability (RFC 6121 section 4). Announcements are volatile: a session
//! that resumes is told afresh. Not for what a client says to single addresses: see `directed`.

use std::collections::BTreeSet;

use bytes::Bytes;
use pollux_domain::availability::DeviceAvailability;
use pollux_domain::contract::{Announcement, Duty, Effect, SlotBody};
use pollux_domain::ids::{GroupMs, SessionId};
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::limits;

use super::{Outcome, State};

impl State {
    /// RFC 6121 sections 4.2 (initial presence) and 4.4 (later presence).
    pub(super) fn available(
        &mut self,
        id: SessionId,
        device: DeviceAvailability,
        bytes: Bytes,
        out: &mut Outcome,
    ) {
        let before = self.session_mut(id, |session| {
            session.availability.replace((device, bytes.clone()))
        });
        let Some(before) = before else { return };
        let Some(jid) = self.sessions.get(&id).map(|session| session.jid.clone()) else {
            return;
        };
        let user = jid.to_bare();
        self.tell_watchers(&jid, Some(bytes.clone()), out);
        let groups = self.groups_told(&jid.to_bare(), true, &BTreeSet::new());
        self.tell_groups(&jid, true, Some(&bytes), groups, out);
        if before.is_none() {
            for announcement in self.seen_by(&user, Some(id)) {
                out.effects.push(Effect::Announce {
                    session: id,
                    announcement,
                });
            }
            self.tell_requests(&user, id, out);
            self.probe_for(&user, out);
        }
        self.drain_offline(user.as_str(), out);
    }

    /// RFC 6121 section 4.5. `bytes`: the client's own words; None where the server speaks for it.
    pub(super) fn unavailable(&mut self, id: SessionId, bytes: Option<Bytes>, out: &mut Outcome) {
        let before = self.session_mut(id, |session| {
            (
                session.availability.take(),
                std::mem::take(&mut session.directed),
                session.jid.clone(),
            )
        });
        let Some((before, directed, jid)) = before else {
            return;
        };
        let now = self.stamp.group;
        let said_before = out.effects.len();
        if before.is_some() {
            self.tell_watchers(&jid, bytes.clone(), out);
            self.user_mut(jid.bare_str(), |user| {
                user.departures.retain(|(_, departed)| *departed != jid);
                user.departures.push_back((now, jid.clone()));
                if limits::DEPARTURES_MAX < user.departures.len() {
                    user.departures.pop_front();
                }
                user.went(bytes.as_ref());
            });
        }
        for to in &directed {
            self.tell_device(&jid, to, bytes.clone(), out);
        }
        tell_once(said_before, out);
        let groups = self.groups_told(&jid.to_bare(), before.is_some(), &directed);
        self.tell_groups(&jid, false, bytes.as_ref(), groups, out);
    }

    /// All that `user` is entitled to see: available devices of contacts and the user's own.
    /// `newcomer`: leave out this session, which has just been told of itself.
    pub(super) fn seen_by(&self, user: &BareJid, newcomer: Option<SessionId>) -> Vec<Announcement> {
        let mut announcements = Vec::new();
        for other in self.followed(user) {
            self.seen_of(user, other, newcomer, &mut announcements);
        }
        announcements
    }

    /// Those whom `user` has asked to see, and may or may not; last the user.
    fn followed<'a>(&'a self, user: &'a BareJid) -> impl Iterator<Item = &'a BareJid> {
        let record = self.users.get(user);
        let contacts = record
            .into_iter()
            .flat_map(|record| record.contacts.values());
        let followed = contacts.filter(|contact| contact.relation.to);
        let followed = followed.map(|contact| &contact.jid);
        followed.chain(record.map(|_| user))
    }

    /// What `user` sees of an address, for a client that asks: its available devices, or that it
    /// has none. Nothing where the user does not see it.
    pub fn seen_at(&self, user: &BareJid, address: &Jid) -> Vec<Announcement> {
        let other = address.to_bare();
        let is_seen = *user == other || self.sees(user, &other);
        if !is_seen || self.blocks(user.as_str(), address) {
            return Vec::new();
        }
        let mut seen = Vec::new();
        self.seen_of(user, &other, None, &mut seen);
        seen.retain(|device| address.resource().is_none() || device.from == *address);
        // Of devices abroad not all need be known: see `FOREIGN_PRESENCE_BYTES_MAX`.
        let is_abroad = self.watched.get(&other);
        let is_abroad = is_abroad.is_some_and(|watched| !watched.devices.is_empty());
        if seen.is_empty() && !is_abroad {
            seen.push(Announcement {
                from: address.clone(),
                to: user.to_jid(),
                bytes: None,
            });
        }
        seen
    }

    /// Available devices of one whom `user` follows.
    fn seen_of(
        &self,
        user: &BareJid,
        other: &BareJid,
        newcomer: Option<SessionId>,
        announcements: &mut Vec<Announcement>,
    ) {
        if let Some(watched) = self.watched.get(other)
            && self.sees_abroad(user, other)
        {
            let kept = watched.devices.iter();
            let kept = kept.filter_map(|(jid, bytes)| Some((jid, bytes.as_ref()?)));
            let kept = kept.filter(|(jid, _)| !self.blocks(user.as_str(), jid));
            announcements.extend(kept.map(|(from, bytes)| Announcement {
                from: from.clone(),
                to: user.to_jid(),
                bytes: Some(bytes.clone()),
            }));
        }
        for (id, session) in self.sessions_of(other.as_str()) {
            let Some((_, bytes)) = &session.availability else {
                continue;
            };
            let blocked = self.blocks(user.as_str(), &session.jid);
            if newcomer == Some(id) || blocked || !self.may_see(user, other) {
                continue;
            }
            announcements.push(Announcement {
                from: session.jid.clone(),
                to: user.to_jid(),
                bytes: Some(bytes.clone()),
            });
        }
    }

    /// Devices of those that `user` sees that have gone since the time given and have not come
    /// back.
    pub(super) fn gone_since(&self, user: &BareJid, since: GroupMs) -> Vec<Announcement> {
        let departures = self
            .followed(user)
            .filter_map(|other| match self.users.get(other) {
                Some(record) => self.may_see(user, other).then_some(&record.departures),
                None => self.watched.get(other).map(|watched| &watched.departures),
            });
        let departed = departures.flat_map(|departures| {
            let late = departures.iter().filter(|(at, _)| since <= *at);
            late.map(|(_, jid)| jid)
        });
        departed
            .filter(|jid| !self.is_available(jid))
            .map(|jid| Announcement {
                from: jid.clone(),
                to: user.to_jid(),
                bytes: None,
            })
            .collect()
    }

    fn is_available(&self, jid: &Jid) -> bool {
        let abroad = self.watched.get(&jid.to_bare());
        if abroad.is_some_and(|watched| watched.devices.contains_key(jid)) {
            return true;
        }
        let session = self.session_of(jid).and_then(|id| self.sessions.get(&id));
        session.is_some_and(|session| session.availability.is_some())
    }

    /// Whether `observed` lets `observer` see it: the observed user's own word counts.
    pub fn may_see(&self, observer: &BareJid, observed: &BareJid) -> bool {
        observer == observed
            || (self.shows(observed, observer) && !self.blocks_account(observer, observed))
    }

    /// A user of this group sees a contact, wherever that lives.
    pub(super) fn sees(&self, observer: &BareJid, observed: &BareJid) -> bool {
        match self.users.contains_key(observed) {
            true => self.relation(observer, observed).0.to && self.may_see(observer, observed),
            false => self.sees_abroad(observer, observed),
        }
    }

    /// Tells the contacts that see this device, and the user's own available devices.
    fn tell_watchers(&self, from: &Jid, bytes: Option<Bytes>, out: &mut Outcome) {
        let user = from.to_bare();
        let Some(record) = self.users.get(&user) else {
            return;
        };
        let watchers = record.contacts.values().filter(|contact| {
            self.rules.sharing
                && contact.relation.from
                && !record.blocks_account(&user, &contact.jid)
                && !self.blocks_account(&contact.jid, &user)
        });
        for watcher in watchers.map(|contact| &contact.jid).chain([&user]) {
            self.tell_user(from, watcher, bytes.as_ref(), out);
        }
    }

    /// Tells the available devices of one user of one device.
    pub(super) fn tell_user(
        &self,
        from: &Jid,
        watcher: &BareJid,
        bytes: Option<&Bytes>,
        out: &mut Outcome,
    ) {
        for (session, state) in self.sessions_of(watcher.as_str()) {
            let blocked = bytes.is_some() && self.is_blocked_between(from, &state.jid);
            if blocked || state.availability.is_none() {
                continue;
            }
            let announcement = Announcement {
                from: from.clone(),
                to: watcher.to_jid(),
                bytes: bytes.cloned(),
            };
            out.effects.push(Effect::Announce {
                session,
                announcement,
            });
        }
    }

    /// Tells an address of this group.
    pub(super) fn tell_device(
        &self,
        from: &Jid,
        to: &Jid,
        bytes: Option<Bytes>,
        out: &mut Outcome,
    ) {
        if to.resource().is_none() {
            self.tell_user(from, &to.to_bare(), bytes.as_ref(), out);
        } else if let Some(session) = self.session_of(to) {
            if bytes.is_some() && self.is_blocked_between(from, to) {
                return;
            }
            let announcement = Announcement {
                from: from.clone(),
                to: to.clone(),
                bytes,
            };
            out.effects.push(Effect::Announce {
                session,
                announcement,
            });
        }
    }

    /// RFC 6121 section 3.1.3, rule 4: requests are shown again until the user answers.
    fn tell_requests(&mut self, user: &BareJid, id: SessionId, out: &mut Outcome) {
        let requests = self
            .users
            .get(user)
            .map(|user| user.requests.clone())
            .unwrap_or_default();
        for (asker, parcel) in requests {
            if self.blocks_account(user, &asker) {
                continue;
            }
            let stanza = self.new_stanza();
            self.slot(id, stanza, SlotBody::Parcel(parcel), Duty::Sole, out);
        }
    }
}

/// A session that sees a device for several reasons is told once of its going: what was said since
/// `start` of one device is kept for each session the first time only.
pub(super) fn tell_once(start: usize, out: &mut Outcome) {
    let mut told = BTreeSet::new();
    let said = out.effects.split_off(start);
    let first = said.into_iter().filter(|effect| match effect {
        Effect::Announce { session, .. } => told.insert(*session),
        _ => true,
    });
    out.effects.extend(first);
}
