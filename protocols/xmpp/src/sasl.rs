//! SASL as XMPP uses it (RFC 6120 section 6, RFC 4422). Not for accounts: keys come in and a
//! decision goes out.

mod elements;
mod external;
mod failure;
mod mechanism;
pub(crate) mod offer;
mod plain;
pub mod scram;
mod secret;

pub(crate) use elements::decode;
pub use elements::{SaslElement, Sent};
pub use external::chosen_address;
pub use failure::{SaslCondition, SaslFailure};
pub use mechanism::Mechanism;
pub use offer::{ChannelBinding, Offer};
pub use plain::PlainAuth;
pub use scram::prepare_name;
pub use secret::Secret;
