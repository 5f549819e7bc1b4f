//! XEP-0191: what becomes of what is said by and to those whom a user has blocked, by name or by
//! policy. Whom that means is the rule of the domain (`domain::blocking`, `domain::privacy`).
//!
//! To who is blocked the user seems to be away ("polite blocking", section 4): subscriptions stay
//! as they are. An entry for one device holds for what that device says and for what is said to it;
//! who sees whom goes by entries for accounts and domains.

use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::blocking::BlockChange;
use pollux_domain::contract::{Duty, Parcel, Refusal, SlotBody};
use pollux_domain::ids::SessionId;
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::privacy::Verdict;
use pollux_domain::stanza_error::Condition;
use pollux_domain::subscription::SubscriptionRequest;

use super::{Outcome, State, User};

impl State {
    /// Whether the user hears nothing of this address, and says nothing to it. Own devices are
    /// never blocked (section 5, note 1).
    pub(super) fn blocks(&self, user: &str, other: &Jid) -> bool {
        let record = self.users.get(user);
        record.is_some_and(|record| {
            user != other.bare_str()
                && (record.blocked.matches(other) || record.denies(user, other))
        })
    }

    /// The same for all that an account is.
    pub(super) fn blocks_account(&self, user: &BareJid, other: &BareJid) -> bool {
        let record = self.users.get(user);
        record.is_some_and(|record| user != other && record.blocks_account(user, other))
    }

    /// One of the two hears nothing of the other.
    pub(super) fn is_blocked_between(&self, one: &Jid, other: &Jid) -> bool {
        self.blocks(one.bare_str(), other) || self.blocks(other.bare_str(), one)
    }

    /// Sections 3.3 to 3.5. All of the change is done, or nothing.
    pub(super) fn change_blocks(
        &mut self,
        id: SessionId,
        iq: &Arc<Parcel>,
        result: Bytes,
        change: &BlockChange,
        out: &mut Outcome,
    ) {
        let Some(user) = self.sessions.get(&id).map(|session| session.user()) else {
            return;
        };
        let Some(record) = self.users.get(&user) else {
            return;
        };
        let Some(new) = record.blocked.changed(change) else {
            let stanza = self.new_stanza();
            let body = SlotBody::Bounce(iq.clone(), Condition::ResourceConstraint);
            self.slot(id, stanza, body, Duty::Sole, out);
            return;
        };
        self.answer(id, result, out);
        self.push_blocks(&user, change, out);
        self.change_view(&user, |record| record.blocked = new, out);
    }

    /// A user has decided anew who may see it.
    pub(super) fn set_privacy(
        &mut self,
        user: &BareJid,
        settings: &[(String, Option<String>)],
        out: &mut Outcome,
    ) -> Result<(), Refusal> {
        let record = self.users.get(user).ok_or(Refusal::NoSuchUser)?;
        let (mut privacy, mut blocked) = (record.privacy.clone(), record.blocked.clone());
        let wanted = settings.iter();
        let wanted = wanted.map(|(name, value)| (name.as_str(), value.as_deref()));
        let set = privacy.set_all(&mut blocked, wanted);
        set.map_err(|_| Refusal::Invalid)?;
        for change in blocked.changes_since(&record.blocked) {
            self.push_blocks(user, &change, out);
        }
        let decide = |record: &mut User| (record.privacy, record.blocked) = (privacy, blocked);
        self.change_view(user, decide, out);
        Ok(())
    }

    /// Whatever begins or ends with a change of who may see the user is told to both sides.
    fn change_view(&mut self, user: &BareJid, change: impl FnOnce(&mut User), out: &mut Outcome) {
        let contacts = self.users.get(user).map(|record| record.contacts.keys());
        let before: Vec<(BareJid, bool, bool)> = contacts
            .into_iter()
            .flatten()
            .map(|contact| {
                let (shown, saw) = (self.shows(user, contact), self.sees(user, contact));
                (contact.clone(), shown, saw)
            })
            .collect();
        let hidden = self.hidden_requests(user);
        self.user_mut(user.as_str(), change);
        for asker in hidden {
            let request = self
                .users
                .get(user)
                .and_then(|user| user.requests.get(&asker));
            if let Some(request) = request.cloned()
                && !self.blocks_account(user, &asker)
            {
                self.show(user, SubscriptionRequest::Subscribe, request, out);
            }
        }
        for (contact, shown, saw) in before {
            self.tell_new_view(user, &contact, shown, out);
            self.tell_new_sight(user, &contact, saw, out);
        }
        self.withdraw_directed(user, out);
    }

    /// Who asks to see the user and is blocked.
    fn hidden_requests(&self, user: &BareJid) -> Vec<BareJid> {
        let requests = self.users.get(user).map(|record| record.requests.keys());
        let requests = requests.into_iter().flatten();
        let hidden = requests.filter(|asker| self.blocks_account(user, asker));
        hidden.cloned().collect()
    }

    /// Section 3.3: "to all of the user's resources that have requested the blocklist".
    fn push_blocks(&mut self, user: &BareJid, change: &BlockChange, out: &mut Outcome) {
        let change = Arc::new(change.clone());
        let told = self.sessions_of(user.as_str());
        let told = told.filter(|(_, session)| session.wants_blocks);
        let told: Vec<SessionId> = told.map(|(id, _)| id).collect();
        for session in told {
            let stanza = self.new_stanza();
            let body = SlotBody::BlockPush(change.clone());
            self.slot(session, stanza, body, Duty::Sole, out);
        }
    }

    /// What the user sees of a contact begins or ends now by the user's own word.
    fn tell_new_sight(&mut self, user: &BareJid, contact: &BareJid, saw: bool, out: &mut Outcome) {
        let sees = self.sees(user, contact);
        if sees == saw {
            return;
        }
        if self.foreign_home(contact.as_str()).is_some() {
            self.tell_view_abroad(user, contact, saw, out);
            return;
        }
        for (device, bytes) in self.devices_of(contact) {
            self.tell_user(&device, user, sees.then_some(&bytes), out);
        }
    }

    /// Who is blocked and was told of a device by directed presence is told that it is gone.
    fn withdraw_directed(&mut self, user: &BareJid, out: &mut Outcome) {
        let mut ending = Vec::new();
        for (id, session) in self.sessions_of(user.as_str()) {
            let blocked = session.directed.iter();
            let blocked = blocked.filter(|to| self.blocks(user.as_str(), to));
            ending.extend(blocked.map(|to| (id, session.jid.clone(), to.clone())));
        }
        for (id, device, to) in ending {
            self.session_mut(id, |session| session.directed.remove(&to));
            self.tell_address(&device, &to, false, None, out);
        }
    }

    /// A session asks for the list, and is told of changes from now on (section 3.2).
    pub(super) fn ask_blocks(&mut self, id: SessionId, request: Bytes, out: &mut Outcome) {
        self.session_mut(id, |session| session.wants_blocks = true);
        self.ask(id, request, out);
    }
}

impl User {
    /// By the user's policies, and not by name.
    fn denies(&self, user: &str, other: &Jid) -> bool {
        self.privacy.has_block() && self.verdict(user, other) == Verdict::Deny
    }

    pub(super) fn blocks_account(&self, user: &BareJid, other: &BareJid) -> bool {
        self.blocked.matches_bare(other)
            || (self.privacy.has_block() && self.denies(user.as_str(), &other.to_jid()))
    }

    /// Whether who asks to see the user may, is to be asked about, or hears nothing.
    pub(super) fn verdict(&self, user: &str, other: &Jid) -> Verdict {
        let domain = user.rsplit('@').next().unwrap_or_default();
        let listed = self.contacts.contains_key(other.bare_str());
        self.privacy.verdict(&self.blocked, domain, other, listed)
    }
}
