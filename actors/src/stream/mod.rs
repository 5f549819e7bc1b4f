//! Streams until they have a session: accept, header, TLS (`negotiate`), SASL (`authenticate`),
//! then on the user's arbiter bind or resume, asked for at once (`inline`) or after (`bind`).
//! Straight-line code, bounded in bytes, elements and time. Not for sessions.

mod accept;
mod authenticate;
mod bind;
mod carry;
pub mod certificate;
pub mod claims;
pub mod gate;
mod guesses;
mod inline;
mod mechanisms;
mod negotiate;
mod profile;
mod register;
mod relay;
pub mod strangers;
mod upgrade;
mod wire;

pub(crate) use accept::serve_port;
pub use accept::{Entrance, serve};
pub use relay::arrive;

use pollux_domain::ids::SessionId;
use pollux_domain::limits;
use pollux_raft::state::SessionState;
use pollux_xmpp::sm::SmElement;

use crate::node::{Node, hex};

/// What a client resumes by: the session's number and its secret token.
fn resume_id(session: SessionId, token: &[u8; 16]) -> String {
    format!("{}-{}", session.0, hex(token))
}

/// What a client is told whose session has stream management from now on (XEP-0198 section 3).
pub(crate) fn enabled(node: &Node, session: SessionId, state: &SessionState) -> SmElement {
    let resumable = state.managed == Some(true);
    SmElement::Enabled {
        id: resumable.then(|| resume_id(session, &state.token).into()),
        resume: resumable,
        max_s: resumable.then_some((limits::RESUMPTION_MS / 1_000) as u32),
        location: resumable
            .then(|| node.client_address_of_twin())
            .flatten()
            .map(Into::into),
    }
}
