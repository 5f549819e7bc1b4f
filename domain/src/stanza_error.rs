//! Why a stanza is refused: the conditions of RFC 6120 section 8.3.3 that rules of the domain
//! decide on.

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
}
