//! The state as one serialisable value, in one order: what a snapshot holds and what `digest` sums.

use std::collections::BTreeMap;
use std::sync::Arc;

use pollux_domain::contract::{AsOf, GroupName, Parcel, Stamp};
use pollux_domain::ids::{NodeId, SessionId, StanzaId, SubclusterId};
use pollux_domain::jid::BareJid;
use pollux_domain::settings::Rules;
use pollux_domain::takeovers::Takeovers;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::sessions::expiry;
use super::{Held, Outbox, Serving, SessionState, State, Taken, User, Watched};

#[derive(Serialize, Deserialize)]
struct Image {
    stamp: Stamp,
    last_session: SessionId,
    last_stanza: StanzaId,
    serving: BTreeMap<NodeId, Serving>,
    takeovers: Takeovers,
    users: BTreeMap<BareJid, Arc<User>>,
    sessions: BTreeMap<SessionId, Arc<SessionState>>,
    name: Option<GroupName>,
    configured: AsOf,
    rules: Rules,
    foreign: BTreeMap<BareJid, SubclusterId>,
    outboxes: BTreeMap<SubclusterId, Outbox>,
    taken: BTreeMap<SubclusterId, Taken>,
    held: Option<Held>,
    watched: BTreeMap<BareJid, Arc<Watched>>,
    inquiries: BTreeMap<StanzaId, (NodeId, Arc<Parcel>)>,
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let image = Image {
            stamp: self.stamp,
            last_session: self.last_session,
            last_stanza: self.last_stanza,
            serving: self.serving.clone(),
            takeovers: self.takeovers.clone(),
            users: self
                .users
                .iter()
                .map(|(jid, user)| (jid.clone(), user.clone()))
                .collect(),
            sessions: self
                .sessions
                .iter()
                .map(|(id, session)| (*id, session.clone()))
                .collect(),
            name: self.name,
            configured: self.configured,
            rules: self.rules.clone(),
            foreign: self
                .foreign
                .iter()
                .map(|(user, home)| (user.clone(), *home))
                .collect(),
            outboxes: self.outboxes.clone(),
            taken: self.taken.clone(),
            held: self.held,
            watched: self
                .watched
                .iter()
                .map(|(user, watched)| (user.clone(), watched.clone()))
                .collect(),
            inquiries: self.inquiries.clone(),
        };
        image.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<State, D::Error> {
        let image = Image::deserialize(deserializer)?;
        let detached = image
            .sessions
            .iter()
            .filter_map(|(id, session)| session.detached.map(|since| (expiry(since), *id)));
        Ok(State {
            expiring: detached.collect(),
            stamp: image.stamp,
            last_session: image.last_session,
            last_stanza: image.last_stanza,
            serving: image.serving,
            takeovers: image.takeovers,
            users: image.users.into_iter().collect(),
            sessions: image.sessions.into_iter().collect(),
            name: image.name,
            configured: image.configured,
            rules: image.rules,
            foreign: Arc::new(image.foreign.into_iter().collect()),
            outboxes: image.outboxes,
            taken: image.taken,
            held: image.held,
            watched_bytes: image.watched.values().map(|watched| watched.weight()).sum(),
            watched: image.watched.into_iter().collect(),
            inquiries: image.inquiries,
            // Rows come with an image.
            fresh: Vec::new(),
        })
    }
}
