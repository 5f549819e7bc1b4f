//! The life of a session: sign-in, enabling and resuming a stream, acknowledgements, detaching, the
//! end. Delivery to it stands in `deliver`.

use std::collections::VecDeque;
use std::sync::Arc;

use pollux_domain::contract::{
    Copied, Duty, Effect, EndReason, Position, Refusal, Reply, Session, Slot, SlotBody,
};
use pollux_domain::ids::{Connection, Epoch, GroupMs, Seq, SessionId};
use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_domain::settings::Conflict;

use super::{Outcome, SessionState, State, User};

impl State {
    /// Changes one session. Nothing happens when it is gone.
    pub(super) fn session_mut<R>(
        &mut self,
        id: SessionId,
        change: impl FnOnce(&mut SessionState) -> R,
    ) -> Option<R> {
        self.sessions
            .get_mut(&id)
            .map(|session| change(Arc::make_mut(session)))
    }

    /// Changes one user. Nothing happens when it is gone.
    pub(super) fn user_mut<R>(
        &mut self,
        user: &str,
        change: impl FnOnce(&mut User) -> R,
    ) -> Option<R> {
        self.users
            .get_mut(user)
            .map(|user| change(Arc::make_mut(user)))
    }

    /// RFC 6120 section 7; a resource in use is taken over from its old session, or the newcomer
    /// is refused (7.7.2.2, third and second way).
    pub(super) fn sign_in(
        &mut self,
        user: &BareJid,
        resource: &str,
        epoch: Epoch,
        token: [u8; 16],
        carbons: bool,
        out: &mut Outcome,
    ) -> Result<Reply, Refusal> {
        let record = self.users.get(user).ok_or(Refusal::NoSuchUser)?;
        let (home, disabled) = (record.home, record.disabled);
        self.check_epoch(home, epoch)?;
        if disabled {
            return Err(Refusal::UserDisabled);
        }
        let jid = user
            .with_resource(resource)
            .map_err(|_| Refusal::NoSuchUser)?;
        let twin = self.session_of(&jid);
        let count = self.users.get(user).map_or(0, |user| user.sessions.len());
        if twin.is_some() && self.rules.conflict == Conflict::Refuse {
            return Err(Refusal::Conflict);
        }
        if self.rules.sessions_max <= count && twin.is_none() {
            return Err(Refusal::TooManySessions);
        }
        if let Some(twin) = twin {
            self.end_session(twin, EndReason::Conflict, out);
        }
        let id = self.last_session.next();
        self.last_session = id;
        let session = SessionState {
            jid,
            home,
            token,
            connection: Connection::default(),
            detached: None,
            managed: None,
            handled: 0,
            base: 0,
            acked: 0,
            last_seq: Seq::default(),
            slots: VecDeque::new(),
            weight: 0,
            availability: None,
            directed: Default::default(),
            wants_pushes: false,
            wants_blocks: false,
            carbons,
        };
        self.sessions.insert(id, Arc::new(session));
        self.user_mut(user.as_str(), |user| user.sessions.push(id));
        let session = Session {
            id,
            epoch,
            connection: Connection::default(),
        };
        Ok(Reply::Session {
            session,
            handled: 0,
        })
    }

    /// XEP-0198 section 3: both counts begin at zero.
    pub(super) fn enable(
        &mut self,
        id: SessionId,
        resumable: bool,
        written: Position,
        out: &mut Outcome,
    ) -> Reply {
        self.written(id, written, out);
        self.session_mut(id, |session| {
            session.managed = Some(resumable);
            session.handled = 0;
            begin_connection(session, 0);
        });
        self.reply_session(id)
    }

    /// XEP-0198 section 5; design, section 5, rule 4.
    pub(super) fn resume(
        &mut self,
        id: SessionId,
        epoch: Epoch,
        h: u32,
        out: &mut Outcome,
    ) -> Result<Reply, Refusal> {
        let session = self.sessions.get(&id).ok_or(Refusal::NoSuchSession)?;
        self.check_epoch(session.home, epoch)?;
        if session.managed != Some(true) {
            return Err(Refusal::NotResumable);
        }
        let old = session.connection;
        let attached = session.detached.is_none();
        let count = self.acked(id, h, out)?;
        if attached {
            out.effects.push(Effect::Moved {
                session: id,
                connection: old,
            });
        }
        self.set_detached(id, None);
        self.session_mut(id, |session| begin_connection(session, count));
        // What is news to it comes from `news_for`, but for what was not kept.
        let user = self.sessions.get(&id).map(|session| session.user());
        if let Some(user) = user {
            self.probe_for(&user, out);
        }
        Ok(self.reply_session(id))
    }

    fn reply_session(&self, id: SessionId) -> Reply {
        let Some(session) = self.sessions.get(&id) else {
            return Reply::Refused(Refusal::NoSuchSession);
        };
        let epoch = self
            .serving
            .get(&session.home)
            .map_or(Epoch::default(), |s| s.epoch);
        Reply::Session {
            session: Session {
                id,
                epoch,
                connection: session.connection,
            },
            handled: session.handled,
        }
    }

    /// The client has received `h` stanzas in all: placed slots up to there are done.
    pub(super) fn acked(
        &mut self,
        id: SessionId,
        h: u32,
        out: &mut Outcome,
    ) -> Result<u64, Refusal> {
        let session = self.sessions.get(&id).ok_or(Refusal::NoSuchSession)?;
        // The count wraps at 2^32 (XEP-0198 section 4): what lies behind by less than half is a
        // count that went back.
        let ahead = h.wrapping_sub(session.acked as u32);
        if (1 << 31) <= ahead {
            return Err(Refusal::AheadOfSent);
        }
        let count = session.acked + u64::from(ahead);
        self.session_mut(id, |session| session.acked = count);
        self.drop_slots(
            id,
            |session, slot| session.wire_count(slot).is_some_and(|wire| wire <= count),
            out,
        );
        Ok(count)
    }

    /// Slots up to here were written to a stream without stream management: the client counts as
    /// served.
    pub(super) fn written(&mut self, id: SessionId, through: Position, out: &mut Outcome) {
        self.drop_slots(id, |_, slot| slot.position() <= through, out);
    }

    fn drop_slots(
        &mut self,
        id: SessionId,
        done: impl Fn(&SessionState, &Slot) -> bool,
        out: &mut Outcome,
    ) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let count = session
            .slots
            .iter()
            .take_while(|slot| done(session, slot))
            .count();
        if count == 0 {
            return;
        }
        let jid = session.jid.clone();
        // Most slots are of no concern to anybody else, and none of those costs an allocation.
        let concern =
            |slot: &Slot| slot.duty == Duty::Shared || matches!(slot.body, SlotBody::Stored { .. });
        let dropped = self.session_mut(id, |session| {
            let mut weight = 0;
            let dropped = session.slots.drain(..count);
            let dropped = dropped.inspect(|slot| weight += slot.body.weight());
            let dropped: Vec<Slot> = dropped.filter(concern).collect();
            session.weight -= weight;
            dropped
        });
        for slot in dropped.unwrap_or_default() {
            self.served(jid.bare_str(), &slot, out);
        }
        self.drain_offline(jid.bare_str(), out);
    }

    pub(super) fn place(&mut self, speaker: &Session, through: Seq, v: u64, out: &mut Outcome) {
        self.session_mut(speaker.id, |session| {
            let waiting = session
                .slots
                .iter_mut()
                .filter(|slot| slot.placed.is_none());
            for slot in waiting.take_while(|slot| slot.seq <= through) {
                slot.placed = Some(v);
            }
        });
        out.effects.push(Effect::Placed {
            session: speaker.id,
            connection: speaker.connection,
            through,
        });
    }

    /// The stream is gone. A session that cannot be resumed ends.
    pub(super) fn detach(&mut self, id: SessionId, out: &mut Outcome) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if session.managed != Some(true) {
            self.end_session(id, EndReason::Expired, out);
            return;
        }
        let now = self.stamp.group;
        self.set_detached(id, Some(now));
    }

    /// Sets since when the session waits for its client, and keeps the order of expiry.
    fn set_detached(&mut self, id: SessionId, now: Option<GroupMs>) {
        let before = self.session_mut(id, |session| std::mem::replace(&mut session.detached, now));
        if let Some(since) = before.flatten() {
            self.expiring.remove(&(expiry(since), id));
        }
        if let Some(since) = now {
            self.expiring.insert((expiry(since), id));
        }
    }

    /// The session is over: contacts are told, and what waited for it goes on to its next place, in
    /// order.
    pub(super) fn end_session(&mut self, id: SessionId, reason: EndReason, out: &mut Outcome) {
        if !self.sessions.contains_key(&id) {
            return;
        }
        self.unavailable(id, None, out);
        self.set_detached(id, None);
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        let user = session.jid.bare_str();
        let now = self.stamp.wall;
        self.user_mut(user, |user| {
            user.sessions.retain(|session| *session != id);
            if user.sessions.is_empty() {
                user.last_session_ended(now);
            }
        });
        self.forget_replies(&session.user(), id);
        out.effects.push(Effect::Ended {
            session: id,
            connection: session.connection,
            reason,
        });
        for slot in &session.slots {
            self.hand_on(user, slot, out);
        }
        self.drain_offline(user, out);
    }

    /// One slot of a session that ended.
    fn hand_on(&mut self, user: &str, slot: &Slot, out: &mut Outcome) {
        let holders = self.holders(user, slot);
        match (slot.duty, holders.as_slice()) {
            (Duty::Done, _) => return,
            (Duty::Shared, [last]) => {
                self.set_duty(*last, slot, Duty::Sole);
                return;
            }
            (Duty::Shared, [_, ..]) => return,
            (Duty::Shared, []) | (Duty::Sole, _) => {}
        }
        match &slot.body {
            SlotBody::Parcel(parcel) | SlotBody::Carbon(parcel, Copied::Received) => {
                self.again(user, slot.stanza, parcel.clone(), out)
            }
            SlotBody::Stored { bytes } => {
                self.user_mut(user, |user| user.offline.insert(slot.stanza, *bytes));
            }
            SlotBody::Carbon(_, Copied::Sent)
            | SlotBody::Ask(_)
            | SlotBody::Push(..)
            | SlotBody::BlockPush(_)
            | SlotBody::Answer(_)
            | SlotBody::Bounce(..) => {}
        }
    }

    /// A slot was acknowledged or written.
    fn served(&mut self, user: &str, slot: &Slot, out: &mut Outcome) {
        if slot.duty == Duty::Shared {
            for holder in self.holders(user, slot) {
                self.set_duty(holder, slot, Duty::Done);
            }
        }
        if let SlotBody::Stored { .. } = slot.body {
            out.rows
                .push(pollux_domain::contract::RowWrite::Delete { row: slot.stanza });
        }
    }

    /// The user's sessions in which a shared stanza waits as well.
    fn holders(&self, user: &str, slot: &Slot) -> Vec<SessionId> {
        if slot.duty != Duty::Shared {
            return Vec::new();
        }
        let sessions = self.users.get(user).map_or(&[][..], |user| &user.sessions);
        let holds = |id: &&SessionId| {
            self.sessions.get(id).is_some_and(|session| {
                session
                    .slots
                    .iter()
                    .any(|other| other.stanza == slot.stanza && other.duty == Duty::Shared)
            })
        };
        sessions.iter().filter(holds).copied().collect()
    }

    fn set_duty(&mut self, id: SessionId, slot: &Slot, duty: Duty) {
        self.session_mut(id, |session| {
            let copy = session
                .slots
                .iter_mut()
                .find(|other| other.stanza == slot.stanza);
            if let Some(copy) = copy {
                copy.duty = duty;
            }
        });
    }
}

/// When a session that has waited since then is given up.
pub(super) fn expiry(since: GroupMs) -> GroupMs {
    GroupMs(since.0 + limits::RESUMPTION_MS)
}

/// A new stream carries the session: what waits is numbered afresh and stands before all that is
/// volatile.
fn begin_connection(session: &mut SessionState, base: u64) {
    session.connection = session.connection.next();
    session.base = base;
    session.acked = base;
    for (index, slot) in session.slots.iter_mut().enumerate() {
        slot.seq = Seq(index as u64 + 1);
        slot.placed = Some(0);
    }
    session.last_seq = Seq(session.slots.len() as u64);
}
