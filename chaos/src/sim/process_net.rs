//! Sockets as a simulated process sees them: calls to the kernel of its machine, and pipes to and
//! from it. Not for what the kernel does with them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use pollux_links::net::{Listener, LocalFuture, Net, Socket, Travelling};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::{mpsc, oneshot};

use super::kernel::Call;

/// The way to the kernel.
pub struct ProcessNet(mpsc::Sender<Call>);

impl ProcessNet {
    pub fn new(calls: mpsc::Sender<Call>) -> ProcessNet {
        ProcessNet(calls)
    }

    async fn ask<T>(&self, call: Call, answer: oneshot::Receiver<io::Result<T>>) -> io::Result<T> {
        let gone = |_| io::Error::other("the kernel is gone");
        self.0.send(call).await.map_err(|_| gone(()))?;
        answer.await.map_err(|_| gone(()))?
    }
}

impl Net for ProcessNet {
    fn listen(&self, address: SocketAddr) -> LocalFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let port = self.ask(Call::Listen { address, answer }, answered).await?;
            let listener: Box<dyn Listener> = Box::new(port);
            Ok(listener)
        })
    }

    /// A name is one of turmoil's hosts.
    fn connect<'a>(&'a self, address: &'a str) -> LocalFuture<'a, io::Result<Box<dyn Socket>>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let address = address.to_owned();
            let socket = self
                .ask(Call::Connect { address, answer }, answered)
                .await?;
            let socket: Box<dyn Socket> = Box::new(socket);
            Ok(socket)
        })
    }
}

/// A bound port, with the connections that the kernel has accepted.
pub struct Port {
    address: SocketAddr,
    waiting: mpsc::Receiver<(ProcessSocket, SocketAddr)>,
}

impl Port {
    pub fn new(address: SocketAddr, waiting: mpsc::Receiver<(ProcessSocket, SocketAddr)>) -> Port {
        Port { address, waiting }
    }
}

impl Listener for Port {
    fn local_address(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn accept(&mut self) -> LocalFuture<'_, io::Result<(Box<dyn Socket>, SocketAddr)>> {
        Box::pin(async move {
            let accepted = self.waiting.recv().await;
            let (socket, peer) = accepted.ok_or_else(|| io::Error::other("the kernel is gone"))?;
            let socket: Box<dyn Socket> = Box::new(socket);
            Ok((socket, peer))
        })
    }
}

/// The process's end of a connection.
pub struct ProcessSocket {
    pipe: DuplexStream,
    /// The connection did not end in order.
    reset: Arc<AtomicBool>,
    /// Dropped with the socket, which tells the kernel that nobody reads any more.
    _open: oneshot::Sender<()>,
}

impl ProcessSocket {
    pub fn new(
        pipe: DuplexStream,
        reset: Arc<AtomicBool>,
        open: oneshot::Sender<()>,
    ) -> ProcessSocket {
        let _open = open;
        ProcessSocket { pipe, reset, _open }
    }
}

/// There is one thread: nothing needs to be done for the journey.
impl Socket for ProcessSocket {
    fn depart(self: Box<Self>) -> io::Result<Box<dyn Travelling>> {
        Ok(self)
    }
}

impl Travelling for ProcessSocket {
    fn arrive(self: Box<Self>) -> io::Result<Box<dyn Socket>> {
        Ok(self)
    }
}

impl AsyncRead for ProcessSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buf.filled().len(), buf.remaining());
        ready!(Pin::new(&mut self.pipe).poll_read(cx, buf))?;
        let is_end = room != 0 && buf.filled().len() == before;
        if is_end && self.reset.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ProcessSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}
