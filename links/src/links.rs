//! All connections to all other nodes: the handle that others hold, and the two futures that do the
//! work, one for each lane. Not for what is said: see `peers`.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::ids::{Incarnation, NodeId};
use pollux_domain::limits;
use pollux_domain::seams::Ambient;
use pollux_domain::version::Build;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use crate::accept;
use crate::credentials::{Credentials, Held};
use crate::dial::{self, dial};
use crate::hello::{Hello, Identity, Life, Purpose};
use crate::in_use::InUse;
use crate::join::Admission;
use crate::moved;
use crate::net::{Listener, LocalFuture, Net, Socket, Travelling};
use crate::peer::{Peer, PeerAddress, minute_passed};
use crate::peers::{Answer, Desks, Lane, LinkError, Peers, Topic, Visits};
use crate::refusal::{Reason, Refusal};
use crate::rows::PeerRow;
use crate::security::{Security, Trusted};
use crate::visit::Visitors;

/// What links are made of.
pub struct LinkParts {
    pub identity: Identity,
    pub build: Build,
    pub in_use: InUse,
    /// `host:port` at which others reach this node, which it says to who does not call; none: it
    /// does not move.
    pub address: Option<String>,
    pub security: Security,
    pub net: Arc<dyn Net>,
    pub ambient: Ambient,
    pub desks: Arc<Desks>,
    pub visitors: Arc<dyn Visitors>,
}

/// The connections to all other nodes. Cheap to clone; may be used from any thread.
#[derive(Clone)]
pub struct Links {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub identity: Identity,
    pub build: Build,
    pub in_use: InUse,
    pub address: Option<String>,
    pub life: Life,
    pub security: Security,
    pub net: Arc<dyn Net>,
    pub ambient: Ambient,
    pub desks: Arc<Desks>,
    pub visitors: Arc<dyn Visitors>,
    admission: RwLock<Option<Arc<dyn Admission>>>,
    pub visits: Arc<AtomicUsize>,
    pub joins: Arc<AtomicUsize>,
    peers: RwLock<BTreeMap<NodeId, Arc<Peer>>>,
    topology: watch::Sender<u64>,
    pub arrivals: mpsc::Sender<Arrival>,
    arrived: Mutex<Option<mpsc::Receiver<Arrival>>>,
    strangers: Mutex<Strangers>,
    /// Whether there are to be connections at all.
    is_open: watch::Sender<bool>,
    port: watch::Sender<PortState>,
}

/// What has become of the port between nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortState {
    Closed,
    Open,
    /// Why not.
    Failed(String),
}

/// A connection of the control lane on its way to the thread of that lane.
pub(crate) struct Arrival {
    pub hello: Hello,
    pub socket: Box<dyn Travelling>,
    pub trusted: Trusted,
}

/// Who was refused and has no place in the topology.
#[derive(Default)]
struct Strangers {
    logged: BTreeMap<NodeId, Reason>,
    grumbled: Option<Duration>,
}

/// Strangers whose last refusal is remembered; of more the log hears nothing.
const STRANGERS_LOGGED_MAX: usize = 64;
/// Control connections on their way between the two threads; then the acceptor waits.
const ARRIVALS: usize = 64;
/// What to do about a node of the cluster that is not understood.
const GARBLED: &str = "bring both nodes to one release; if they are, look for a fault of the \
                       network or the memory of either machine";
/// Before the port is tried again that could not be had.
const PORT_PAUSE: Duration = Duration::from_secs(1);
/// After a failure to accept (no more files), before the next attempt.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Links {
    pub fn new(parts: LinkParts) -> Links {
        let life = Life(parts.ambient.rand.token());
        let (arrivals, arrived) = mpsc::channel(ARRIVALS);
        let inner = Inner {
            identity: parts.identity,
            build: parts.build,
            in_use: parts.in_use,
            address: parts.address,
            life,
            security: parts.security,
            net: parts.net,
            ambient: parts.ambient,
            desks: parts.desks,
            visitors: parts.visitors,
            admission: RwLock::default(),
            visits: Arc::default(),
            joins: Arc::default(),
            peers: RwLock::default(),
            topology: watch::Sender::new(0),
            arrivals,
            arrived: Mutex::new(Some(arrived)),
            strangers: Mutex::default(),
            is_open: watch::Sender::new(true),
            port: watch::Sender::new(PortState::Closed),
        };
        Links {
            inner: Arc::new(inner),
        }
    }

    /// The whole topology; this node may stand in it. Who is not named is hung up and refused, who
    /// has moved is called at the new address.
    pub fn set_peers(&self, addresses: Vec<PeerAddress>) {
        let own = self.inner.identity.node;
        let mut peers = self
            .inner
            .peers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *peers);
        for address in addresses.into_iter().filter(|address| address.node != own) {
            let kept = before.remove(&address.node).filter(|peer| {
                peer.is_at(&address) || {
                    peer.remove();
                    false
                }
            });
            let peer = kept.unwrap_or_else(|| Peer::new(address));
            if let Some(twice) = peers.insert(peer.node(), peer) {
                twice.remove();
            }
        }
        before.values().for_each(|peer| peer.remove());
        drop(peers);
        self.inner.topology.send_modify(|changes| *changes += 1);
    }

    /// Opens the way for nodes that join with a token; without, they are refused.
    pub fn set_admission(&self, admission: Arc<dyn Admission>) {
        let mut open = self
            .inner
            .admission
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *open = Some(admission);
    }

    /// Shows and believes this from now on. When an authority is not believed any more, lanes are
    /// made anew, and those that are not are hung up.
    pub fn hold(&self, credentials: &Credentials) -> Result<(), rustls::Error> {
        self.inner.security.hold(credentials)
    }

    /// What is shown and believed; none in plaintext.
    pub fn held(&self) -> Option<Held> {
        self.inner.security.held()
    }

    /// What an operator sees, by node.
    pub fn rows(&self) -> Vec<PeerRow> {
        let now = self.inner.ambient.clock.now();
        self.inner.all().iter().map(|peer| peer.row(now)).collect()
    }

    pub fn is_connected(&self, node: NodeId, lane: Lane) -> bool {
        let peer = self.inner.peer(node);
        peer.is_some_and(|peer| peer.link(lane).is_some())
    }

    // === closed and open ===

    /// Nodes are called and taken from now on.
    pub fn open(&self) {
        self.inner.is_open.send_replace(true);
    }

    /// All connections end, the port is let go of.
    pub fn close(&self) {
        self.inner.is_open.send_replace(false);
    }

    pub fn is_open(&self) -> bool {
        *self.inner.is_open.borrow()
    }

    /// What becomes of the port.
    pub fn port(&self) -> watch::Receiver<PortState> {
        self.inner.port.subscribe()
    }

    /// Resolves when there are to be connections.
    async fn opens(&self) {
        let mut is_open = self.inner.is_open.subscribe();
        // The sender is `self`: it cannot be gone before.
        let _always = is_open.wait_for(|is_open| *is_open).await;
    }

    async fn closes(&self) {
        let mut is_open = self.inner.is_open.subscribe();
        let _always = is_open.wait_for(|is_open| !*is_open).await;
    }

    /// Works on the bulk lane while there are to be connections: opens the port each time anew.
    /// `first` is the port where it is open already. Belongs on a `LocalSet`.
    pub async fn keep_bulk(&self, first: Option<Box<dyn Listener>>, address: SocketAddr) {
        let mut first = first;
        loop {
            self.opens().await;
            let listener = match first.take() {
                Some(listener) => Ok(listener),
                None => self.inner.net.listen(address).await,
            };
            match listener {
                Ok(listener) => self.run_bulk(listener).await,
                Err(error) => {
                    let text = format!(
                        "failed to listen on {address}: {error}; see which program has the port"
                    );
                    self.inner.port.send_replace(PortState::Failed(text));
                    tokio::time::sleep(PORT_PAUSE).await;
                }
            }
        }
    }

    /// Clients of other nodes that are relayed to this one now.
    pub fn visit_count(&self) -> usize {
        self.inner.visits.load(Ordering::Relaxed)
    }

    /// Works on the control lane until it is dropped, while there are to be connections. Belongs on
    /// a `LocalSet` of a thread on which nothing else runs; may run once.
    pub async fn run_control(&self) {
        let Some(mut arrived) = self.inner.take_arrived() else {
            tracing::error!("the control lane runs already");
            return;
        };
        let mut topology = self.inner.topology.subscribe();
        let mut tasks = JoinSet::new();
        loop {
            self.opens().await;
            self.dial_all(Lane::Control, &mut tasks);
            tokio::select! {
                biased;
                () = self.closes() => tasks.shutdown().await,
                Some(ended) = tasks.join_next() => report(ended),
                _changed = topology.changed() => {}
                Some(arrival) = arrived.recv() => {
                    tasks.spawn_local(accept::control(self.inner.clone(), arrival));
                }
            }
        }
    }

    /// Works on the bulk lane, and accepts for both, until it is dropped or the links are closed.
    /// Belongs on a `LocalSet`.
    pub async fn run_bulk(&self, mut listener: Box<dyn Listener>) {
        self.inner.port.send_replace(PortState::Open);
        let mut topology = self.inner.topology.subscribe();
        let mut tasks = JoinSet::new();
        let strangers = Arc::new(AtomicUsize::new(0));
        tasks.spawn_local(moved::announce(self.inner.clone()));
        loop {
            self.dial_all(Lane::Bulk, &mut tasks);
            tokio::select! {
                biased;
                () = self.closes() => break,
                Some(ended) = tasks.join_next() => report(ended),
                _changed = topology.changed() => {}
                accepted = listener.accept() => match accepted {
                    Ok((socket, from)) => {
                        self.greet(socket, from, &strangers, &mut tasks);
                    }
                    Err(error) => {
                        tracing::debug!(%error, "accepting a connection between nodes failed");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        tasks.shutdown().await;
        drop(listener);
        self.inner.port.send_replace(PortState::Closed);
    }

    fn greet(
        &self,
        socket: Box<dyn Socket>,
        from: SocketAddr,
        strangers: &Arc<AtomicUsize>,
        tasks: &mut JoinSet<()>,
    ) {
        match Place::take(strangers, limits::LINK_STRANGERS_MAX) {
            Some(place) => {
                tasks.spawn_local(accept::greet(self.inner.clone(), socket, from, place));
            }
            None => self.inner.crowded(from),
        }
    }

    /// One caller for each node that this one dials, also where one has died.
    fn dial_all(&self, lane: Lane, tasks: &mut JoinSet<()>) {
        for peer in self.inner.all() {
            let ours = self.inner.identity.node < peer.node();
            if ours && !peer.dialling[lane.index()].swap(true, Ordering::Relaxed) {
                tasks.spawn_local(dial(self.inner.clone(), peer, lane));
            }
        }
    }

    /// Opens a stream of its own to another node, for a client that is relayed. On the caller's
    /// thread; `header` says there what it is about.
    pub async fn visit(&self, to: NodeId, header: Bytes) -> io::Result<Box<dyn Socket>> {
        if !self.is_open() {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the links are stopped",
            ));
        }
        dial::visit(&self.inner, to, header).await
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection to another node has failed");
    }
}

impl Peers for Links {
    fn tell(&self, to: NodeId, lane: Lane, topic: Topic, body: Bytes) -> Result<(), LinkError> {
        let peer = self.inner.peer(to);
        let link = peer.and_then(|peer| peer.link(lane));
        link.ok_or(LinkError::NotConnected(to))?.tell(topic, body)
    }

    fn ask(&self, to: NodeId, lane: Lane, topic: Topic, body: Bytes) -> Answer {
        match self.inner.peer(to).and_then(|peer| peer.link(lane)) {
            Some(link) => link.ask(topic, body),
            None => Box::pin(async move { Err(LinkError::NotConnected(to)) }),
        }
    }

    fn is_connected(&self, to: NodeId, lane: Lane) -> bool {
        Links::is_connected(self, to, lane)
    }
}

impl Visits for Links {
    fn visit(&self, to: NodeId, header: Bytes) -> LocalFuture<'_, io::Result<Box<dyn Socket>>> {
        Box::pin(Links::visit(self, to, header))
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Links").field(&self.inner.identity).finish()
    }
}

impl Inner {
    pub fn peer(&self, node: NodeId) -> Option<Arc<Peer>> {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        peers.get(&node).cloned()
    }

    pub fn all(&self) -> Vec<Arc<Peer>> {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        peers.values().cloned().collect()
    }

    fn take_arrived(&self) -> Option<mpsc::Receiver<Arrival>> {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.take()
    }

    pub fn admission(&self) -> Option<Arc<dyn Admission>> {
        let open = self
            .admission
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        open.clone()
    }

    pub fn place(&self, node: NodeId) -> Option<Option<Incarnation>> {
        self.peer(node).map(|peer| peer.address.incarnation)
    }

    pub fn hello(&self, purpose: Purpose, to: NodeId) -> Hello {
        Hello {
            identity: self.identity,
            to,
            life: self.life,
            purpose,
            build: self.build.clone(),
            in_use: self.in_use.get(),
        }
    }

    /// Notes a refusal of either side, and warns once for each change of the reason.
    pub fn refused(&self, node: Option<NodeId>, refusal: &Refusal) {
        self.refused_at(node, None, refusal);
    }

    /// As `refused`. `from`: where somebody called from who has not said who it is.
    pub fn refused_at(&self, node: Option<NodeId>, from: Option<SocketAddr>, refusal: &Refusal) {
        let (reason, text, advice) = (refusal.reason, &refusal.text, refusal.reason.advice());
        let known = node.and_then(|node| self.peer(node));
        let news = match (known, node) {
            (Some(peer), _) => peer.refused(refusal),
            (None, Some(node)) => self.refused_stranger(node, reason),
            (None, None) => self.grumble(),
        };
        let (node, from) = (node.map(|node| node.0), from.map(tracing::field::display));
        if news {
            tracing::warn!(
                node,
                from,
                %reason,
                text,
                advice,
                "a connection between nodes was refused"
            );
        } else {
            tracing::debug!(node, from, %reason, text, "a connection between nodes was refused");
        }
    }

    fn refused_stranger(&self, node: NodeId, reason: Reason) -> bool {
        let mut strangers = self
            .strangers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let logged = &mut strangers.logged;
        let room = logged.len() < STRANGERS_LOGGED_MAX || logged.contains_key(&node);
        room && logged.insert(node, reason) != Some(reason)
    }

    /// Something came that is no frame.
    pub fn garbage(&self, node: Option<NodeId>, lane: Option<Lane>, text: &str) {
        self.garbage_at(node, lane, None, text);
    }

    /// As `garbage`. `from`: where somebody called from who has not said who it is.
    pub fn garbage_at(
        &self,
        node: Option<NodeId>,
        lane: Option<Lane>,
        from: Option<SocketAddr>,
        text: &str,
    ) {
        let news = match node.and_then(|node| self.peer(node)) {
            Some(peer) => peer.garbage(lane, self.ambient.clock.now()),
            None => self.grumble(),
        };
        // Whoever has shown a certificate of the cluster is a node.
        let advice = match node {
            Some(_) => GARBLED,
            None => Reason::NotUnderstood.advice(),
        };
        let (node, from) = (node.map(|node| node.0), from.map(tracing::field::display));
        tracing::debug!(
            node,
            from,
            text,
            "what came between nodes was not understood"
        );
        if news {
            tracing::warn!(
                node,
                from,
                text,
                advice,
                "what comes between nodes is not understood"
            );
        }
    }

    /// A connection is closed, for too many others have not said who they are.
    fn crowded(&self, from: SocketAddr) {
        let advice = Reason::NotUnderstood.advice();
        let most = limits::LINK_STRANGERS_MAX;
        tracing::debug!(%from, most, "too many strangers at the port between nodes");
        if self.grumble() {
            tracing::warn!(%from, most, advice, "too many strangers at the port between nodes");
        }
    }

    /// Whether strangers are to be named in the log: once a minute.
    fn grumble(&self) -> bool {
        let mut strangers = self
            .strangers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        minute_passed(&mut strangers.grumbled, self.ambient.clock.now())
    }
}

/// One of a bounded number of places; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Place {
    pub fn take(places: &Arc<AtomicUsize>, max: usize) -> Option<Place> {
        let before = places.fetch_add(1, Ordering::Relaxed);
        let place = Place(places.clone());
        (before < max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let places = Arc::default();
        let (one, two) = (Place::take(&places, 2), Place::take(&places, 2));
        assert!(one.is_some() && two.is_some());
        assert!(Place::take(&places, 2).is_none());
        drop(one);
        assert!(Place::take(&places, 2).is_some());
    }
}
