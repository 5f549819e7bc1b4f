//! Who is there, what waits for whom, and where a stanza goes. Contact lists are in contacts.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::rc::Rc;
use std::sync::Arc;

use rustls::ServerConfig;

use super::accounts::Accounts;
use super::contacts::Contact;
use super::wire::Wire;
use crate::client::Seed;

/// Messages that wait for one user; the next is refused.
const OFFLINE_MAX: usize = 10_000;

pub struct Session {
    pub jid: String,
    bare: usize,
    pub wire: Rc<Wire>,
    /// Its latest availability as others are told it; none before the first.
    pub presence: RefCell<Option<Box<str>>>,
}

impl Session {
    pub fn bare(&self) -> &str {
        &self.jid[..self.bare]
    }

    pub fn is_available(&self) -> bool {
        self.presence.borrow().is_some()
    }
}

/// What is known of one user, by the bare JID.
#[derive(Default)]
pub struct Person {
    pub sessions: Vec<Rc<Session>>,
    pub offline: Vec<Box<str>>,
    pub contacts: BTreeMap<Box<str>, Contact>,
    /// Who has asked to see the user and waits for the answer.
    pub asking: BTreeSet<Box<str>>,
}

type People = HashMap<Box<str>, Person, BuildHasherDefault<DefaultHasher>>;

pub struct State {
    pub domain: String,
    pub tls: Arc<ServerConfig>,
    pub accounts: Accounts,
    pub people: RefCell<People>,
    /// Ids and nonces, which are secret from nobody here.
    pub seed: RefCell<Seed>,
}

impl State {
    pub fn new(domain: String, tls: Arc<ServerConfig>, accounts: Accounts) -> Self {
        State {
            domain,
            tls,
            accounts,
            people: RefCell::default(),
            seed: RefCell::new(Seed::new(u64::from(std::process::id()))),
        }
    }

    pub fn word(&self) -> String {
        self.seed.borrow_mut().word()
    }

    /// A new session; whoever had its resource before is cut off.
    pub fn enter(&self, user: &str, resource: &str, wire: Rc<Wire>) -> Rc<Session> {
        let bare = format!("{user}@{}", self.domain);
        let session = Rc::new(Session {
            jid: format!("{bare}/{resource}"),
            bare: bare.len(),
            wire,
            presence: RefCell::new(None),
        });
        let mut people = self.people.borrow_mut();
        let person = people.entry(bare.into()).or_default();
        person.sessions.retain(|other| {
            let stays = other.jid != session.jid;
            if !stays {
                other.wire.cut();
            }
            stays
        });
        person.sessions.push(session.clone());
        session
    }

    pub fn leave(&self, session: &Rc<Session>) {
        if session.presence.take().is_some() {
            let gone = format!("<presence from='{}' type='unavailable'/>", session.jid);
            self.announce(session, &gone);
        }
        let mut people = self.people.borrow_mut();
        if let Some(person) = people.get_mut(session.bare()) {
            person.sessions.retain(|other| !Rc::ptr_eq(other, session));
        }
    }

    /// Gives pieces to the one session, or to all that are available; how many got it.
    pub fn deliver(&self, to: &str, pieces: &[&[u8]]) -> usize {
        let (bare, resource) = to.split_once('/').unwrap_or((to, ""));
        let people = self.people.borrow();
        let Some(person) = people.get(bare) else {
            return 0;
        };
        let meant = person.sessions.iter().filter(|session| match resource {
            "" => session.is_available(),
            _ => session.jid == to,
        });
        meant.map(|session| session.wire.send(pieces)).count()
    }

    pub fn is_user(&self, bare: &str) -> bool {
        let user = bare
            .split_once('@')
            .filter(|(_, host)| *host == self.domain);
        user.is_some_and(|(user, _)| self.accounts.find(user).is_some())
    }

    /// Keeps a message until the user is there; `false` where there is no such user, or too much.
    pub fn keep(&self, bare: &str, message: String) -> bool {
        if !self.is_user(bare) {
            return false;
        }
        let mut people = self.people.borrow_mut();
        let person = people.entry(bare.into()).or_default();
        if person.offline.len() == OFFLINE_MAX {
            return false;
        }
        person.offline.push(message.into());
        true
    }
}
