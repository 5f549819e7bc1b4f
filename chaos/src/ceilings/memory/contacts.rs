//! Contact lists in memory, and who is told of whose availability (RFC 6121, 3 and 4). Only between
//! people who are there: a request to somebody who is away is forgotten.

use std::rc::Rc;

use super::people::{Session, State};

/// One line of a contact list.
#[derive(Debug, Default, Clone, Copy)]
pub struct Contact {
    /// The owner of the list sees the contact.
    to: bool,
    /// The contact sees the owner.
    from: bool,
}

impl Contact {
    fn item(self, jid: &str) -> String {
        let subscription = match (self.to, self.from) {
            (true, true) => "both",
            (true, false) => "to",
            (false, true) => "from",
            (false, false) => "none",
        };
        format!("<item jid='{jid}' subscription='{subscription}'/>")
    }
}

impl State {
    /// The items of a contact list.
    pub fn items(&self, bare: &str) -> String {
        let people = self.people.borrow();
        let contacts = people.get(bare).into_iter().flat_map(|one| &one.contacts);
        contacts.map(|(jid, contact)| contact.item(jid)).collect()
    }

    /// Tells the session itself, the user's others, and whoever may see the user.
    pub fn announce(&self, session: &Session, presence: &str) {
        let pieces: &[&[u8]] = &[presence.as_bytes()];
        self.deliver(session.bare(), pieces);
        let people = self.people.borrow();
        let Some(person) = people.get(session.bare()) else {
            return;
        };
        for (contact, _) in person.contacts.iter().filter(|(_, line)| line.from) {
            self.deliver(contact, pieces);
        }
    }

    /// At the first availability: what the session's contacts are, and what waited.
    pub fn welcome(&self, session: &Session) {
        let offline = {
            let people = self.people.borrow();
            let Some(person) = people.get(session.bare()) else {
                return;
            };
            for (contact, _) in person.contacts.iter().filter(|(_, line)| line.to) {
                let theirs = people
                    .get(contact)
                    .into_iter()
                    .flat_map(|one| &one.sessions);
                for theirs in theirs {
                    if let Some(presence) = &*theirs.presence.borrow() {
                        session.wire.send(&[presence.as_bytes()]);
                    }
                }
            }
            drop(people);
            let mut people = self.people.borrow_mut();
            let person = people.get_mut(session.bare());
            person.map(|person| std::mem::take(&mut person.offline))
        };
        let offline = offline.unwrap_or_default();
        let pieces: Vec<&[u8]> = offline.iter().map(|one| one.as_bytes()).collect();
        if !pieces.is_empty() {
            session.wire.send(&pieces);
        }
    }

    /// `owner` lets `watcher` see the owner's availability: both lists, both told, and what it is
    /// now.
    pub fn subscribed(&self, owner: &Rc<Session>, watcher: &str) {
        let bare = owner.bare();
        let change = |list: &str, contact: &str, change: fn(&mut Contact)| {
            let mut people = self.people.borrow_mut();
            let list = people.entry(list.into()).or_default();
            let line = list.contacts.entry(contact.into()).or_default();
            change(line);
            line.item(contact)
        };
        let seen = change(bare, watcher, |line| line.from = true);
        let sees = change(watcher, bare, |line| line.to = true);
        self.deliver(
            watcher,
            &[format!("<presence from='{bare}' type='subscribed'/>").as_bytes()],
        );
        for (list, item) in [(bare, seen), (watcher, sees)] {
            let push = format!(
                "<iq type='set' id='{}'><query xmlns='jabber:iq:roster'>{item}</query></iq>",
                self.word()
            );
            self.deliver(list, &[push.as_bytes()]);
        }
        if let Some(presence) = &*owner.presence.borrow() {
            self.deliver(watcher, &[presence.as_bytes()]);
        }
    }
}
