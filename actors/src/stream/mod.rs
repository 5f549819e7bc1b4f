//! Streams until they have a session: accept, header, TLS, SASL (`negotiate`), then on the
//! user's arbiter bind or resume (`bind`). Straight-line code, bounded in bytes, elements and time.
//! Not for sessions.

mod accept;
mod bind;
pub mod certificate;
pub mod claims;
mod negotiate;
mod relay;
pub mod strangers;
mod wire;

pub use accept::{Entrance, serve};
pub use relay::arrive;

use pollux_domain::ids::SessionId;

use crate::node::hex;

/// What a client resumes by: the session's number and its secret token.
pub(crate) fn resume_id(session: SessionId, token: &[u8; 16]) -> String {
    format!("{}-{}", session.0, hex(token))
}
