//! One entry of a user's contact list (RFC 6121 section 2.1.2), and the version of a whole list.
//! Not for the wire form: see protocols/xmpp.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::jid::BareJid;
use crate::subscription::Relation;

/// A contact as its user keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub jid: BareJid,
    pub name: Option<String>,
    pub groups: Vec<String>,
    pub relation: Relation,
    /// False for one that exists only to remember a subscription in progress, and for the push of a
    /// removal.
    pub listed: bool,
}

impl Contact {
    /// A contact that nothing is known of yet.
    pub fn new(jid: BareJid) -> Contact {
        Contact {
            jid,
            name: None,
            groups: Vec::new(),
            relation: Relation::default(),
            listed: true,
        }
    }
}

/// Names what a contact list is after a change (RFC 6121 section 2.6, XEP-0237): how many changes
/// there have been, and a sum over all of them in order. With the number alone a list whose account
/// was made anew, or whose group went on from less than it had said, could be taken for the list
/// that it was; with the sum alone a version could come again, where each push has its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListVersion {
    number: u64,
    trail: u64,
}

impl ListVersion {
    /// What the list is when this has been changed in it.
    pub fn after(self, change: &Contact) -> ListVersion {
        let mut trail = Trail(self.trail);
        trail.word(change.jid.as_str());
        trail.word(change.name.as_deref().unwrap_or_default());
        for group in &change.groups {
            trail.word(group);
        }
        let Relation {
            to,
            from,
            pending_out,
            approved,
        } = change.relation;
        let bits = [to, from, pending_out, approved, change.listed];
        bits.into_iter().for_each(|bit| trail.octet(bit.into()));
        ListVersion {
            number: self.number + 1,
            trail: trail.0,
        }
    }

    /// As it was written; None: it was never written here.
    pub fn parse(text: &str) -> Option<ListVersion> {
        let (number, trail) = text.split_once('-')?;
        let version = ListVersion {
            number: number.parse().ok()?,
            trail: u64::from_str_radix(trail, 16).ok()?,
        };
        (version.to_string() == text).then_some(version)
    }
}

impl fmt::Display for ListVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.number, self.trail)
    }
}

/// FNV-1a, which is the same on all nodes and in all releases. Nobody gains by a collision: it
/// would be with the own list of another time.
struct Trail(u64);

impl Trail {
    fn octet(&mut self, octet: u8) {
        self.0 = (self.0 ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    }

    /// Ends with an octet that no text has.
    fn word(&mut self, word: &str) {
        word.bytes()
            .chain([0xff])
            .for_each(|octet| self.octet(octet));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(jid: &str, name: Option<&str>, groups: &[&str]) -> Contact {
        Contact {
            name: name.map(str::to_owned),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..Contact::new(BareJid::parse(jid).unwrap())
        }
    }

    #[test]
    fn each_change_leads_to_a_version_of_its_own() {
        let changes = [
            contact("a@b", None, &[]),
            contact("a@c", None, &[]),
            contact("a@b", Some("x"), &[]),
            contact("a@b", None, &["x"]),
            contact("a@b", Some("x"), &["y"]),
            contact("a@b", Some("xy"), &[]),
            Contact {
                listed: false,
                ..contact("a@b", None, &[])
            },
            Contact {
                relation: Relation {
                    approved: true,
                    ..Relation::default()
                },
                ..contact("a@b", None, &[])
            },
        ];
        let empty = ListVersion::default();
        let mut seen = vec![empty];
        for change in &changes {
            let version = empty.after(change);
            assert!(!seen.contains(&version), "{change:?}");
            assert_eq!(version, empty.after(change));
            seen.push(version);
        }
        let (one, other) = (&changes[0], &changes[1]);
        assert_ne!(empty.after(one).after(other), empty.after(other).after(one));
        assert_ne!(empty.after(one).after(one), empty.after(one));
    }

    #[test]
    fn a_version_is_read_as_it_is_written_and_nothing_else_is_one() {
        let version = ListVersion::default().after(&contact("a@b", None, &[]));
        for version in [ListVersion::default(), version] {
            assert_eq!(ListVersion::parse(&version.to_string()), Some(version));
        }
        for text in [
            "",
            "1",
            "-",
            "1-",
            "-1",
            "1-2",
            "+1-0000000000000000",
            "ver14",
        ] {
            assert_eq!(ListVersion::parse(text), None, "{text}");
        }
    }
}
