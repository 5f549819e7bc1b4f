//! Presence to addresses, whoever watches: to one (RFC 6121 section 4.6) or several (XEP-0033
//! section 5.1). Whom a session has told that it is there is told when it is not any more.

use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::contract::{Parcel, ParcelKind};
use pollux_domain::hints::Hints;
use pollux_domain::ids::SessionId;
use pollux_domain::jid::Jid;
use pollux_domain::limits;
use pollux_domain::stanza_error::Condition;

use super::{Outcome, State};

impl State {
    /// RFC 6121 section 4.6.
    pub(super) fn directed(
        &mut self,
        id: SessionId,
        to: &Jid,
        available: bool,
        bytes: Bytes,
        out: &mut Outcome,
    ) {
        let Some(from) = self.sessions.get(&id).map(|session| session.jid.clone()) else {
            return;
        };
        if available && let Some(condition) = self.forbids_directed(&from, to) {
            let parcel = Parcel {
                from,
                to: to.clone(),
                kind: ParcelKind::Directed,
                bytes,
                sent: self.stamp.wall,
                hints: Hints::default(),
            };
            self.bounce(&Arc::new(parcel), condition, out);
            return;
        }
        self.tell_directed(id, &from, to, available, bytes, out);
    }

    /// To several at once: where one of them may not be told, nobody is (XEP-0033 section 6, step
    /// 5). `outer`: as it was addressed to the server.
    pub(super) fn directed_to_several(
        &mut self,
        id: SessionId,
        outer: &Arc<Parcel>,
        available: bool,
        copies: &[(Jid, Bytes)],
        out: &mut Outcome,
    ) {
        let from = &outer.from;
        let mut forbidden = copies
            .iter()
            .filter_map(|(to, _)| self.forbids_directed(from, to));
        if available && let Some(condition) = forbidden.next() {
            self.bounce(outer, condition, out);
            return;
        }
        for (to, bytes) in copies {
            self.tell_directed(id, from, to, available, bytes.clone(), out);
        }
    }

    /// Why the address may not be told that a device is there.
    fn forbids_directed(&self, from: &Jid, to: &Jid) -> Option<Condition> {
        if self.blocks(from.bare_str(), to) {
            return Some(Condition::Blocked);
        }
        if !self.rules.sharing && to.bare_str() != from.bare_str() {
            return Some(Condition::NotAllowed);
        }
        let abroad = self.foreign_home(to.bare_str());
        let is_full = abroad.is_some_and(|target| !self.has_outbox_room(target));
        is_full.then_some(Condition::ResourceConstraint)
    }

    fn tell_directed(
        &mut self,
        id: SessionId,
        from: &Jid,
        to: &Jid,
        available: bool,
        bytes: Bytes,
        out: &mut Outcome,
    ) {
        // Nothing is said to whom the user blocks, and nothing was.
        if !available && self.blocks(from.bare_str(), to) {
            return;
        }
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let is_known = session.directed.contains(to);
        if available && !is_known && limits::DIRECTED_MAX <= session.directed.len() {
            // The oldest by name is told now that it will be told no more, rather than never.
            let first = self
                .session_mut(id, |session| session.directed.pop_first())
                .flatten();
            if let Some(first) = first {
                self.tell_address(from, &first, false, None, out);
            }
        }
        self.session_mut(id, |session| {
            if available {
                session.directed.insert(to.clone());
            } else {
                session.directed.remove(to);
            }
        });
        self.tell_address(from, to, available, Some(bytes), out);
    }
}
