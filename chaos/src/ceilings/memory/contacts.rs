//! Contact lists in memory, and who is told of whose availability (RFC 6121, 2 to 4). Knows one of
//! the ways to end a subscription: the contact is taken off the list.

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

    /// `watcher` asks to see the owner of `to`, who hears it now or when they come, until they have
    /// answered.
    pub fn subscribe(&self, watcher: &str, to: &str) {
        let bare = to.split('/').next().unwrap_or(to);
        if !self.is_user(bare) {
            return;
        }
        let mut people = self.people.borrow_mut();
        let owner = people.entry(bare.into()).or_default();
        owner.asking.insert(watcher.into());
        drop(people);
        self.deliver(bare, &[request(watcher).as_bytes()]);
    }

    /// At the first availability: what the session's contacts are, who asks, and what waited.
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
            for watcher in &person.asking {
                session.wire.send(&[request(watcher).as_bytes()]);
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
        if let Some(owner) = self.people.borrow_mut().get_mut(bare) {
            owner.asking.remove(watcher);
        }
        let seen = change(bare, watcher, |line| line.from = true);
        let sees = change(watcher, bare, |line| line.to = true);
        self.deliver(
            watcher,
            &[format!("<presence from='{bare}' type='subscribed'/>").as_bytes()],
        );
        self.push(bare, &seen);
        self.push(watcher, &sees);
        if let Some(presence) = &*owner.presence.borrow() {
            self.deliver(watcher, &[presence.as_bytes()]);
        }
    }

    /// Takes a contact off the list: neither sees the other after it.
    pub fn remove(&self, owner: &str, contact: &str) {
        let kept = {
            let mut people = self.people.borrow_mut();
            if let Some(person) = people.get_mut(owner) {
                person.contacts.remove(contact);
            }
            let theirs = people.get_mut(contact);
            theirs.and_then(|person| person.contacts.get_mut(owner).map(std::mem::take))
        };
        self.push(
            owner,
            &format!("<item jid='{contact}' subscription='remove'/>"),
        );
        if let Some(line) = kept {
            self.push(contact, &Contact::default().item(owner));
            let gone = format!("<presence from='{owner}' type='unavailable'/>");
            if line.to {
                self.deliver(contact, &[gone.as_bytes()]);
            }
        }
    }

    /// Tells all of a user's sessions what has changed on the list.
    fn push(&self, bare: &str, item: &str) {
        let push = format!(
            "<iq type='set' id='{}'><query xmlns='jabber:iq:roster'>{item}</query></iq>",
            self.word()
        );
        self.deliver(bare, &[push.as_bytes()]);
    }
}

fn request(watcher: &str) -> String {
    format!("<presence from='{watcher}' type='subscribe'/>")
}
