//! SASL as XMPP uses it (RFC 6120 section 6, RFC 4422). Not for accounts: keys come in and a
//! decision goes out.

mod elements;
mod failure;
mod mechanism;
pub(crate) mod offer;
mod plain;
pub mod scram;
mod secret;

pub use elements::{SaslElement, Sent};
pub use failure::{SaslCondition, SaslFailure};
pub use mechanism::Mechanism;
pub use offer::{ChannelBinding, Offer};
pub use plain::PlainAuth;
pub use secret::Secret;
