//! Why a stanza is refused: the conditions of RFC 6120 section 8.3.3 that rules of the domain
//! decide on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A defined condition, as far as a rule of the domain names it. The wire form is in
/// protocols/xmpp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    BadRequest,
    /// `not-acceptable`, and that the sender has blocked the address (XEP-0191 section 3.3).
    Blocked,
    FeatureNotImplemented,
    Forbidden,
    ItemNotFound,
    JidMalformed,
    NotAcceptable,
    NotAllowed,
    PolicyViolation,
    RecipientUnavailable,
    RemoteServerNotFound,
    ResourceConstraint,
    ServiceUnavailable,
    /// An error whose text says how many there are, and how many there may be:
    /// `service-unavailable` of messages that are kept (XEP-0160 section 2), `resource-constraint`
    /// of all else.
    Full(Full),
}

/// As many as are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Full {
    pub of: Holding,
    pub count: u32,
    pub most: u32,
}

/// What a user has of which an administrator, or the product, says how much there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holding {
    /// In the own list.
    Contacts,
    /// In the list of the user who was asked.
    ContactsOfOther,
    /// Of oneself.
    Watchers,
    /// Of the user who was asked.
    WatchersOfOther,
    /// Elements of private data (XEP-0049).
    PrivateEntries,
    /// Octets of all private data.
    PrivateBytes,
    /// Messages for a user who is away (XEP-0160).
    Stored,
}

impl Condition {
    /// As many as are allowed, or more: limits may have been wider once.
    pub fn full(of: Holding, count: usize, most: usize) -> Condition {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Condition::Full(Full {
            of,
            count: number(count),
            most: number(most),
        })
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Full { of, count, most } = self;
        match of {
            Holding::Contacts => write!(f, "the contact list has {count} contacts of {most}"),
            Holding::ContactsOfOther => {
                write!(f, "the user's contact list has {count} contacts of {most}")
            }
            Holding::Watchers => write!(f, "your availability has {count} watchers of {most}"),
            Holding::WatchersOfOther => {
                write!(f, "the user's availability has {count} watchers of {most}")
            }
            Holding::PrivateEntries => {
                write!(f, "the private data has {count} elements of {most}")
            }
            Holding::PrivateBytes => {
                write!(f, "the private data would take {count} octets of {most}")
            }
            Holding::Stored => write!(f, "{count} messages of {most} wait for the user"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_with_what_there_is() {
        let full = Condition::full(Holding::Watchers, 200, 200);
        let Condition::Full(full) = full else {
            panic!("{full:?}");
        };
        let text = "your availability has 200 watchers of 200";
        assert_eq!(full.to_string(), text);
        let huge = Condition::full(Holding::Contacts, usize::MAX, 1);
        assert!(matches!(
            huge,
            Condition::Full(Full {
                count: u32::MAX,
                most: 1,
                ..
            })
        ));
    }
}
