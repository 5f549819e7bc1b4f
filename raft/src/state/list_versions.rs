//! Versions of contact lists (RFC 6121 section 2.6, XEP-0237): which entries have changed since a
//! client has seen the list. Not for what the entries are now.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::contact::{Contact, ListVersion};
use pollux_domain::contract::{Duty, SlotBody};
use pollux_domain::ids::SessionId;
use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use serde::{Deserialize, Serialize};

use super::{Outcome, State};

/// What a list is now, and its last changes: whose entry, and what the list was before.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ListHistory {
    version: ListVersion,
    changes: VecDeque<(ListVersion, BareJid)>,
}

impl ListHistory {
    /// An entry has changed into this.
    pub(super) fn note(&mut self, contact: &Contact) -> ListVersion {
        self.changes.push_back((self.version, contact.jid.clone()));
        if limits::LIST_CHANGES_MAX < self.changes.len() {
            self.changes.pop_front();
        }
        self.version = self.version.after(contact);
        self.version
    }

    /// Entries that have changed since, each with the version of its last change, in that order.
    /// None: too much has changed, or the list has never been that.
    fn since(&self, known: ListVersion) -> Option<Vec<(BareJid, ListVersion)>> {
        if known == self.version {
            return Some(Vec::new());
        }
        let first = self.changes.iter().position(|(was, _)| *was == known)?;
        let after = self.changes.iter().skip(first + 1).map(|(was, _)| *was);
        let after = after.chain([self.version]);
        let changed = self.changes.iter().skip(first).map(|(_, jid)| jid);
        let changed: Vec<_> = changed.zip(after).collect();
        let mut seen = BTreeSet::new();
        let mut last = Vec::new();
        for (jid, version) in changed.into_iter().rev() {
            if seen.insert(jid) {
                last.push((jid.clone(), version));
            }
        }
        last.reverse();
        Some(last)
    }
}

impl State {
    /// What a user's contact list is now.
    pub fn list_version(&self, user: &BareJid) -> ListVersion {
        let user = self.users.get(user);
        user.map_or(ListVersion::default(), |user| user.list.version)
    }

    /// Whether a client that has the list as it was then is told the rest by pushes. Once a list is
    /// not known any more it never is again: whoever was given the pushes of a known one may be
    /// given the whole list later, but not the other way round.
    pub fn knows_list(&self, user: &BareJid, known: ListVersion) -> bool {
        let user = self.users.get(user);
        user.is_some_and(|user| user.list.since(known).is_some())
    }

    /// RFC 6121 section 2.2: a session asks for the list, and is told of changes from now on.
    pub(super) fn ask_list(
        &mut self,
        id: SessionId,
        request: Bytes,
        known: Option<ListVersion>,
        out: &mut Outcome,
    ) {
        self.session_mut(id, |session| session.wants_pushes = true);
        self.ask(id, request, out);
        if let Some(known) = known {
            self.push_since(id, known, out);
        }
    }

    /// RFC 6121 section 2.6.3: what has changed since the client had the list goes to it as pushes,
    /// behind the empty answer.
    fn push_since(&mut self, id: SessionId, known: ListVersion, out: &mut Outcome) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let Some(record) = self.users.get(session.jid.bare_str()).cloned() else {
            return;
        };
        for (jid, version) in record.list.since(known).unwrap_or_default() {
            let contact = record.contacts.get(&jid).cloned();
            let contact = contact.unwrap_or_else(|| Contact {
                listed: false,
                ..Contact::new(jid)
            });
            let stanza = self.new_stanza();
            let body = SlotBody::Push(Arc::new(contact), version);
            self.slot(id, stanza, body, Duty::Sole, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(name: &str) -> Contact {
        Contact::new(BareJid::parse(&format!("{name}@example.org")).unwrap())
    }

    fn names(since: Option<Vec<(BareJid, ListVersion)>>) -> Option<Vec<String>> {
        let local = |(jid, _): &(BareJid, ListVersion)| jid.local().unwrap().to_owned();
        since.map(|since| since.iter().map(local).collect())
    }

    #[test]
    fn each_entry_is_named_once_with_its_last_version() {
        let mut history = ListHistory::default();
        let versions: Vec<ListVersion> = ["a", "b", "a", "c"]
            .iter()
            .map(|name| history.note(&contact(name)))
            .collect();
        let empty = ListVersion::default();
        let all = history.since(empty).unwrap();
        let expected = [
            (contact("b").jid, versions[1]),
            (contact("a").jid, versions[2]),
            (contact("c").jid, versions[3]),
        ];
        assert_eq!(all, expected);
        assert_eq!(names(history.since(versions[1])).unwrap(), ["a", "c"]);
        assert_eq!(names(history.since(versions[3])).unwrap(), [""; 0]);
        let never = versions[3].after(&contact("d"));
        assert_eq!(history.since(never), None);
    }

    #[test]
    fn only_so_many_changes_are_remembered() {
        let mut history = ListHistory::default();
        let mut versions = vec![ListVersion::default()];
        for n in 0..limits::LIST_CHANGES_MAX + 3 {
            versions.push(history.note(&contact(&format!("c{n}"))));
        }
        assert_eq!(history.since(versions[2]), None);
        let rest = history.since(versions[3]).unwrap();
        assert_eq!(rest.len(), limits::LIST_CHANGES_MAX);
        assert_eq!(history.changes.len(), limits::LIST_CHANGES_MAX);
    }

    /// An account that is made anew has a list of its own: what was known of the old one is not
    /// known of this, however many changes there have been.
    #[test]
    fn another_life_of_a_list_is_another_list() {
        let (mut old, mut new) = (ListHistory::default(), ListHistory::default());
        let known = old.note(&contact("a"));
        new.note(&contact("b"));
        assert_eq!(new.since(known), None);
        new.note(&contact("c"));
        assert_eq!(new.since(known), None);
    }
}
