//! Contact-list sets and the pushes that follow every change (RFC 6121 section 2).

use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::contact::Contact;
use pollux_domain::contract::{ContactChange, Duty, Parcel, SlotBody};
use pollux_domain::ids::SessionId;
use pollux_domain::jid::BareJid;
use pollux_domain::stanza_error::{Condition, Holding};
use pollux_domain::subscription::SubscriptionRequest;

use super::{Outcome, State};

impl State {
    /// A session sets or removes one contact.
    pub(super) fn change_contact(
        &mut self,
        id: SessionId,
        iq: &Arc<Parcel>,
        result: Bytes,
        change: &ContactChange,
        out: &mut Outcome,
    ) {
        let Some(user) = self.sessions.get(&id).map(|session| session.jid.to_bare()) else {
            return;
        };
        let changed = match change {
            ContactChange::Set { jid, name, groups } => {
                self.set_contact(&user, jid, name.clone(), groups.clone(), out)
            }
            ContactChange::Remove { jid } => self.remove_contact(&user, jid, out),
        };
        match changed {
            Ok(()) => self.answer(id, result, out),
            Err(condition) => {
                let stanza = self.new_stanza();
                let body = SlotBody::Bounce(iq.clone(), condition);
                self.slot(id, stanza, body, Duty::Sole, out);
            }
        }
    }

    /// RFC 6121 sections 2.3 and 2.4: the client names, the server keeps the subscription.
    fn set_contact(
        &mut self,
        user: &BareJid,
        jid: &BareJid,
        name: Option<String>,
        groups: Vec<String>,
        out: &mut Outcome,
    ) -> Result<(), Condition> {
        self.may_list(user, jid, Holding::Contacts)?;
        let contact = self.user_mut(user.as_str(), |record| {
            let entry = record.contacts.entry(jid.clone());
            let entry = entry.or_insert_with(|| Contact::new(jid.clone()));
            entry.name = name;
            entry.groups = groups;
            entry.clone()
        });
        if let Some(contact) = contact {
            self.push(user, contact, out);
        }
        Ok(())
    }

    /// RFC 6121 section 2.5: what stood between the two ends with the entry.
    fn remove_contact(
        &mut self,
        user: &BareJid,
        jid: &BareJid,
        out: &mut Outcome,
    ) -> Result<(), Condition> {
        let relation = self
            .users
            .get(user)
            .and_then(|record| record.contacts.get(jid))
            .map(|contact| contact.relation)
            .ok_or(Condition::ItemNotFound)?;
        let abroad = self.foreign_home(jid.as_str());
        let says = relation.to || relation.pending_out || relation.from;
        if says && abroad.is_some_and(|target| !self.has_outbox_room(target)) {
            return Err(Condition::ResourceConstraint);
        }
        if self.users.contains_key(jid) || abroad.is_some() {
            if relation.to || relation.pending_out {
                self.exchange(user, jid, SubscriptionRequest::Unsubscribe, None, out);
            }
            if relation.from {
                self.exchange(user, jid, SubscriptionRequest::Unsubscribed, None, out);
            }
        }
        self.user_mut(user.as_str(), |record| record.contacts.remove(jid));
        let mut gone = Contact::new(jid.clone());
        gone.listed = false;
        self.push(user, gone, out);
        Ok(())
    }

    /// RFC 6121 section 2.1.6: every device that has asked for the list is told. Section 2.6.3:
    /// each push has a version of its own, whoever is there to be told.
    pub(super) fn push(&mut self, user: &BareJid, contact: Contact, out: &mut Outcome) {
        let version = self.user_mut(user.as_str(), |user| user.list.note(&contact));
        let Some(version) = version else { return };
        let contact = Arc::new(contact);
        let told: Vec<SessionId> = self
            .sessions_of(user.as_str())
            .filter(|(_, session)| session.wants_pushes)
            .map(|(id, _)| id)
            .collect();
        for session in told {
            let stanza = self.new_stanza();
            self.slot(
                session,
                stanza,
                SlotBody::Push(contact.clone(), version),
                Duty::Sole,
                out,
            );
        }
    }

    pub(super) fn contact_count(&self, user: &BareJid) -> usize {
        self.users.get(user).map_or(0, |user| user.contacts.len())
    }
}
