//! When a user was here last, and with which words the user went (XEP-0012 section 3). Not for who
//! may know it: see `view`.

use bytes::Bytes;
use pollux_domain::ids::WallMs;
use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use serde::{Deserialize, Serialize};

use super::{State, User};

/// Of a user who has been here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSeen {
    /// When the last session ended.
    pub at: Option<WallMs>,
    /// The last presence of type unavailable that a device of the user sent, where it was short.
    pub words: Option<Bytes>,
}

/// What there is to know of a user's activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Activity {
    /// A session of the user is there, with a stream or waiting for one.
    Here,
    Gone(LastSeen),
}

impl State {
    /// XEP-0012 sections 3 and 8: only who sees the user may know. None: nobody of that name, or
    /// one whom the observer does not see.
    pub fn activity(&self, observer: &BareJid, user: &BareJid) -> Option<Activity> {
        if !self.may_see(observer, user) {
            return None;
        }
        let record = self.users.get(user)?;
        Some(match record.sessions.is_empty() {
            false => Activity::Here,
            true => Activity::Gone(record.last_seen.clone()),
        })
    }
}

impl User {
    /// A device went, by its own word or without any.
    pub(super) fn went(&mut self, words: Option<&Bytes>) {
        let short = words.filter(|words| words.len() <= limits::LAST_WORDS_BYTES_MAX);
        // A copy: the bytes are a slice of what came with them.
        self.last_seen.words = short.map(|words| Bytes::copy_from_slice(words));
    }

    pub(super) fn last_session_ended(&mut self, at: WallMs) {
        self.last_seen.at = Some(at);
    }
}
