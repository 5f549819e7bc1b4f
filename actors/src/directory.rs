//! The sessions that have a stream on this node, by their number. Written by the sessions
//! themselves as they come and go; read by the router and by the group's outlet. Not for who is
//! signed in: the database knows that.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use actix::Addr;
use pollux_domain::contract::Effect;
use pollux_domain::ids::{Life, NodeId, SessionId};
use pollux_raft::duty::Streams;
use pollux_raft::group::Outlet;
use tokio::sync::{Notify, watch};

use crate::inbox::Inbox;
use crate::session::Session;

/// See the module.
#[derive(Debug)]
pub struct Directory {
    node: NodeId,
    life: Life,
    /// How often the table of who serves whom has changed.
    serving: watch::Sender<u64>,
    /// There is more to tell another group.
    outbox: Notify,
    /// Another group asks about a user.
    inquiries: Notify,
    inboxes: RwLock<BTreeMap<SessionId, Arc<Inbox>>>,
    /// Where the actors can be asked what they are.
    addresses: RwLock<BTreeMap<SessionId, Addr<Session>>>,
}

impl Directory {
    pub fn new(node: NodeId, life: Life) -> Directory {
        Directory {
            node,
            life,
            serving: watch::Sender::new(0),
            outbox: Notify::new(),
            inquiries: Notify::new(),
            inboxes: RwLock::default(),
            addresses: RwLock::default(),
        }
    }

    /// Changes whenever somebody else serves the users of a home.
    pub fn serving(&self) -> watch::Receiver<u64> {
        self.serving.subscribe()
    }

    /// Resolves when there is more to tell another group.
    pub async fn outbox_growth(&self) {
        self.outbox.notified().await;
    }

    /// Resolves when another group asks about a user.
    pub async fn inquiry(&self) {
        self.inquiries.notified().await;
    }

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

impl Streams for Directory {
    fn wake(&self, home: NodeId) {
        let inboxes = self.inboxes.read().unwrap_or_else(PoisonError::into_inner);
        for inbox in inboxes.values().filter(|inbox| inbox.home() == home) {
            inbox.wake();
        }
        drop(inboxes);
        self.serving.send_modify(|version| *version += 1);
    }

    fn cut(&self, home: NodeId) {
        let inboxes = self.inboxes.read().unwrap_or_else(PoisonError::into_inner);
        for inbox in inboxes.values().filter(|inbox| inbox.home() == home) {
            inbox.cut();
        }
    }

    fn move_on(&self, home: NodeId) -> usize {
        let inboxes = self.inboxes.read().unwrap_or_else(PoisonError::into_inner);
        let concerned = inboxes.values().filter(|inbox| inbox.home() == home);
        concerned.map(|inbox| inbox.move_on()).count()
    }
}

impl Outlet<Effect> for Directory {
    /// Each session that is concerned is woken once, after all that concerns it is there.
    fn take(&self, effects: Vec<Effect>) {
        let mut touched: Vec<Arc<Inbox>> = Vec::new();
        let inboxes = self.inboxes.read().unwrap_or_else(PoisonError::into_inner);
        let mut served_anew = false;
        for effect in effects {
            if let Effect::Serving {
                home, node, life, ..
            } = effect
            {
                served_anew = true;
                // The streams of an older epoch are over; the database has detached their sessions.
                let older = inboxes.values().filter(|inbox| inbox.home() == home);
                older.for_each(|inbox| inbox.cut());
                let mine = (node, life) == (self.node, self.life);
                tracing::info!(%home, %node, mine, "home is served anew");
                continue;
            }
            if let Effect::OutboxGrew { .. } = effect {
                self.outbox.notify_one();
                continue;
            }
            if let Effect::Inquired { .. } = effect {
                self.inquiries.notify_one();
                continue;
            }
            let Some(inbox) = effect.session().and_then(|session| inboxes.get(&session)) else {
                continue;
            };
            if inbox.put(effect) {
                touched.push(inbox.clone());
            }
        }
        drop(inboxes);
        if served_anew {
            self.serving.send_modify(|version| *version += 1);
        }
        touched.sort_unstable_by_key(|inbox| inbox.session());
        touched.dedup_by_key(|inbox| inbox.session());
        for inbox in touched {
            inbox.wake();
        }
    }
    /// Effects were missed: every stream begins afresh, from the database.
    fn replaced(&self) {
        let inboxes = self.inboxes.read().unwrap_or_else(PoisonError::into_inner);
        inboxes.values().for_each(|inbox| inbox.cut());
        drop(inboxes);
        self.serving.send_modify(|version| *version += 1);
    }
}
