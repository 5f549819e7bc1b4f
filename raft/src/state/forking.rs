//! Forking: a message to a user with several devices goes to each of them until the user replies
//! from one, and then to that one only, until it goes away or a time has passed (what Cisco Unified
//! Presence calls IM forking). Not for who is available: see `routing` of the domain.

use pollux_domain::contract::{Parcel, ParcelKind};
use pollux_domain::ids::{GroupMs, SessionId};
use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_domain::routing::Spread;
use serde::{Deserialize, Serialize};

use super::State;

/// From which device a user has replied to a contact, and when last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Talk {
    session: SessionId,
    at: GroupMs,
}

impl State {
    /// Whether it matters which device sends this: only where a user has several.
    pub(super) fn is_reply(&self, parcel: &Parcel) -> bool {
        let is_message = matches!(parcel.kind, ParcelKind::Chat | ParcelKind::Normal);
        let user = self.users.get(parcel.from.bare_str());
        self.rules.forking
            && is_message
            && parcel.hints.speaks
            && user.is_some_and(|user| 1 < user.sessions.len())
    }

    /// A device has sent this parcel.
    pub(super) fn note_reply(&mut self, id: SessionId, parcel: &Parcel) {
        if !self.is_reply(parcel) {
            return;
        }
        let user = parcel.from.bare_str();
        let talk = Talk {
            session: id,
            at: self.stamp.group,
        };
        let contact = parcel.to.bare_str();
        self.user_mut(user, |user| {
            if let Some(known) = user.talks.get_mut(contact) {
                *known = talk;
                return;
            }
            if limits::TALKS_MAX <= user.talks.len() {
                let oldest = user.talks.iter().min_by_key(|(_, talk)| talk.at);
                if let Some(oldest) = oldest.map(|(contact, _)| contact.clone()) {
                    user.talks.remove(&oldest);
                }
            }
            user.talks.insert(parcel.to.to_bare(), talk);
        });
    }

    /// Which devices of the user get a message of this sender.
    pub(super) fn spread(&self, user: &str, parcel: &Parcel) -> Spread {
        if !self.rules.forking {
            return Spread::Best;
        }
        let user = self.users.get(user);
        let talk = user.and_then(|user| user.talks.get(parcel.from.bare_str()));
        match talk {
            Some(talk) if self.is_there(talk) => Spread::Only(talk.session),
            _ => Spread::Each,
        }
    }

    /// The device of the reply takes messages still, and the reply is not long ago.
    fn is_there(&self, talk: &Talk) -> bool {
        let until = talk.at.0.saturating_add(self.rules.forking_ms);
        let session = self.sessions.get(&talk.session);
        session.is_some_and(|session| {
            let device = session.availability.as_ref().map(|(device, _)| device);
            session.detached.is_none()
                && device.is_some_and(|device| 0 <= device.priority)
                && self.stamp.group.0 < until
        })
    }

    /// The session is gone: what was said from it binds nobody.
    pub(super) fn forget_replies(&mut self, user: &BareJid, id: SessionId) {
        let talks = self.users.get(user).map(|user| &user.talks);
        if talks.is_some_and(|talks| talks.values().any(|talk| talk.session == id)) {
            self.user_mut(user.as_str(), |user| {
                user.talks.retain(|_, talk| talk.session != id);
            });
        }
    }
}
