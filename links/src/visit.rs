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
