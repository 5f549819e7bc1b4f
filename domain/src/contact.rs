//! One entry of a user's contact list (RFC 6121 section 2.1.2). Not for the wire form: see
//! protocols/xmpp.

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
