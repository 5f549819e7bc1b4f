//! A port for clients as a service: opened at a door, closed, and called by the node itself to see
//! whether somebody is taken there. Its streams are none of its own: they go on when it is closed.
//! Not for what a stream is: see `stream`.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use pollux_links::call::Call;
use pollux_links::net::Net;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::{Doing, Driver};
use crate::node::{Listening, Node};
use crate::stream::{self, Entrance};

/// A port that takes nobody for so long is down. A node under load takes many in that time, and
/// then whoever they are shows that it works.
const LIMIT: Duration = Duration::from_secs(3);
/// For the door to let go of a port.
const CLOSING: Duration = Duration::from_secs(5);

/// What whoever accepts and whoever looks after it share.
#[derive(Debug, Default)]
pub struct Port {
    closes: Notify,
    accepted: AtomicU64,
    /// Calls of the node itself, by where they come from.
    calls: Mutex<BTreeMap<SocketAddr, oneshot::Sender<()>>>,
}

impl Port {
    fn calls(&self) -> std::sync::MutexGuard<'_, BTreeMap<SocketAddr, oneshot::Sender<()>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when it is to be closed.
    pub(crate) async fn closes(&self) {
        self.closes.notified().await;
    }

    /// Somebody was taken. Whether it is a client: else it was the node itself.
    pub(crate) fn took(&self, peer: SocketAddr) -> bool {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        match self.calls().remove(&peer) {
            Some(told) => {
                let _late = told.send(());
                false
            }
            None => true,
        }
    }

    async fn look(&self, address: SocketAddr) -> Result<(), String> {
        let failed = |error: io::Error| {
            format!("the node does not reach its own port at {address}: {error}")
        };
        let call = Call::prepare(address).map_err(failed)?;
        let from = call.address().map_err(failed)?;
        let before = self.accepted.load(Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        self.calls().insert(from, tell);
        let looked = timeout(LIMIT, async {
            let _connected = call.connect().await.map_err(failed)?;
            let _taken = told.await;
            Ok(())
        });
        let looked = looked.await;
        self.calls().remove(&from);
        match looked {
            Ok(looked) => looked,
            // Others stand before it.
            Err(_late) if before < self.accepted.load(Ordering::Relaxed) => Ok(()),
            Err(_late) => Err(format!(
                "nobody has been taken at {address} for {} s",
                LIMIT.as_secs()
            )),
        }
    }
}

/// One that is open.
struct Open {
    port: Arc<Port>,
    address: SocketAddr,
    closed: oneshot::Receiver<()>,
}

/// See the module.
pub struct ClientPort {
    node: Weak<Node>,
    net: Arc<dyn Net>,
    entrance: Entrance,
    /// As it was opened first: port 0 is another one each time.
    address: Mutex<SocketAddr>,
    open: Mutex<Option<Open>>,
}

impl ClientPort {
    pub fn new(
        node: &Arc<Node>,
        net: Arc<dyn Net>,
        entrance: Entrance,
        address: SocketAddr,
    ) -> ClientPort {
        ClientPort {
            node: Arc::downgrade(node),
            net,
            entrance,
            address: Mutex::new(address),
            open: Mutex::default(),
        }
    }

    fn open_port(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Clients are taken when this returns. Where.
    pub async fn open(&self) -> io::Result<SocketAddr> {
        self.close().await;
        let node = self.node.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        let wanted = *self.address.lock().unwrap_or_else(PoisonError::into_inner);
        let (tell, told) = oneshot::channel();
        let (done, closed) = oneshot::channel();
        let port = Arc::new(Port::default());
        let (net, served, entrance, opened) =
            (self.net.clone(), node.clone(), self.entrance, port.clone());
        let job = move || {
            tokio::task::spawn_local(async move {
                let listener = net.listen(wanted).await;
                let listener = listener.and_then(|one| Ok((one.local_address()?, one)));
                match listener {
                    Ok((bound, listener)) => {
                        let _gone = tell.send(Ok(bound));
                        stream::serve_port(served, listener, entrance, &opened).await;
                        let _gone = done.send(());
                    }
                    Err(error) => {
                        let _gone = tell.send(Err(error));
                    }
                }
            });
        };
        node.placement.receive(0, Box::new(job));
        let bound = told
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = bound;
        self.announce(&node, Some(bound));
        *self.open_port() = Some(Open {
            port,
            address: bound,
            closed,
        });
        Ok(bound)
    }

    /// Nobody is taken any more when this returns.
    async fn close(&self) {
        let Some(open) = self.open_port().take() else {
            return;
        };
        if let Some(node) = self.node.upgrade() {
            self.announce(&node, None);
        }
        open.port.closes.notify_one();
        if timeout(CLOSING, open.closed).await.is_err() {
            tracing::warn!(address = %open.address, "client port is slow to close");
        }
    }

    /// Says where clients are taken, or that they are not.
    fn announce(&self, node: &Node, bound: Option<SocketAddr>) {
        let protocol = self.entrance.protocol();
        let listeners = node.listeners.lock();
        let mut listeners = listeners.unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listening| listening.protocol != protocol);
        listeners.extend(bound.map(|address| Listening { protocol, address }));
        listeners.sort_by_key(|listening| listening.protocol);
    }
}

impl Driver for ClientPort {
    fn start(&self) -> Doing<'_, Result<(), String>> {
        Box::pin(async {
            let wanted = *self.address.lock().unwrap_or_else(PoisonError::into_inner);
            let opened = self.open().await;
            let bound = opened.map_err(|error| {
                format!(
                    "failed to listen on {wanted}: {error}; see which program has the port, or \
                     whether the address is gone"
                )
            })?;
            tracing::info!(address = %bound, "client port is open again");
            Ok(())
        })
    }

    fn stop(&self) -> Doing<'_, ()> {
        Box::pin(self.close())
    }

    fn check(&self) -> Doing<'_, Result<(), String>> {
        Box::pin(async {
            let open = self.open_port().as_mut().map(|open| {
                let is_over = open.closed.try_recv() != Err(oneshot::error::TryRecvError::Empty);
                (open.port.clone(), open.address, is_over)
            });
            match open {
                Some((port, address, false)) => port.look(address).await,
                Some((_, address, true)) => {
                    Err(format!("nobody takes clients at {address} any more"))
                }
                None => Err("the port is closed".to_owned()),
            }
        })
    }
}
