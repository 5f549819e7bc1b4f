//! The sessions that have a stream on this node, by their number. Written by the sessions
//! themselves as they come and go; read by the router and by the group's outlet. Not for who is
//! signed in: the database knows that.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use actix::Addr;
use pollux_domain::contract::Effect;
use pollux_domain::ids::SessionId;
use pollux_raft::group::Outlet;

use crate::inbox::Inbox;
use crate::session::Session;

/// See the module.
#[derive(Debug, Default)]
pub struct Directory {
    inboxes: RwLock<BTreeMap<SessionId, Arc<Inbox>>>,
    /// Where the actors can be asked what they are.
    addresses: RwLock<BTreeMap<SessionId, Addr<Session>>>,
}

impl Directory {
    /// The session's newest stream is served through this inbox from now on.
    pub fn enter(&self, inbox: Arc<Inbox>) {
        let mut inboxes = self.inboxes.write().unwrap_or_else(PoisonError::into_inner);
        inboxes.insert(inbox.session(), inbox);
    }

    /// Forgets this inbox; a newer one of the same session stays.
    pub fn leave(&self, inbox: &Arc<Inbox>) {
        let mut inboxes = self.inboxes.write().unwrap_or_else(PoisonError::into_inner);
        if inboxes
            .get(&inbox.session())
            .is_some_and(|known| Arc::ptr_eq(known, inbox))
        {
            inboxes.remove(&inbox.session());
            let mut addresses = self
                .addresses
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            addresses.remove(&inbox.session());
        }
    }

    /// The actor behind an inbox that has entered.
    pub fn introduce(&self, session: SessionId, address: Addr<Session>) {
        let mut addresses = self
            .addresses
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        addresses.insert(session, address);
    }

    pub fn address(&self, session: SessionId) -> Option<Addr<Session>> {
        let addresses = self
            .addresses
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        addresses.get(&session).cloned()
    }

    pub fn inbox(&self, session: SessionId) -> Option<Arc<Inbox>> {
        let inboxes = self.inboxes.read().unwrap_or_else(PoisonError::into_inner);
        inboxes.get(&session).cloned()
    }

    pub fn len(&self) -> usize {
        self.inboxes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells every session that the node stops.
    pub fn shut_down(&self) {
        let inboxes = self.inboxes.read().unwrap_or_else(PoisonError::into_inner);
        for inbox in inboxes.values() {
            inbox.shut_down();
        }
    }
}

impl Outlet<Effect> for Directory {
    /// Each session that is concerned is woken once, after all that concerns it is there.
    fn take(&self, effects: Vec<Effect>) {
        let mut touched: Vec<Arc<Inbox>> = Vec::new();
        let inboxes = self.inboxes.read().unwrap_or_else(PoisonError::into_inner);
        for effect in effects {
            let Some(inbox) = effect.session().and_then(|id| inboxes.get(&id)) else {
                continue;
            };
            inbox.put(effect);
            touched.push(inbox.clone());
        }
        drop(inboxes);
        touched.sort_unstable_by_key(|inbox| inbox.session());
        touched.dedup_by_key(|inbox| inbox.session());
        for inbox in touched {
            inbox.wake();
        }
    }
}
