//! What was set for the whole cluster and what changing it does to those who are there:
//! availability that is shared no more ends for all, and begins again. Not for what is set: see
//! `domain::settings`.

use pollux_domain::contract::Parcel;
use pollux_domain::ids::SessionId;
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::settings::Rules;
use pollux_domain::stanza_error::Condition;

use super::between::Debt;
use super::{Outcome, State};

impl State {
    pub(super) fn set_rules(&mut self, rules: &Rules, out: &mut Outcome) {
        if self.rules.sharing == rules.sharing {
            self.rules = rules.clone();
            return;
        }
        if self.rules.sharing {
            self.withdraw_all_directed(out);
            self.tell_all_views(false, out);
        }
        self.rules = rules.clone();
        if self.rules.sharing {
            self.tell_all_views(true, out);
        }
        self.owe_all_views(out);
    }

    /// Why a message or a request may not be sent at all.
    pub(super) fn forbids(&self, parcel: &Parcel) -> Option<Condition> {
        if !self.rules.messages && parcel.kind.is_said() {
            return Some(Condition::NotAllowed);
        }
        let blocked = self.blocks(parcel.from.bare_str(), &parcel.to);
        blocked.then_some(Condition::Blocked)
    }

    /// Users of this group who see each other; those of others are told by their groups.
    fn tell_all_views(&mut self, shown: bool, out: &mut Outcome) {
        let mut views: Vec<(BareJid, BareJid)> = Vec::new();
        for (observed, record) in &self.users {
            if record.sessions.is_empty() {
                continue;
            }
            let observers = record.contacts.keys();
            let observers = observers.filter(|observer| {
                self.users.contains_key(*observer) && self.sees(observer, observed)
            });
            views.extend(observers.map(|observer| (observed.clone(), observer.clone())));
        }
        // All replicas in the same order.
        views.sort_unstable();
        for (observed, observer) in views {
            for (device, bytes) in self.devices_of(&observed) {
                self.tell_user(&device, &observer, shown.then_some(&bytes), out);
            }
        }
    }

    fn owe_all_views(&mut self, out: &mut Outcome) {
        let mut debts = Vec::new();
        for (user, record) in &self.users {
            let shown = record.contacts.values();
            let shown = shown.filter(|contact| contact.relation.from);
            let homes = shown.filter_map(|contact| self.foreign_home(contact.jid.as_str()));
            debts.extend(homes.map(|home| (home, user.clone())));
        }
        debts.sort_unstable();
        debts.dedup();
        for (home, user) in debts {
            self.owe(home, Debt::View(user), out);
        }
    }

    /// Presence to single addresses ends as well; the clients may say it again.
    fn withdraw_all_directed(&mut self, out: &mut Outcome) {
        let mut ending: Vec<(SessionId, Jid, Jid)> = Vec::new();
        for (id, session) in &self.sessions {
            let directed = session.directed.iter();
            ending.extend(directed.map(|to| (*id, session.jid.clone(), to.clone())));
        }
        ending.sort_unstable();
        for (id, device, to) in ending {
            self.session_mut(id, |session| session.directed.remove(&to));
            self.tell_address(&device, &to, false, None, out);
        }
    }
}
