//! Where a parcel goes: a slot, the offline store, back to its sender (RFC 6121 section 8.5;
//! XEP-0160). `apply` has the last word on it (design, section 5, rule 3).

use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::contract::{
    Copied, Duty, Effect, EndReason, Fate, OutboxLine, Parcel, ParcelKind, Position, RowWrite,
    Slot, SlotBody,
};
use pollux_domain::ids::{SessionId, StanzaId};
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::limits;
use pollux_domain::routing::{Candidate, Route, Spread, route};
use pollux_domain::stanza_error::{Condition, Holding};
use pollux_domain::subscription::SubscriptionRequest;

use super::{Outcome, SessionState, State};

impl State {
    /// A parcel that a session of this group sends.
    pub(super) fn send(&mut self, parcel: Arc<Parcel>, out: &mut Outcome) {
        let stanza = self.new_stanza();
        let to = parcel.to.clone();
        let user = to.bare_str();
        if let Some(target) = self.foreign_home(user) {
            self.send_abroad(target, parcel, out);
            return;
        }
        // Before it is said whether there is such a user.
        if parcel.hints.needs_sight && !self.may_see(&parcel.from.to_bare(), &to.to_bare()) {
            self.bounce(&parcel, Condition::Forbidden, out);
            return;
        }
        if !self.users.contains_key(user) {
            self.bounce(&parcel, Condition::ServiceUnavailable, out);
            return;
        }
        let mut route = match self.blocks(user, &parcel.from) || self.would_leak(&parcel) {
            // XEP-0191 section 3.3: as if the user were away.
            true => Route::Bounce(Condition::ServiceUnavailable),
            false => {
                let spread = self.spread(user, &parcel);
                self.route(user, parcel.kind, to.resource(), spread)
            }
        };
        self.honour_early(&mut route, out);
        self.follow(user, stanza, parcel, route, out);
    }

    /// RFC 6121 section 8.5.3.1: a request reaches a device of those alone who may know that it is
    /// there; all others are told what they would be told if it were not.
    fn would_leak(&self, parcel: &Parcel) -> bool {
        let (from, to) = (&parcel.from, &parcel.to);
        if parcel.kind != ParcelKind::IqRequest || from.bare_str() == to.bare_str() {
            return false;
        }
        let session = self.session_of(to).and_then(|id| self.sessions.get(&id));
        let Some(session) = session else { return false };
        let directed = &session.directed;
        let told = directed.contains(from) || directed.contains(from.bare_str());
        !told && !self.shows(&to.to_bare(), &from.to_bare())
    }

    /// One message for several. Where one of them is blocked nobody gets it (XEP-0033 section 6,
    /// step 5); the sender's other devices get one copy, as it was sent.
    pub(super) fn broadcast(
        &mut self,
        id: SessionId,
        outer: &Arc<Parcel>,
        parcels: &[Arc<Parcel>],
        out: &mut Outcome,
    ) {
        if let Some(condition) = parcels.iter().find_map(|parcel| self.forbids(parcel)) {
            self.bounce(outer, condition, out);
            return;
        }
        for parcel in parcels {
            self.send(parcel.clone(), out);
        }
        self.copy_sent(id, outer, out);
    }

    /// Who has been written to before the commit has got it, whatever the route is by now.
    fn honour_early(&self, route: &mut Route, out: &Outcome) {
        let early = out.places.iter().filter(|place| place.early.is_some());
        let early = early.filter(|place| {
            let session = self.sessions.get(&place.session);
            session.is_some_and(|session| session.connection == place.connection)
        });
        let early: Vec<SessionId> = early.map(|place| place.session).collect();
        match route {
            _ if early.is_empty() => {}
            Route::Deliver(sessions) => {
                sessions.retain(|session| !early.contains(session));
                sessions.extend(early);
            }
            _ => *route = Route::Deliver(early),
        }
    }

    /// What was handed to a session without an entry and is not written gets slots at its places.
    /// It goes where it would without that session when that is gone; nobody else has it, so that
    /// it is taken from an older epoch, too.
    pub(super) fn unwritten(
        &mut self,
        id: Option<SessionId>,
        parcels: &[(Position, Arc<Parcel>)],
        out: &mut Outcome,
    ) {
        for (at, parcel) in parcels {
            let Some(id) = id else {
                self.send(parcel.clone(), out);
                continue;
            };
            let slot = Slot {
                seq: at.seq,
                stanza: self.new_stanza(),
                placed: Some(at.v),
                body: SlotBody::Parcel(parcel.clone()),
                duty: Duty::Sole,
            };
            self.put_slot(id, slot, out);
        }
    }

    /// A parcel whose session has ended goes to the user's other sessions, the store, or back.
    pub(super) fn again(
        &mut self,
        user: &str,
        stanza: StanzaId,
        parcel: Arc<Parcel>,
        out: &mut Outcome,
    ) {
        match parcel.kind.fate() {
            Fate::Store => {
                let spread = self.spread(user, &parcel);
                let route = self.route(user, parcel.kind, None, spread);
                self.follow(user, stanza, parcel, route, out);
            }
            Fate::Bounce => self.bounce(&parcel, Condition::RecipientUnavailable, out),
            Fate::Drop => {}
        }
    }

    pub(super) fn route(
        &self,
        user: &str,
        kind: ParcelKind,
        resource: Option<&str>,
        spread: Spread,
    ) -> Route {
        let candidates = self.sessions_of(user).map(|(id, session)| Candidate {
            session: id,
            resource: session.jid.resource().unwrap_or_default(),
            priority: session
                .availability
                .as_ref()
                .map(|(device, _)| device.priority),
        });
        route(kind, resource, spread, candidates)
    }

    fn follow(
        &mut self,
        user: &str,
        stanza: StanzaId,
        parcel: Arc<Parcel>,
        route: Route,
        out: &mut Outcome,
    ) {
        match route {
            Route::Deliver(sessions) => self.deliver(user, stanza, parcel, sessions, out),
            Route::Store => self.store(user, stanza, parcel, out),
            Route::Bounce(condition) => self.bounce(&parcel, condition, out),
            Route::Drop => {}
        }
    }

    fn deliver(
        &mut self,
        user: &str,
        stanza: StanzaId,
        parcel: Arc<Parcel>,
        mut sessions: Vec<SessionId>,
        out: &mut Outcome,
    ) {
        if parcel.kind.fate() == Fate::Store {
            // What is stored already goes first. A session that holds its fill is passed over where
            // another has room, so that a device that is not there holds nothing back from one that
            // is.
            let is_early = |id: &SessionId| out.early_place(*id).is_some();
            let gone_early = sessions.iter().any(is_early);
            sessions.retain(|id| self.has_room(*id) || is_early(id));
            let stored = self
                .users
                .get(user)
                .is_some_and(|user| !user.offline.is_empty());
            if (stored && !gone_early) || sessions.is_empty() {
                self.store(user, stanza, parcel, out);
                self.drain_offline(user, out);
                return;
            }
        }
        let copies = self.received_copies(&parcel, &sessions);
        let before = sessions.len();
        sessions.retain(|id| !self.has_acknowledged(*id, out));
        let duty = match sessions.len() + copies.len() {
            _ if sessions.len() < before => Duty::Done,
            1 => Duty::Sole,
            _ => Duty::Shared,
        };
        for session in sessions {
            self.slot(session, stanza, SlotBody::Parcel(parcel.clone()), duty, out);
        }
        for session in copies {
            let body = SlotBody::Carbon(parcel.clone(), Copied::Received);
            self.slot(session, stanza, body, duty, out);
        }
    }

    /// Whether the client has acknowledged what was written early before this commit.
    fn has_acknowledged(&self, id: SessionId, out: &Outcome) -> bool {
        let Some((place, session)) = out.early_place(id).zip(self.sessions.get(&id)) else {
            return false;
        };
        let count = place.early.map(|seq| session.base + seq.0 + place.v);
        let counts = session.managed.is_some() && session.connection == place.connection;
        counts && count.is_some_and(|count| count <= session.acked)
    }

    /// The next slot of a session, or the one that was written early already. A session that holds
    /// more than it may ends; what it held goes on.
    pub(super) fn slot(
        &mut self,
        id: SessionId,
        stanza: StanzaId,
        body: SlotBody,
        duty: Duty,
        out: &mut Outcome,
    ) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let is_parcel = matches!(body, SlotBody::Parcel(_));
        let mut places = out.places.iter().filter(|place| place.session == id);
        let place = places.find(|place| {
            // What was written early is the parcel itself, and nothing that follows from it.
            place.connection == session.connection && (is_parcel || place.early.is_none())
        });
        let early = place.and_then(|place| place.early);
        let placed = match session.managed {
            // Without stream management nobody counts: any place behind the slot before is as good.
            None if early.is_none() => Some(0),
            _ => place.map(|place| place.v),
        };
        let slot = Slot {
            seq: early.unwrap_or(session.last_seq.next()),
            stanza,
            placed,
            body,
            duty,
        };
        self.put_slot(id, slot, out);
    }

    fn put_slot(&mut self, id: SessionId, slot: Slot, out: &mut Outcome) {
        let put = self.session_mut(id, |session| {
            session.weight += slot.body.weight();
            session.last_seq = session.last_seq.max(slot.seq);
            session.put(slot.clone());
            (session.connection, session.is_overfull())
        });
        let Some((connection, overfull)) = put else {
            return;
        };
        out.effects.push(Effect::Slot {
            session: id,
            connection,
            slot,
        });
        if overfull {
            out.overfull.push((id, EndReason::TooMuchWaiting));
        }
    }

    /// Into the offline store, or back to the sender when that is full, or switched off. What says
    /// of itself that it is nothing later goes nowhere (XEP-0160 section 3, XEP-0334 section 4).
    fn store(&mut self, user: &str, stanza: StanzaId, parcel: Arc<Parcel>, out: &mut Outcome) {
        if parcel.hints.fleeting {
            return;
        }
        if !self.rules.offline || parcel.hints.no_store {
            self.bounce(&parcel, Condition::ServiceUnavailable, out);
            return;
        }
        let most = self.rules.offline_max;
        let bytes = u32::try_from(parcel.bytes.len()).unwrap_or(u32::MAX);
        let stored = self.user_mut(user, |user| {
            let count = user.offline.len();
            if most <= count {
                return Err(Condition::full(Holding::Stored, count, most));
            }
            user.offline.insert(stanza, bytes);
            Ok(())
        });
        match stored {
            Some(Ok(())) => out.rows.push(RowWrite::Put {
                row: stanza,
                parcel,
            }),
            Some(Err(full)) => self.bounce(&parcel, full, out),
            None => self.bounce(&parcel, Condition::ServiceUnavailable, out),
        }
    }

    /// Stored messages become slots of the user's most available sessions while they have room.
    pub(super) fn drain_offline(&mut self, user: &str, out: &mut Outcome) {
        if self
            .users
            .get(user)
            .is_none_or(|user| user.offline.is_empty())
        {
            return;
        }
        let takers = self.route(user, ParcelKind::Chat, None, Spread::Best);
        let Route::Deliver(sessions) = takers else {
            return;
        };
        for session in sessions {
            while self.has_room(session) {
                let next = self
                    .user_mut(user, |user| user.offline.pop_first())
                    .flatten();
                let Some((stanza, bytes)) = next else { return };
                self.slot(session, stanza, SlotBody::Stored { bytes }, Duty::Sole, out);
            }
        }
    }

    pub(super) fn has_room(&self, id: SessionId) -> bool {
        self.sessions
            .get(&id)
            .is_some_and(|session| !session.is_full())
    }

    pub(super) fn forget_offline(&mut self, user: &BareJid, out: &mut Outcome) {
        let rows = self.user_mut(user.as_str(), |user| std::mem::take(&mut user.offline));
        for (row, _) in rows.unwrap_or_default() {
            out.rows.push(RowWrite::Delete { row });
        }
    }

    /// A parcel of this group comes back from another. A request that never arrived waits for no
    /// answer (RFC 6121 section 3.1.2, "pending out").
    pub(super) fn come_back(
        &mut self,
        parcel: &Arc<Parcel>,
        condition: Condition,
        out: &mut Outcome,
    ) {
        if parcel.kind == ParcelKind::Subscription(SubscriptionRequest::Subscribe) {
            self.withdraw_request(&parcel.from.to_bare(), &parcel.to.to_bare(), out);
        }
        self.bounce(parcel, condition, out);
    }

    /// The stanza comes back to its sender as an error, where one is due (RFC 6120 section 8.3.1)
    /// and the sender is still there.
    pub(super) fn bounce(&mut self, parcel: &Arc<Parcel>, condition: Condition, out: &mut Outcome) {
        let is_refusable = matches!(
            parcel.kind,
            ParcelKind::Subscription(_) | ParcelKind::Directed
        );
        if parcel.kind.fate() == Fate::Drop && !is_refusable {
            return;
        }
        // What a server said for its user has nobody to come back to.
        if parcel.from.resource().is_none() {
            return;
        }
        if let Some(home) = self.foreign_home(parcel.from.bare_str()) {
            // Always written: what comes back was held here before, so that nothing grows.
            self.tell(home, OutboxLine::Bounce(parcel.clone(), condition), out);
            return;
        }
        let Some(sender) = self.session_of(&parcel.from) else {
            return;
        };
        let body = SlotBody::Bounce(parcel.clone(), condition);
        let stanza = self.new_stanza();
        self.slot(sender, stanza, body, Duty::Sole, out);
    }

    pub(super) fn answer(&mut self, id: SessionId, bytes: Bytes, out: &mut Outcome) {
        let stanza = self.new_stanza();
        self.slot(id, stanza, SlotBody::Answer(bytes), Duty::Sole, out);
    }

    pub(super) fn ask(&mut self, id: SessionId, request: Bytes, out: &mut Outcome) {
        let stanza = self.new_stanza();
        self.slot(id, stanza, SlotBody::Ask(request), Duty::Sole, out);
    }

    pub(super) fn new_stanza(&mut self) -> StanzaId {
        self.last_stanza = self.last_stanza.next();
        self.last_stanza
    }

    pub(super) fn sessions_of(
        &self,
        user: &str,
    ) -> impl Iterator<Item = (SessionId, &SessionState)> + Clone {
        let ids = self.users.get(user).map_or(&[][..], |user| &user.sessions);
        ids.iter()
            .filter_map(|id| self.sessions.get(id).map(|session| (*id, session.as_ref())))
    }

    pub(super) fn session_of(&self, jid: &Jid) -> Option<SessionId> {
        let resource = jid.resource()?;
        let mut sessions = self.sessions_of(jid.bare_str());
        sessions
            .find(|(_, session)| session.jid.resource() == Some(resource))
            .map(|(id, _)| id)
    }
}

impl SessionState {
    /// Slots stand in the order of their stream. One that was written early may be committed after
    /// others that stand behind it.
    fn put(&mut self, slot: Slot) {
        let at = slot.position();
        let behind = self.slots.iter().rev();
        let behind = behind.take_while(|other| at < other.position()).count();
        self.slots.insert(self.slots.len() - behind, slot);
    }

    fn is_full(&self) -> bool {
        limits::SLOTS_MAX <= self.slots.len() || limits::SLOTS_BYTES_MAX <= self.weight
    }

    fn is_overfull(&self) -> bool {
        limits::SLOTS_HARD_MAX < self.slots.len() || limits::SLOTS_HARD_BYTES_MAX < self.weight
    }
}
