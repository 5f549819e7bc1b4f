//! Whether one more contact or watcher is taken, and whether a user is asked about it: what an
//! administrator has set. What is there already is never taken away. Not for what a stanza changes:
//! see `subscriptions`.

use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_domain::privacy::Verdict;
use pollux_domain::stanza_error::{Condition, Holding};
use pollux_domain::subscription::SubscriptionRequest;

use super::State;

impl State {
    /// Whether the list of `user` takes an entry for `contact`.
    pub(super) fn may_list(
        &self,
        user: &BareJid,
        contact: &BareJid,
        of: Holding,
    ) -> Result<(), Condition> {
        let (count, most) = (self.contact_count(user), self.rules.contacts_max);
        match self.knows(user, contact) || count < most {
            true => Ok(()),
            false => Err(Condition::full(of, count, most)),
        }
    }

    /// Whether one more may see `user`.
    fn may_show(&self, user: &BareJid, of: Holding) -> Result<(), Condition> {
        let contacts = self.users.get(user).map(|record| record.contacts.values());
        let watchers = contacts.into_iter().flatten();
        let count = watchers.filter(|contact| contact.relation.from).count();
        let most = self.rules.watchers_max;
        match count < most {
            true => Ok(()),
            false => Err(Condition::full(of, count, most)),
        }
    }

    /// Whether there is room on the side of `user` for what it says to `contact`.
    pub(super) fn may_say(
        &self,
        user: &BareJid,
        contact: &BareJid,
        request: SubscriptionRequest,
    ) -> Result<(), Condition> {
        let (relation, pending_in) = self.relation(user, contact);
        match request {
            SubscriptionRequest::Subscribe => self.may_list(user, contact, Holding::Contacts),
            SubscriptionRequest::Subscribed if !relation.from => {
                if pending_in {
                    self.may_show(user, Holding::Watchers)?;
                }
                self.may_list(user, contact, Holding::Contacts)
            }
            SubscriptionRequest::Subscribed
            | SubscriptionRequest::Unsubscribe
            | SubscriptionRequest::Unsubscribed => Ok(()),
        }
    }

    /// Whether there is room on the side of `contact` for the request of `user`.
    pub(super) fn may_ask(&self, user: &BareJid, contact: &BareJid) -> Result<(), Condition> {
        let (relation, pending_in) = self.relation(contact, user);
        if relation.from {
            return Ok(());
        }
        self.may_show(contact, Holding::WatchersOfOther)?;
        if self.authorises(contact, user) || relation.approved {
            return self.may_list(contact, user, Holding::ContactsOfOther);
        }
        let waiting = self
            .users
            .get(contact)
            .map_or(0, |user| user.requests.len());
        match pending_in || waiting < limits::PENDING_REQUESTS_MAX {
            true => Ok(()),
            false => Err(Condition::ResourceConstraint),
        }
    }

    /// Whether the user is let in without being asked about (RFC 6121 section 3.1.3, rule 1c): by
    /// what the contact has decided, or, where that is nothing, because users of one domain are.
    pub(super) fn authorises(&self, contact: &BareJid, user: &BareJid) -> bool {
        let Some(record) = self.users.get(contact) else {
            return false;
        };
        match record.verdict(contact.as_str(), &user.to_jid()) {
            Verdict::Allow => true,
            Verdict::Deny => false,
            Verdict::Ask => {
                let same = contact.domain() == user.domain();
                self.rules.auto_authorise && same && record.privacy.internal.is_none()
            }
        }
    }
}
