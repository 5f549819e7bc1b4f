//! A relayed client's stream at the node it is relayed to: counted, then handed on as raw bytes.
//! Not for opening one: see `Links::visit`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use pollux_domain::ids::NodeId;
use pollux_domain::limits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::accept::welcome;
use crate::frame::Kind;
use crate::greeting;
use crate::hello::Hello;
use crate::links::{Inner, Place};
use crate::net::{Socket, Travelling};
use crate::peer::Peer;
use crate::refusal::{Reason, Refusal};

/// Takes the clients that other nodes relay. Called on the thread of the bulk lane: must not block.
pub trait Visitors: Send + Sync + 'static {
    fn arrive(&self, from: NodeId, header: Bytes, socket: Box<dyn Travelling>);
}

/// For the header to come.
const PATIENCE: Duration = Duration::from_secs(limits::LINK_HELLO_SECONDS_MAX);

pub(crate) async fn receive(inner: &Arc<Inner>, hello: Hello, mut socket: Box<dyn Socket>) {
    let node = hello.identity.node;
    let Some(place) = Place::take(&inner.visits, limits::VISITS_MAX) else {
        let text = format!(
            "node {} relays for {} clients",
            inner.identity.node,
            limits::VISITS_MAX
        );
        let refusal = Refusal::new(Reason::TooManyVisits, text);
        inner.refused(Some(node), &refusal);
        return greeting::farewell(socket, &refusal).await;
    };
    let header = greeting::receive(&mut socket, limits::VISIT_HEADER_BYTES_MAX);
    let header = match tokio::time::timeout(PATIENCE, header).await {
        Ok(Ok(frame)) if frame.kind == Kind::Header => frame.body,
        Ok(other) => {
            let text = match other {
                Ok(frame) => format!("{:?} instead of a header", frame.kind),
                Err(broken) => broken.to_string(),
            };
            inner.garbage(Some(node), None, &text);
            let refusal = Refusal::new(Reason::NotUnderstood, text);
            return greeting::farewell(socket, &refusal).await;
        }
        Err(_late) => return,
    };
    if greeting::send(&mut socket, &[welcome(inner, node)])
        .await
        .is_err()
    {
        return;
    }
    let Some(peer) = inner.peer(node) else {
        return;
    };
    let visit = Box::new(Visit {
        peer,
        place,
        socket,
    });
    if let Ok(travelling) = visit.depart() {
        inner.visitors.arrive(node, header, travelling);
    }
}

/// A visit's socket, which holds its place among the visits. It breaks at the next read or write
/// after the node it comes from has lost its place.
struct Visit<S: ?Sized> {
    peer: Arc<Peer>,
    place: Place,
    socket: Box<S>,
}

impl<S: ?Sized> Visit<S> {
    fn check(&self) -> io::Result<()> {
        if self.peer.is_removed() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl Socket for Visit<dyn Socket> {
    fn depart(self: Box<Self>) -> io::Result<Box<dyn Travelling>> {
        let parted: Box<dyn Travelling> = Box::new(Visit {
            socket: self.socket.depart()?,
            peer: self.peer,
            place: self.place,
        });
        Ok(parted)
    }
}

impl Travelling for Visit<dyn Travelling> {
    fn arrive(self: Box<Self>) -> io::Result<Box<dyn Socket>> {
        let socket: Box<dyn Socket> = Box::new(Visit {
            socket: self.socket.arrive()?,
            peer: self.peer,
            place: self.place,
        });
        Ok(socket)
    }
}

impl AsyncRead for Visit<dyn Socket> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Visit<dyn Socket> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use pollux_domain::ids::{ClusterId, Incarnation};
    use pollux_domain::version::{Build, Formats};
    use tokio::task::LocalSet;

    use super::*;
    use crate::hello::{Identity, Purpose};
    use crate::links::{LinkParts, Links};
    use crate::net::{Net, SystemNet};
    use crate::security::Security;
    use crate::still;

    struct Nobody;

    impl Visitors for Nobody {
        fn arrive(&self, from: NodeId, _header: Bytes, _socket: Box<dyn Travelling>) {
            panic!("a visit of node {from} was taken");
        }
    }

    fn links() -> Links {
        let formats = Formats {
            oldest: 1,
            newest: 1,
        };
        Links::new(LinkParts {
            identity: Identity {
                cluster: ClusterId::default(),
                node: NodeId(1),
                incarnation: Incarnation(1),
            },
            build: Build::new("0.0.1", formats).unwrap(),
            in_use: Default::default(),
            address: None,
            security: Security::Plain,
            net: Arc::new(SystemNet),
            ambient: still::ambient(),
            desks: Arc::default(),
            visitors: Arc::new(Nobody),
        })
    }

    #[tokio::test]
    async fn one_visit_more_than_there_may_be_is_refused_by_name() {
        let links = links();
        let inner = &links.inner;
        let take = |_| Place::take(&inner.visits, limits::VISITS_MAX);
        let visits: Vec<Option<Place>> = (0..limits::VISITS_MAX).map(take).collect();
        assert!(visits.iter().all(Option::is_some));
        let within = async {
            let mut port = SystemNet.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
            let address = port.local_address().unwrap().to_string();
            let mut visitor = SystemNet.connect(&address).await.unwrap();
            let (socket, _from) = port.accept().await.unwrap();
            let hello = inner.hello(Purpose::Visit, NodeId(1));
            tokio::task::spawn_local({
                let inner = inner.clone();
                async move { receive(&inner, hello, socket).await }
            });
            greeting::receive(&mut visitor, limits::VISIT_HEADER_BYTES_MAX).await
        };
        let answer = LocalSet::new().run_until(within).await;
        let answer = answer.unwrap_or_else(|_| panic!("no answer that reads"));
        assert_eq!(answer.kind, Kind::Refusal);
        let refusal = Refusal::read(&answer.body);
        assert_eq!(refusal.reason, Reason::TooManyVisits);
        assert_eq!(refusal.text, "node 1 relays for 100000 clients");
        drop(visits);
        assert!(take(0).is_some(), "each gives its place back");
    }
}
