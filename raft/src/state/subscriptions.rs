//! Subscription requests (RFC 6121 section 3). Between users of the group both sides change in one
//! entry; a contact in another group is told by a line and changes there, as between servers. The
//! rules of one side are `domain::subscription`.

use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::contact::Contact;
use pollux_domain::contract::{Duty, OutboxLine, Parcel, ParcelKind, SlotBody};
use pollux_domain::hints::Hints;
use pollux_domain::ids::SessionId;
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::stanza_error::Condition;
use pollux_domain::subscription::{self, Change, Relation, SubscriptionRequest};

use super::between::Debt;
use super::{Outcome, State};

impl State {
    /// A session sends presence of a subscription type.
    pub(super) fn subscription(
        &mut self,
        id: SessionId,
        to: &BareJid,
        request: SubscriptionRequest,
        bytes: Bytes,
        out: &mut Outcome,
    ) {
        let Some(sender) = self.sessions.get(&id).map(|session| session.jid.clone()) else {
            return;
        };
        let user = sender.to_bare();
        let parcel = Arc::new(Parcel {
            from: sender,
            to: to.to_jid(),
            kind: ParcelKind::Subscription(request),
            bytes,
            sent: self.stamp.wall,
            hints: Hints::default(),
        });
        match self.may_exchange(&user, to, request) {
            Ok(()) => self.exchange(&user, to, request, Some(parcel), out),
            Err(condition) => self.bounce(&parcel, condition, out),
        }
    }

    /// Whether both sides have room for it, as far as they are in this group.
    fn may_exchange(
        &self,
        user: &BareJid,
        to: &BareJid,
        request: SubscriptionRequest,
    ) -> Result<(), Condition> {
        let asks = request == SubscriptionRequest::Subscribe;
        let abroad = self.foreign_home(to.as_str());
        let is_here = self.users.contains_key(to);
        // Section 3.1.2: a request to nobody is an error. The rest concerns the own list (sections
        // 3.2.2, 3.3.2 and 3.4.2), in which there may be who is not there any more, or not yet.
        if user == to || (asks && abroad.is_none() && !is_here) {
            return Err(Condition::ItemNotFound);
        }
        if self.blocks_account(user, to) {
            return Err(Condition::Blocked);
        }
        if abroad.is_some_and(|target| !self.has_outbox_room(target)) {
            return Err(Condition::ResourceConstraint);
        }
        self.may_say(user, to, request)?;
        match asks && is_here {
            true => self.may_ask(user, to),
            false => Ok(()),
        }
    }

    /// `user` says `request` to `contact`; both lists change, both sides are told. `parcel`: the
    /// client's own words; None where the server speaks for the user.
    pub(super) fn exchange(
        &mut self,
        user: &BareJid,
        contact: &BareJid,
        request: SubscriptionRequest,
        parcel: Option<Arc<Parcel>>,
        out: &mut Outcome,
    ) {
        let shown = self.shows(user, contact);
        let saw = self.sees_abroad(user, contact);
        let (relation, pending_in) = self.relation(user, contact);
        let outbound = subscription::outbound(relation, pending_in, request);
        self.set_relation(user, contact, outbound, None, out);
        if !outbound.pass {
            return;
        }
        let parcel = parcel.unwrap_or_else(|| Arc::new(self.server_parcel(user, contact, request)));
        // Section 3.2.2: whose sight ends is told so while it still sees; section 3.1.5: whose
        // sight begins has the word for it first.
        if shown {
            self.tell_new_view(user, contact, shown, out);
        }
        if let Some(target) = self.foreign_home(contact.as_str()) {
            self.tell(target, OutboxLine::Parcel(parcel), out);
            if !shown {
                self.tell_new_view(user, contact, shown, out);
            }
            self.tell_view_abroad(user, contact, saw, out);
            return;
        }
        let contact_shown = self.shows(contact, user);
        self.receive(contact, user, request, parcel, out);
        if !shown {
            self.tell_new_view(user, contact, shown, out);
        }
        self.tell_new_view(contact, user, contact_shown, out);
    }

    /// A user of another group says `request` to `contact`, who is one of this group.
    pub(super) fn receive_subscription(
        &mut self,
        contact: &BareJid,
        user: &BareJid,
        request: SubscriptionRequest,
        parcel: Arc<Parcel>,
        out: &mut Outcome,
    ) {
        let shown = self.shows(contact, user);
        let saw = self.sees_abroad(contact, user);
        self.receive(contact, user, request, parcel, out);
        self.tell_new_view(contact, user, shown, out);
        self.tell_view_abroad(contact, user, saw, out);
    }

    /// The half of the side that receives. Its devices have the word before the push that follows
    /// from it (sections 3.1.6, 3.2.3 and 3.3.3).
    fn receive(
        &mut self,
        contact: &BareJid,
        user: &BareJid,
        request: SubscriptionRequest,
        parcel: Arc<Parcel>,
        out: &mut Outcome,
    ) {
        let (relation, pending_in) = self.relation(contact, user);
        let authorises = self.authorises(contact, user);
        let inbound = subscription::inbound(relation, pending_in, request, authorises);
        // XEP-0191 section 3.3: nothing is shown, no answer and no error. A request waits until the
        // block ends.
        let blocked = self.blocks_account(contact, user);
        if inbound.change.pass && !blocked {
            self.show(contact, request, parcel.clone(), out);
        }
        let asks = request == SubscriptionRequest::Subscribe;
        self.set_relation(contact, user, inbound.change, asks.then_some(&parcel), out);
        if let Some(answer) = inbound.answer
            && !blocked
        {
            self.answer_for(contact, user, answer, out);
        }
    }

    /// The server says for `user` to `contact` what the user has said before, or need not be asked
    /// (section 3.1.3, rules 1 and 2). Where the halves of two groups do not agree, the contact
    /// would ask for ever.
    ///
    /// "unsubscribed" to one who has unsubscribed (A.3.2, SHOULD) stays in the group, where both
    /// halves change at once and it says nothing new. To another group it could be late: a request
    /// that was sent meanwhile would be taken back by it on one side, and stay on the other.
    fn answer_for(
        &mut self,
        user: &BareJid,
        contact: &BareJid,
        answer: SubscriptionRequest,
        out: &mut Outcome,
    ) {
        let parcel = Arc::new(self.server_parcel(user, contact, answer));
        match self.foreign_home(contact.as_str()) {
            Some(_) if answer == SubscriptionRequest::Unsubscribed => {}
            Some(target) => self.tell(target, OutboxLine::Parcel(parcel), out),
            None => self.receive(contact, user, answer, parcel, out),
        }
    }

    /// A request to a contact in another group came back: nothing waits for an answer any more.
    pub(super) fn withdraw_request(
        &mut self,
        user: &BareJid,
        contact: &BareJid,
        out: &mut Outcome,
    ) {
        let (relation, pending_in) = self.relation(user, contact);
        if !self.knows(user, contact) {
            return;
        }
        let withdrawn = Change {
            relation: Relation {
                pending_out: false,
                ..relation
            },
            pending_in,
            pass: false,
        };
        self.set_relation(user, contact, withdrawn, None, out);
    }

    /// Everything between this user and others ends (the user is removed).
    pub(super) fn cancel_all_subscriptions(&mut self, user: &BareJid, out: &mut Outcome) {
        let Some(record) = self.users.get(user) else {
            return;
        };
        let mut others: Vec<BareJid> = record.contacts.keys().cloned().collect();
        others.extend(record.requests.keys().cloned());
        for other in others {
            if self.users.contains_key(&other) || self.foreign_home(other.as_str()).is_some() {
                self.exchange(user, &other, SubscriptionRequest::Unsubscribe, None, out);
                self.exchange(user, &other, SubscriptionRequest::Unsubscribed, None, out);
            }
        }
    }

    pub(super) fn relation(&self, user: &BareJid, contact: &BareJid) -> (Relation, bool) {
        let Some(record) = self.users.get(user) else {
            return Default::default();
        };
        let relation = record.contacts.get(contact).map(|contact| contact.relation);
        (
            relation.unwrap_or_default(),
            record.requests.contains_key(contact),
        )
    }

    fn set_relation(
        &mut self,
        user: &BareJid,
        contact: &BareJid,
        change: Change,
        request: Option<&Arc<Parcel>>,
        out: &mut Outcome,
    ) {
        let pushed = self.user_mut(user.as_str(), |record| {
            match (change.pending_in, request) {
                (true, Some(parcel)) => {
                    record
                        .requests
                        .entry(contact.clone())
                        .or_insert_with(|| parcel.clone());
                }
                (true, None) => {}
                (false, _) => {
                    record.requests.remove(contact);
                }
            }
            let before = record.contacts.get(contact).map(|contact| contact.relation);
            if before.unwrap_or_default() == change.relation {
                return None;
            }
            let entry = record.contacts.entry(contact.clone());
            let entry = entry.or_insert_with(|| Contact::new(contact.clone()));
            entry.relation = change.relation;
            Some(entry.clone())
        });
        if let Some(contact) = pushed.flatten() {
            self.push(user, contact, out);
        }
    }

    /// The user's devices see a subscription stanza: a request those that are available (section
    /// 3.1.3, rule 3), anything else also those that are told of changes of the list (sections
    /// 3.1.6, 3.2.3 and 3.3.3, "interested resources"). One that is available without a list is
    /// told as well: it has no push to go by.
    pub(super) fn show(
        &mut self,
        user: &BareJid,
        request: SubscriptionRequest,
        parcel: Arc<Parcel>,
        out: &mut Outcome,
    ) {
        let asks = request == SubscriptionRequest::Subscribe;
        let shown: Vec<SessionId> = self
            .sessions_of(user.as_str())
            .filter(|(_, session)| {
                session.availability.is_some() || (!asks && session.wants_pushes)
            })
            .map(|(id, _)| id)
            .collect();
        let stanza = self.new_stanza();
        for session in shown {
            self.slot(
                session,
                stanza,
                SlotBody::Parcel(parcel.clone()),
                Duty::Sole,
                out,
            );
        }
    }

    /// `observed` lets `observer` see it.
    pub(super) fn shows(&self, observed: &BareJid, observer: &BareJid) -> bool {
        self.rules.sharing
            && self.relation(observed, observer).0.from
            && !self.blocks_account(observed, observer)
    }

    /// RFC 6121 sections 3.1.5, 3.2.3, 3.3.3: what the observer sees of the observed begins or ends
    /// now.
    pub(super) fn tell_new_view(
        &mut self,
        observed: &BareJid,
        observer: &BareJid,
        before: bool,
        out: &mut Outcome,
    ) {
        let now = self.shows(observed, observer);
        if now == before {
            return;
        }
        if let Some(target) = self.foreign_home(observer.as_str()) {
            let devices = now.then(|| self.devices_of(observed));
            let watch = OutboxLine::Watch {
                user: observed.clone(),
                watcher: observer.clone(),
                devices,
            };
            self.tell_or_owe(target, watch, Debt::View(observed.clone()), out);
            return;
        }
        for (device, bytes) in self.devices_of(observed) {
            self.tell_user(&device, observer, now.then_some(&bytes), out);
        }
    }

    fn server_parcel(
        &self,
        user: &BareJid,
        contact: &BareJid,
        request: SubscriptionRequest,
    ) -> Parcel {
        Parcel {
            from: Jid::from(user.clone()),
            to: contact.to_jid(),
            kind: ParcelKind::Subscription(request),
            bytes: Bytes::new(),
            sent: self.stamp.wall,
            hints: Hints::default(),
        }
    }

    pub(super) fn knows(&self, user: &BareJid, contact: &BareJid) -> bool {
        self.users
            .get(user)
            .is_some_and(|user| user.contacts.contains_key(contact))
    }
}
