//! Users of other groups whom users of this one watch: what their groups have told of them. What is
//! told here to others stands in `availability`.
//!
//! A source says each change once, in order, and who may see it; so this table is what the source
//! said last, whoever serves here, and a session that signs in or resumes is answered from it. A
//! group that may have forgotten what it was told begins a new life, and is told afresh (`Began`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::contract::OutboxLine;
use pollux_domain::ids::{GroupMs, SubclusterId};
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::limits;
use serde::{Deserialize, Serialize};

use super::outbox::{Debt, PRESENCE_BYTES_MAX};
use crate::state::availability::tell_once;
use crate::state::{Outcome, State};

/// One user of another group, as far as it is shown here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Watched {
    pub(in crate::state) home: SubclusterId,
    /// Who is shown the user, by the word of the user's own group.
    pub(in crate::state) watchers: BTreeSet<BareJid>,
    /// Available devices. Without presence: there was no room to keep it.
    pub(in crate::state) devices: BTreeMap<Jid, Option<Bytes>>,
    /// See [`crate::state::User`].
    pub(in crate::state) departures: VecDeque<(GroupMs, Jid)>,
}

impl Watched {
    fn new(home: SubclusterId) -> Watched {
        Watched {
            home,
            watchers: BTreeSet::new(),
            devices: BTreeMap::new(),
            departures: VecDeque::new(),
        }
    }

    /// Bytes of the presence that is kept.
    pub(in crate::state) fn weight(&self) -> usize {
        self.devices.values().flatten().map(Bytes::len).sum()
    }

    fn departed(&mut self, now: GroupMs, device: &Jid) {
        self.departures.retain(|(_, other)| other != device);
        self.departures.push_back((now, device.clone()));
        if limits::DEPARTURES_MAX < self.departures.len() {
            self.departures.pop_front();
        }
    }
}

impl State {
    /// A user of this group is shown a user of another: its own list says so, and the other's word
    /// allows it.
    pub(in crate::state) fn sees_abroad(&self, observer: &BareJid, observed: &BareJid) -> bool {
        let allowed = self
            .watched
            .get(observed)
            .is_some_and(|watched| watched.watchers.contains(observer));
        allowed
            && self.relation(observer, observed).0.to
            && !self.blocks_account(observer, observed)
    }

    pub(in crate::state) fn take_availability(
        &mut self,
        from: &Jid,
        available: bool,
        bytes: Option<&Bytes>,
        watchers: bool,
        directed: &[Jid],
        out: &mut Outcome,
    ) {
        let start = out.effects.len();
        let user = from.to_bare();
        if watchers {
            let kept = bytes.filter(|_| available);
            self.set_device(&user, from, kept);
            for watcher in self.watchers_of(&user) {
                self.tell_user(from, &watcher, bytes, out);
            }
        }
        for to in directed {
            self.tell_device(from, to, bytes.cloned(), out);
        }
        tell_once(start, out);
    }

    /// RFC 6121 sections 3.1.5, 3.2.3, 3.3.3: a view begins or ends.
    pub(in crate::state) fn take_watch(
        &mut self,
        source: SubclusterId,
        user: &BareJid,
        watcher: &BareJid,
        devices: Option<&[(Jid, Bytes)]>,
        out: &mut Outcome,
    ) {
        let saw = self.sees_abroad(watcher, user);
        let Some(devices) = devices else {
            if saw {
                self.tell_devices(watcher, user, false, out);
            }
            self.watched_mut(source, user, |watched| watched.watchers.remove(watcher));
            self.forget_unwatched(user);
            return;
        };
        self.watched_mut(source, user, |watched| {
            watched.watchers.insert(watcher.clone());
        });
        self.set_devices(user, devices);
        if self.sees_abroad(watcher, user) {
            for (device, bytes) in devices {
                self.tell_user(device, watcher, Some(bytes), out);
            }
        }
    }

    /// Everything afresh: each watcher hears what is different from what it was told before.
    pub(in crate::state) fn take_view(
        &mut self,
        source: SubclusterId,
        user: &BareJid,
        watchers: &[BareJid],
        devices: &[(Jid, Bytes)],
        out: &mut Outcome,
    ) {
        let before = self.watched.get(user).cloned();
        let before = before.map_or_else(|| Watched::new(source), |before| before.as_ref().clone());
        let saw: BTreeSet<BareJid> = self.watchers_of(user).into_iter().collect();
        self.watched_mut(source, user, |watched| {
            watched.watchers = watchers.iter().cloned().collect();
        });
        self.set_devices(user, devices);
        let sees: BTreeSet<BareJid> = self.watchers_of(user).into_iter().collect();
        for watcher in saw.union(&sees) {
            for device in before.devices.keys().filter(|_| saw.contains(watcher)) {
                let there = devices.iter().any(|(jid, _)| jid == device);
                if !there || !sees.contains(watcher) {
                    self.tell_user(device, watcher, None, out);
                }
            }
            for (device, bytes) in devices.iter().filter(|_| sees.contains(watcher)) {
                let known = before.devices.get(device).and_then(Option::as_ref);
                if known != Some(bytes) || !saw.contains(watcher) {
                    self.tell_user(device, watcher, Some(bytes), out);
                }
            }
        }
        self.forget_unwatched(user);
    }

    /// The source may have forgotten what it told and what it was told: it is asked about all that
    /// it had shown here, and told afresh of all that is shown to it.
    pub(in crate::state) fn source_began(&mut self, source: SubclusterId, out: &mut Outcome) {
        let shown = self
            .watched
            .iter()
            .filter(|(_, watched)| watched.home == source)
            .map(|(user, _)| Debt::Probe(user.clone()));
        let mut debts: BTreeSet<Debt> = shown.collect();
        let own = self.users.keys();
        let own = own.filter(|user| self.watchers_in(user, source).next().is_some());
        debts.extend(own.map(|user| Debt::View(user.clone())));
        for debt in debts {
            self.owe(source, debt, out);
        }
    }

    /// All that another group may see of a user of this one.
    pub(in crate::state) fn view_of(&self, user: &BareJid, target: SubclusterId) -> OutboxLine {
        OutboxLine::View {
            user: user.clone(),
            watchers: self.watchers_in(user, target).collect(),
            devices: self.devices_of(user),
        }
    }

    /// Users of another group who are shown a user of this one.
    fn watchers_in(&self, user: &BareJid, target: SubclusterId) -> impl Iterator<Item = BareJid> {
        let contacts = self.users.get(user).map(|record| record.contacts.values());
        contacts
            .into_iter()
            .flatten()
            .filter(|contact| self.shows(user, &contact.jid))
            .map(|contact| contact.jid.clone())
            .filter(move |watcher| self.foreign_home(watcher.as_str()) == Some(target))
    }

    /// The available devices of a user of this group, with what they say.
    pub(in crate::state) fn devices_of(&self, user: &BareJid) -> Vec<(Jid, Bytes)> {
        let devices = self.sessions_of(user.as_str()).filter_map(|(_, session)| {
            let (_, bytes) = session.availability.as_ref()?;
            Some((session.jid.clone(), bytes.clone()))
        });
        devices.collect()
    }

    /// What `observer` sees of a user of another group begins or ends by its own word.
    pub(in crate::state) fn tell_view_abroad(
        &mut self,
        observer: &BareJid,
        observed: &BareJid,
        saw: bool,
        out: &mut Outcome,
    ) {
        let sees = self.sees_abroad(observer, observed);
        if sees != saw {
            self.tell_devices(observer, observed, sees, out);
        }
    }

    fn tell_devices(
        &mut self,
        observer: &BareJid,
        observed: &BareJid,
        shown: bool,
        out: &mut Outcome,
    ) {
        let Some(watched) = self.watched.get(observed).cloned() else {
            return;
        };
        for (device, bytes) in &watched.devices {
            match bytes {
                _ if !shown => self.tell_user(device, observer, None, out),
                Some(bytes) => self.tell_user(device, observer, Some(bytes), out),
                None => self.probe(observed, out),
            }
        }
    }

    /// Asks for presence that there was no room to keep, for one who has come to see it.
    pub(in crate::state) fn probe_for(&mut self, observer: &BareJid, out: &mut Outcome) {
        let Some(record) = self.users.get(observer) else {
            return;
        };
        let unkept = |user: &&BareJid| {
            let watched = self.watched.get(*user);
            watched.is_some_and(|watched| watched.devices.values().any(Option::is_none))
        };
        let unkept: Vec<BareJid> = record.contacts.keys().filter(unkept).cloned().collect();
        for user in unkept {
            if self.sees_abroad(observer, &user) {
                self.probe(&user, out);
            }
        }
    }

    fn probe(&mut self, user: &BareJid, out: &mut Outcome) {
        if let Some(watched) = self.watched.get(user) {
            self.owe(watched.home, Debt::Probe(user.clone()), out);
        }
    }

    /// Users of this group who see a user of another.
    fn watchers_of(&self, user: &BareJid) -> Vec<BareJid> {
        let watchers = self.watched.get(user).map(|watched| &watched.watchers);
        let seeing = watchers
            .into_iter()
            .flatten()
            .filter(|watcher| self.sees_abroad(watcher, user));
        seeing.cloned().collect()
    }

    fn set_devices(&mut self, user: &BareJid, devices: &[(Jid, Bytes)]) {
        let known = self.watched.get(user).map(|watched| watched.devices.keys());
        let gone: Vec<Jid> = known
            .into_iter()
            .flatten()
            .filter(|known| devices.iter().all(|(device, _)| device != *known))
            .cloned()
            .collect();
        for device in &gone {
            self.set_device(user, device, None);
        }
        for (device, bytes) in devices {
            self.set_device(user, device, Some(bytes));
        }
    }

    /// Keeps what a device says, or that it is gone.
    fn set_device(&mut self, user: &BareJid, device: &Jid, bytes: Option<&Bytes>) {
        let now = self.stamp.group;
        let Some(watched) = self.watched.get_mut(user).map(Arc::make_mut) else {
            return;
        };
        self.watched_bytes -= watched.weight();
        let known = watched.devices.remove(device).is_some();
        let others = self.watched_bytes + watched.weight();
        match bytes {
            Some(bytes) => {
                let room = others + bytes.len() <= PRESENCE_BYTES_MAX;
                watched
                    .devices
                    .insert(device.clone(), room.then(|| bytes.clone()));
            }
            None if known => watched.departed(now, device),
            None => {}
        }
        self.watched_bytes += watched.weight();
    }

    fn watched_mut<R>(
        &mut self,
        home: SubclusterId,
        user: &BareJid,
        change: impl FnOnce(&mut Watched) -> R,
    ) {
        let entry = self.watched.entry(user.clone());
        let watched = Arc::make_mut(entry.or_insert_with(|| Arc::new(Watched::new(home))));
        watched.home = home;
        change(watched);
    }

    /// The user is nowhere any more. Its group may be gone for good, and say nothing about it.
    pub(in crate::state) fn end_view(&mut self, user: &BareJid, out: &mut Outcome) {
        for watcher in self.watchers_of(user) {
            self.tell_devices(&watcher, user, false, out);
        }
        if let Some(watched) = self.watched.get_mut(user).map(Arc::make_mut) {
            watched.watchers.clear();
        }
        self.forget_unwatched(user);
    }

    /// What nobody here is shown is not kept.
    fn forget_unwatched(&mut self, user: &BareJid) {
        let unwatched = |watched: &Arc<Watched>| watched.watchers.is_empty();
        if self.watched.get(user).is_some_and(unwatched)
            && let Some(watched) = self.watched.remove(user)
        {
            self.watched_bytes -= watched.weight();
        }
    }
}
