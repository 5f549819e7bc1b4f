//! A client that asks what a contact is shown as (RFC 6121 section 4.3). It has been told, and need
//! not ask; who asks all the same is told again. Not for who sees whom: see `State::seen_at`.

use pollux_xmpp::stanza::{PresenceType, Stanza, StanzaKind};

use super::Session;

impl Session {
    /// Nothing is said of whom the user does not see: no probe is a reason for an error.
    pub(super) fn take_probe(&mut self, stanza: &Stanza) {
        if stanza.kind != StanzaKind::Presence(PresenceType::Probe) {
            return;
        }
        let Some(to) = &stanza.to else { return };
        let user = self.jid.to_bare();
        let seen = self.node.subcluster.read(|state| state.seen_at(&user, to));
        self.news.take(seen);
    }
}
