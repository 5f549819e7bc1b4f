//! Who signs in and how: the settings of a client, shared by many. Decides nothing.

use std::rc::Rc;
use std::time::Duration;

use super::keys::KeyCache;
use super::scram::Mechanism;
use super::tls::Tls;

#[derive(Clone)]
pub struct Account {
    pub user: String,
    pub domain: String,
    pub password: String,
    /// The resource to ask for; the server chooses where it is empty.
    pub resource: String,
}

impl Account {
    pub fn bare_jid(&self) -> String {
        format!("{}@{}", self.user, self.domain)
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({}/{})", self.bare_jid(), self.resource)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamManagement {
    Off,
    /// Acknowledgements, but a lost connection is a lost session.
    Acknowledged,
    Resumable,
}

#[derive(Debug, Clone)]
pub struct Options {
    pub tls: Tls,
    /// The only mechanism to use; the strongest one offered where there is none.
    pub mechanism: Option<Mechanism>,
    pub stream_management: StreamManagement,
    /// Asks for an acknowledgement after this many stanzas; never by itself where it is 0.
    pub request_every: u32,
    /// Answers pings and roster pushes and refuses other requests; the caller sees them all the
    /// same.
    pub answer_requests: bool,
    /// How long the whole negotiation, or a closing, may take.
    pub timeout: Duration,
    pub keys: KeyCache,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            tls: Tls::Never,
            mechanism: None,
            stream_management: StreamManagement::Resumable,
            request_every: 1,
            answer_requests: true,
            timeout: Duration::from_secs(30),
            keys: KeyCache::default(),
        }
    }
}

impl Options {
    pub fn shared(self) -> Rc<Self> {
        Rc::new(self)
    }
}
