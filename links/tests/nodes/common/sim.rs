//! The simulated twins of network, clock and chance, for the tests of the links alone.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use pollux_domain::ids::WallMs;
use pollux_domain::seams::{Clock, Rand};
use pollux_links::net::{Listener, LocalFuture, Net, Socket, Travelling};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

/// Virtual time.
pub struct VirtualClock;

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        turmoil::sim_elapsed().unwrap_or_default()
    }

    fn wall(&self) -> WallMs {
        WallMs(1_000_000_000_000 + self.now().as_millis() as u64)
    }
}

/// A counter is chance enough here.
pub struct SeededRand(pub Mutex<u64>);

impl Rand for SeededRand {
    fn fill(&self, out: &mut [u8]) {
        let mut seed = self.0.lock().unwrap();
        for byte in out {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (*seed >> 33) as u8;
        }
    }
}

/// turmoil's sockets behind the traits of the node.
pub struct SimulatedNet;

impl Net for SimulatedNet {
    fn listen(&self, address: SocketAddr) -> LocalFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener: Box<dyn Listener> = Box::new(Port(TcpListener::bind(address).await?));
            Ok(listener)
        })
    }

    /// A name is one of turmoil's hosts.
    fn connect<'a>(&'a self, address: &'a str) -> LocalFuture<'a, io::Result<Box<dyn Socket>>> {
        Box::pin(async move {
            let socket: Box<dyn Socket> = Box::new(Plain(TcpStream::connect(address).await?));
            Ok(socket)
        })
    }
}

struct Port(TcpListener);

impl Listener for Port {
    fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn accept(&mut self) -> LocalFuture<'_, io::Result<(Box<dyn Socket>, SocketAddr)>> {
        Box::pin(async move {
            let (stream, peer) = self.0.accept().await?;
            let socket: Box<dyn Socket> = Box::new(Plain(stream));
            Ok((socket, peer))
        })
    }
}

struct Plain(TcpStream);

impl Socket for Plain {
    fn depart(self: Box<Self>) -> io::Result<Box<dyn Travelling>> {
        let travelling: Box<dyn Travelling> = Box::new(Still(self.0));
        Ok(travelling)
    }
}

/// There is one thread: nothing needs to be done for the journey.
struct Still(TcpStream);

impl Travelling for Still {
    fn arrive(self: Box<Self>) -> io::Result<Box<dyn Socket>> {
        let socket: Box<dyn Socket> = Box::new(Plain(self.0));
        Ok(socket)
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Plain {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
