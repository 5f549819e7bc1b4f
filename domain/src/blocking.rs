//! Addresses as a user names whom to block (XEP-0191), and changes of such a list. Not for what
//! becomes of what is said: the state machine of the group decides that.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::jid::{BareJid, Jid};
use crate::limits;

/// Devices, accounts and domains that a user has named, at most [`limits::BLOCKED_MAX`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressSet(BTreeSet<Jid>);

/// What a client does to the list, and what the others are told of it (sections 3.3 to 3.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockChange {
    Block(Vec<Jid>),
    Unblock(Vec<Jid>),
    UnblockAll,
}

impl AddressSet {
    /// Section 6, in its order: that device, all devices of that account, that resource of a
    /// domain, a whole domain.
    pub fn matches(&self, other: &Jid) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let domain = other.domain();
        let of_domain = || {
            let resource = other.resource()?;
            Some(self.0.contains(format!("{domain}/{resource}").as_str()))
        };
        self.0.contains(other.as_str())
            || self.0.contains(other.bare_str())
            || self.0.contains(domain)
            || of_domain() == Some(true)
    }

    /// The same for all that an account is.
    pub fn matches_bare(&self, other: &BareJid) -> bool {
        self.0.contains(other.as_str()) || self.0.contains(other.domain())
    }

    /// What was added, and what taken away.
    pub fn changes_since(&self, before: &AddressSet) -> Vec<BlockChange> {
        let beyond = |one: &AddressSet, other: &AddressSet| -> Vec<Jid> {
            one.0.difference(&other.0).cloned().collect()
        };
        let changes = [
            BlockChange::Block(beyond(self, before)),
            BlockChange::Unblock(beyond(before, self)),
        ];
        let mut changes = Vec::from(changes);
        changes.retain(|change| 0 < change.weight());
        changes
    }

    pub fn entries(&self) -> impl Iterator<Item = &Jid> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// None where there are too many.
    pub fn new(entries: impl IntoIterator<Item = Jid>) -> Option<AddressSet> {
        let entries: BTreeSet<Jid> = entries.into_iter().collect();
        (entries.len() <= limits::BLOCKED_MAX).then_some(AddressSet(entries))
    }

    /// None where the list would be too long; it is as it was then.
    #[must_use]
    pub fn changed(&self, change: &BlockChange) -> Option<AddressSet> {
        let mut entries = self.0.clone();
        match change {
            BlockChange::Block(others) => entries.extend(others.iter().cloned()),
            BlockChange::Unblock(others) => entries.retain(|entry| !others.contains(entry)),
            BlockChange::UnblockAll => entries.clear(),
        }
        (entries.len() <= limits::BLOCKED_MAX).then_some(AddressSet(entries))
    }
}

impl BlockChange {
    /// Bytes that it holds in memory, for the limits.
    pub fn weight(&self) -> usize {
        match self {
            BlockChange::Block(others) | BlockChange::Unblock(others) => {
                others.iter().map(|jid| jid.as_str().len() + 16).sum()
            }
            BlockChange::UnblockAll => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jids(jids: &[&str]) -> Vec<Jid> {
        jids.iter().map(|jid| Jid::parse(jid).unwrap()).collect()
    }

    fn list(entries: &[&str]) -> AddressSet {
        let change = BlockChange::Block(jids(entries));
        AddressSet::default().changed(&change).unwrap()
    }

    /// XEP-0191 section 6.
    #[test]
    fn what_an_entry_matches() {
        let check = |entry: &str, matching: &[&str], others: &[&str]| {
            let list = list(&[entry]);
            for jid in jids(matching) {
                assert!(list.matches(&jid), "{entry}: {jid}");
            }
            for jid in jids(others) {
                assert!(!list.matches(&jid), "{entry}: {jid}");
            }
        };
        check(
            "a@x.org/desk",
            &["a@x.org/desk"],
            &["a@x.org/sofa", "a@x.org", "x.org/desk", "x.org"],
        );
        check(
            "a@x.org",
            &["a@x.org", "a@x.org/sofa"],
            &["b@x.org", "x.org", "a@y.org"],
        );
        check(
            "x.org/desk",
            &["x.org/desk", "a@x.org/desk"],
            &["x.org", "x.org/sofa", "a@x.org"],
        );
        check(
            "x.org",
            &["x.org", "x.org/desk", "a@x.org", "a@x.org/desk"],
            &["y.org", "a@z.x.org"],
        );
        let bare = BareJid::parse("a@x.org").unwrap();
        assert!(list(&["a@x.org"]).matches_bare(&bare));
        assert!(list(&["x.org"]).matches_bare(&bare));
        assert!(!list(&["a@x.org/desk"]).matches_bare(&bare));
        assert!(!AddressSet::default().matches(&jids(&["a@x.org"])[0]));
    }

    #[test]
    fn the_list_grows_and_shrinks_and_has_an_end() {
        let two = list(&["a@x.org", "b@x.org"]);
        let one = two.changed(&BlockChange::Unblock(jids(&["a@x.org", "c@x.org"])));
        assert_eq!(one, Some(list(&["b@x.org"])));
        let none = two.changed(&BlockChange::UnblockAll).unwrap();
        assert!(none.is_empty());
        let many: Vec<Jid> = (0..=limits::BLOCKED_MAX)
            .map(|n| Jid::parse(&format!("u{n}@x.org")).unwrap())
            .collect();
        assert_eq!(two.changed(&BlockChange::Block(many.clone())), None);
        let most = BlockChange::Block(many[..limits::BLOCKED_MAX].to_vec());
        let full = none.changed(&most).unwrap();
        assert_eq!(full.entries().count(), limits::BLOCKED_MAX);
        // What stands there already takes no place.
        assert_eq!(full.changed(&most), Some(full));
    }
}
