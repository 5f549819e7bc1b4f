//! Sockets as the node sees them: listen, accept, read, write, move to another thread. The real
//! ones are tokio's; the simulation brings its own. Not for what is said on them.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connected byte stream, bound to the thread on which it lives.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + 'static {
    /// Makes it ready for another thread.
    fn depart(self: Box<Self>) -> io::Result<Box<dyn Travelling>>;
}

/// A socket between two threads.
pub trait Travelling: Send + 'static {
    /// Binds it to the thread that calls.
    fn arrive(self: Box<Self>) -> io::Result<Box<dyn Socket>>;
}

/// Where connections come from.
pub trait Net: Send + Sync + 'static {
    fn listen(&self, address: SocketAddr) -> LocalFuture<'_, io::Result<Box<dyn Listener>>>;

    /// `address`: `host:port`; a name is looked up each time, since it may move.
    fn connect<'a>(&'a self, address: &'a str) -> LocalFuture<'a, io::Result<Box<dyn Socket>>>;
}

/// A bound port.
pub trait Listener: 'static {
    fn local_address(&self) -> io::Result<SocketAddr>;
    fn accept(&mut self) -> LocalFuture<'_, io::Result<(Box<dyn Socket>, SocketAddr)>>;
}

/// A future of this thread.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

// === streams that any thread may have ===

/// A stream of bytes that travels as it is: one end of a pipe, or what a simulation has.
#[derive(Debug)]
pub struct Free<S>(pub S);

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Socket for Free<S> {
    fn depart(self: Box<Self>) -> io::Result<Box<dyn Travelling>> {
        Ok(self)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Travelling for Free<S> {
    fn arrive(self: Box<Self>) -> io::Result<Box<dyn Socket>> {
        Ok(self)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Free<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Free<S> {
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

// === the operating system's ===

/// TCP of the operating system.
#[derive(Debug, Clone, Copy)]
pub struct SystemNet;

/// Connections that wait for `accept`; the kernel's own limit may be lower.
const BACKLOG: u32 = 4_096;

impl Net for SystemNet {
    fn listen(&self, address: SocketAddr) -> LocalFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let socket = match address {
                SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
                SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
            };
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let listener: Box<dyn Listener> = Box::new(SystemListener(socket.listen(BACKLOG)?));
            Ok(listener)
        })
    }

    #[expect(
        clippy::disallowed_types,
        reason = "the adapter of the operating system's sockets"
    )]
    fn connect<'a>(&'a self, address: &'a str) -> LocalFuture<'a, io::Result<Box<dyn Socket>>> {
        Box::pin(async move {
            let stream = tokio::net::TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let socket: Box<dyn Socket> = Box::new(SystemSocket(stream));
            Ok(socket)
        })
    }
}

#[expect(
    clippy::disallowed_types,
    reason = "the adapter of the operating system's sockets"
)]
struct SystemListener(tokio::net::TcpListener);

impl Listener for SystemListener {
    fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn accept(&mut self) -> LocalFuture<'_, io::Result<(Box<dyn Socket>, SocketAddr)>> {
        Box::pin(async move {
            let (stream, peer) = self.0.accept().await?;
            stream.set_nodelay(true)?;
            // One that is gone already is told when it is read.
            let _gone = watch(&stream);
            let socket: Box<dyn Socket> = Box::new(SystemSocket(stream));
            Ok((socket, peer))
        })
    }
}

/// Seconds of silence after which the peer's system is asked whether it is there, and again; after
/// so many questions in vain the connection is gone (RFC 1122 section 4.2.3.6).
const SILENCE_SECONDS: u64 = 120;
const AGAIN_SECONDS: u64 = 30;
const QUESTIONS: u32 = 3;
/// Milliseconds for which what was sent may stay unacknowledged by the peer's system (RFC 5482):
/// longer than a stream may stand, whose end is told.
const UNACKNOWLEDGED_MS_MAX: u32 = 90_000;

/// Lets the system notice that the other machine is gone, which no byte would say (RFC 6120 section
/// 4.6.1).
fn watch(stream: impl AsFd) -> io::Result<()> {
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, Duration::from_secs(SILENCE_SECONDS))?;
    sockopt::set_tcp_keepintvl(&stream, Duration::from_secs(AGAIN_SECONDS))?;
    sockopt::set_tcp_keepcnt(&stream, QUESTIONS)?;
    sockopt::set_tcp_user_timeout(&stream, UNACKNOWLEDGED_MS_MAX)?;
    Ok(())
}

#[expect(
    clippy::disallowed_types,
    reason = "the adapter of the operating system's sockets"
)]
struct SystemSocket(tokio::net::TcpStream);

impl Socket for SystemSocket {
    fn depart(self: Box<Self>) -> io::Result<Box<dyn Travelling>> {
        let parted: Box<dyn Travelling> = Box::new(Parted(self.0.into_std()?));
        Ok(parted)
    }
}

#[expect(
    clippy::disallowed_types,
    reason = "the adapter of the operating system's sockets"
)]
struct Parted(std::net::TcpStream);

impl Travelling for Parted {
    #[expect(
        clippy::disallowed_types,
        reason = "the adapter of the operating system's sockets"
    )]
    fn arrive(self: Box<Self>) -> io::Result<Box<dyn Socket>> {
        let socket: Box<dyn Socket> =
            Box::new(SystemSocket(tokio::net::TcpStream::from_std(self.0)?));
        Ok(socket)
    }
}

impl AsyncRead for SystemSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for SystemSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6120 section 4.6.1.
    #[test]
    #[expect(clippy::disallowed_types, reason = "a socket of the operating system")]
    fn a_machine_that_is_gone_is_noticed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _ours = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (theirs, _) = listener.accept().unwrap();
        watch(&theirs).unwrap();
        assert!(sockopt::socket_keepalive(&theirs).unwrap());
        let idle = sockopt::tcp_keepidle(&theirs).unwrap();
        assert_eq!(idle, Duration::from_secs(SILENCE_SECONDS));
        assert_eq!(sockopt::tcp_keepcnt(&theirs).unwrap(), QUESTIONS);
        let unacknowledged = sockopt::tcp_user_timeout(&theirs).unwrap();
        assert_eq!(unacknowledged, UNACKNOWLEDGED_MS_MAX);
    }
}
