//! The subscription states of a contact and how stanzas change them (RFC 6121 appendix A). Not for
//! who is told: the state machine of the group does that.

use serde::{Deserialize, Serialize};

/// A presence stanza that manages subscriptions (RFC 6121 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubscriptionRequest {
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
}

/// The `subscription` attribute (RFC 6121 section 2.1.2.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subscription {
    #[default]
    None,
    /// The user sees the contact.
    To,
    /// The contact sees the user.
    From,
    Both,
}

/// All that a contact-list entry knows of the two directions: nine states of RFC 6121 appendix A.1,
/// less "pending in", which is a request that waits (the group keeps its stanza), and whether a
/// request is approved before it comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// The user is told of the contact's availability.
    pub to: bool,
    /// The contact is told of the user's availability.
    pub from: bool,
    /// The user has asked and was not answered (`ask='subscribe'`).
    pub pending_out: bool,
    /// A request of the contact is approved before it comes, until the user says otherwise
    /// (`approved='true'`, RFC 6121 section 3.4).
    pub approved: bool,
}

impl Relation {
    /// As the `subscription` attribute says it.
    pub fn subscription(self) -> Subscription {
        match (self.to, self.from) {
            (false, false) => Subscription::None,
            (true, false) => Subscription::To,
            (false, true) => Subscription::From,
            (true, true) => Subscription::Both,
        }
    }
}

/// What one stanza does on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub relation: Relation,
    /// A request of the contact waits for the user's answer after this.
    pub pending_in: bool,
    /// Outbound: passed on to the contact. Inbound: shown to the user.
    pub pass: bool,
}

/// A stanza that the user sends to the contact (RFC 6121 appendix A.2).
pub fn outbound(relation: Relation, pending_in: bool, stanza: SubscriptionRequest) -> Change {
    let mut next = relation;
    match stanza {
        // A.2.1: always routed; only a user who does not see the contact yet becomes "pending out".
        SubscriptionRequest::Subscribe => {
            next.pending_out = !relation.to;
            Change {
                relation: next,
                pending_in,
                pass: true,
            }
        }
        // A.2.2: always routed.
        SubscriptionRequest::Unsubscribe => {
            next.to = false;
            next.pending_out = false;
            Change {
                relation: next,
                pending_in,
                pass: true,
            }
        }
        // A.2.3: routed only as the answer to a request. What answers none approves one that is to
        // come (section 3.4.2, rules 3 and 4), unless the contact sees the user already (rule 1).
        SubscriptionRequest::Subscribed => {
            next.from = relation.from || pending_in;
            next.approved = relation.approved || !next.from;
            Change {
                relation: next,
                pending_in: false,
                pass: pending_in,
            }
        }
        // A.2.4: routed where it ends or refuses something. An approval in advance ends here
        // (section 3.2.2, rule 2).
        SubscriptionRequest::Unsubscribed => {
            next.from = false;
            next.approved = false;
            Change {
                relation: next,
                pending_in: false,
                pass: pending_in || relation.from,
            }
        }
    }
}

/// What an inbound stanza asks of the side that receives it, besides the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    pub change: Change,
    /// The server answers in the user's name: "subscribed" to one who sees the user already or
    /// need not be shown to the user (A.3.1), "unsubscribed" to one who stops seeing (A.3.2).
    pub answer: Option<SubscriptionRequest>,
}

/// A stanza that the contact sent and the user receives (RFC 6121 appendix A.3). `authorises`: the
/// user's provider answers requests of this contact without asking the user (section 3.1.3, rule
/// 1c).
pub fn inbound(
    relation: Relation,
    pending_in: bool,
    stanza: SubscriptionRequest,
    authorises: bool,
) -> Received {
    let mut next = relation;
    let mut answer = None;
    let (pending_in, pass) = match stanza {
        // A.3.1. An approval that was noted stays noted (section 3.4.2, first note).
        SubscriptionRequest::Subscribe => {
            let is_granted = relation.from || relation.approved || authorises;
            next.from = is_granted;
            answer = is_granted.then_some(SubscriptionRequest::Subscribed);
            (!is_granted, !is_granted && !pending_in)
        }
        // A.3.2
        SubscriptionRequest::Unsubscribe => {
            let ends = relation.from || pending_in;
            next.from = false;
            answer = ends.then_some(SubscriptionRequest::Unsubscribed);
            (false, ends)
        }
        // A.3.3: only what was asked for changes anything.
        SubscriptionRequest::Subscribed => {
            let asked = relation.pending_out && !relation.to;
            next.to = relation.to || asked;
            next.pending_out = false;
            (pending_in, asked)
        }
        // A.3.4
        SubscriptionRequest::Unsubscribed => {
            let ends = relation.to || relation.pending_out;
            next.to = false;
            next.pending_out = false;
            (pending_in, ends)
        }
    };
    let change = Change {
        relation: next,
        pending_in,
        pass,
    };
    Received { change, answer }
}

#[cfg(test)]
#[path = "subscription_test.rs"]
mod tests;
