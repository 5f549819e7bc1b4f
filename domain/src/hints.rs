//! What a stanza says of its own handling, as far as it matters where it goes: read once where it
//! comes in, and carried beside its bytes. Not for reading it: that is the wire's.

use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hints {
    /// It has a body: somebody says something, and has a device in the hand (RFC 6121 section
    /// 5.2.3).
    pub speaks: bool,
    /// Nothing but a state of the conversation (XEP-0085), which means nothing later: XEP-0160
    /// section 3.
    pub fleeting: bool,
    /// It is not to be kept for later (XEP-0334 `<no-store/>`).
    pub no_store: bool,
    /// No other device is to get a copy (XEP-0334 `<no-copy/>`, XEP-0280 `<private/>`).
    pub no_copy: bool,
    /// It belongs to a conversation without saying anything: a receipt, a marker, a state, an
    /// invitation to a room.
    pub talk: bool,
    /// It comes from a room or concerns one (XEP-0045 `<x/>` of `muc#user`).
    pub room: bool,
    /// A request whose answer only those may have who see the user (XEP-0012 section 4).
    pub needs_sight: bool,
}
