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
/// less "pending in", which is a request that waits (the group keeps its stanza).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// The user is told of the contact's availability.
    pub to: bool,
    /// The contact is told of the user's availability.
    pub from: bool,
    /// The user has asked and was not answered (`ask='subscribe'`).
    pub pending_out: bool,
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
        // A.2.3: routed only as the answer to a request (pre-approval is not offered).
        SubscriptionRequest::Subscribed => {
            next.from = relation.from || pending_in;
            Change {
                relation: next,
                pending_in: false,
                pass: pending_in,
            }
        }
        // A.2.4: routed where it ends or refuses something.
        SubscriptionRequest::Unsubscribed => {
            next.from = false;
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
    /// The server answers in the user's name (A.3.1: "subscribed" to one who sees the user
    /// already).
    pub answer: Option<SubscriptionRequest>,
}

/// A stanza that the contact sent and the user receives (RFC 6121 appendix A.3).
pub fn inbound(relation: Relation, pending_in: bool, stanza: SubscriptionRequest) -> Received {
    let mut next = relation;
    let change = match stanza {
        // A.3.1
        SubscriptionRequest::Subscribe if relation.from => {
            return Received {
                change: Change {
                    relation,
                    pending_in: false,
                    pass: false,
                },
                answer: Some(SubscriptionRequest::Subscribed),
            };
        }
        SubscriptionRequest::Subscribe => Change {
            relation,
            pending_in: true,
            pass: !pending_in,
        },
        // A.3.2
        SubscriptionRequest::Unsubscribe => {
            next.from = false;
            Change {
                relation: next,
                pending_in: false,
                pass: relation.from || pending_in,
            }
        }
        // A.3.3: only what was asked for changes anything.
        SubscriptionRequest::Subscribed => {
            let asked = relation.pending_out && !relation.to;
            next.to = relation.to || asked;
            next.pending_out = false;
            Change {
                relation: next,
                pending_in,
                pass: asked,
            }
        }
        // A.3.4
        SubscriptionRequest::Unsubscribed => {
            let ends = relation.to || relation.pending_out;
            next.to = false;
            next.pending_out = false;
            Change {
                relation: next,
                pending_in,
                pass: ends,
            }
        }
    };
    Received {
        change,
        answer: None,
    }
}

#[cfg(test)]
mod tests {
    use super::SubscriptionRequest::*;
    use super::*;

    /// A relation by the name that appendix A.1 gives it.
    fn state(name: &str) -> (Relation, bool) {
        let (to, from) = match name.split_whitespace().next().unwrap_or_default() {
            "To" => (true, false),
            "From" => (false, true),
            "Both" => (true, true),
            _ => (false, false),
        };
        (
            Relation {
                to,
                from,
                pending_out: name.contains("Out"),
            },
            name.contains("In"),
        )
    }

    const STATES: [&str; 9] = [
        "None",
        "None Out",
        "None In",
        "None Out In",
        "To",
        "To In",
        "From",
        "From Out",
        "Both",
    ];

    fn check(
        stanza: SubscriptionRequest,
        step: fn(Relation, bool, SubscriptionRequest) -> Change,
        table: [(&str, bool); 9],
    ) {
        for (before, (after, pass)) in STATES.iter().zip(table) {
            let (relation, pending_in) = state(before);
            let change = step(relation, pending_in, stanza);
            let got = (change.relation, change.pending_in);
            assert_eq!(
                (got, change.pass),
                (state(after), pass),
                "{stanza:?} in {before}"
            );
        }
    }

    /// RFC 6121 sections A.2.1, A.2.2, A.2.3 and A.2.4.
    #[test]
    fn outbound_follows_appendix_a_2() {
        check(
            Subscribe,
            outbound,
            [
                ("None Out", true),
                ("None Out", true),
                ("None Out In", true),
                ("None Out In", true),
                ("To", true),
                ("To In", true),
                ("From Out", true),
                ("From Out", true),
                ("Both", true),
            ],
        );
        check(
            Unsubscribe,
            outbound,
            [
                ("None", true),
                ("None", true),
                ("None In", true),
                ("None In", true),
                ("None", true),
                ("None In", true),
                ("From", true),
                ("From", true),
                ("From", true),
            ],
        );
        check(
            Subscribed,
            outbound,
            [
                ("None", false),
                ("None Out", false),
                ("From", true),
                ("From Out", true),
                ("To", false),
                ("Both", true),
                ("From", false),
                ("From Out", false),
                ("Both", false),
            ],
        );
        check(
            Unsubscribed,
            outbound,
            [
                ("None", false),
                ("None Out", false),
                ("None", true),
                ("None Out", true),
                ("To", false),
                ("To", true),
                ("None", true),
                ("None Out", true),
                ("To", true),
            ],
        );
    }

    /// RFC 6121 sections A.3.1, A.3.2, A.3.3 and A.3.4.
    #[test]
    fn inbound_follows_appendix_a_3() {
        let step = |relation, pending_in, stanza| inbound(relation, pending_in, stanza).change;
        check(
            Subscribe,
            step,
            [
                ("None In", true),
                ("None Out In", true),
                ("None In", false),
                ("None Out In", false),
                ("To In", true),
                ("To In", false),
                ("From", false),
                ("From Out", false),
                ("Both", false),
            ],
        );
        check(
            Unsubscribe,
            step,
            [
                ("None", false),
                ("None Out", false),
                ("None", true),
                ("None Out", true),
                ("To", false),
                ("To", true),
                ("None", true),
                ("None Out", true),
                ("To", true),
            ],
        );
        check(
            Subscribed,
            step,
            [
                ("None", false),
                ("To", true),
                ("None In", false),
                ("To In", true),
                ("To", false),
                ("To In", false),
                ("From", false),
                ("Both", true),
                ("Both", false),
            ],
        );
        check(
            Unsubscribed,
            step,
            [
                ("None", false),
                ("None", true),
                ("None In", false),
                ("None In", true),
                ("None", true),
                ("None In", true),
                ("From", false),
                ("From", true),
                ("From", true),
            ],
        );
    }
}
