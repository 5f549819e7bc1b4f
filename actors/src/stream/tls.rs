//! TLS over any socket, by rustls' own state machine, so that an encrypted stream can move to
//! another thread. It holds no buffers beyond those of rustls.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use pollux_links::net::{Socket, Travelling};

/// Plaintext that rustls may hold for a socket that takes nothing.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// The server's end of an encrypted stream.
pub struct TlsSocket {
    socket: Box<dyn Socket>,
    tls: Box<ServerConnection>,
}

impl std::fmt::Debug for TlsSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsSocket")
    }
}

impl TlsSocket {
    /// Shakes hands. The caller bounds the time.
    pub async fn accept(
        socket: Box<dyn Socket>,
        config: Arc<ServerConfig>,
    ) -> io::Result<TlsSocket> {
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(SEND_BUFFER_BYTES));
        let mut this = TlsSocket {
            socket,
            tls: Box::new(tls),
        };
        std::future::poll_fn(|cx| this.poll_handshake(cx)).await?;
        Ok(this)
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.is_handshaking() {
            ready!(self.poll_send(cx))?;
            if self.tls.is_handshaking() && ready!(self.poll_receive(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        self.poll_send(cx)
    }

    /// Sends what rustls has ready.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            let mut writer = Blocking {
                socket: &mut self.socket,
                cx,
            };
            match self.tls.write_tls(&mut writer) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Takes some bytes from the peer; zero at the end.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut reader = Blocking {
            socket: &mut self.socket,
            cx,
        };
        let count = match self.tls.read_tls(&mut reader) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if let Err(error) = self.tls.process_new_packets() {
            // The peer is told by an alert, if it still listens.
            let _unheard = self.poll_send(cx);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        Poll::Ready(Ok(count))
    }
}

/// A socket as rustls wants one: what is not ready would block.
struct Blocking<'a, 'b> {
    socket: &'a mut Box<dyn Socket>,
    cx: &'a mut Context<'b>,
}

impl Read for Blocking<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(out);
        match Pin::new(&mut *self.socket).poll_read(self.cx, &mut buf) {
            Poll::Ready(Ok(())) => Ok(buf.filled().len()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Blocking<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match Pin::new(&mut *self.socket).poll_write(self.cx, bytes) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for TlsSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.tls.reader().read(buf.initialize_unfilled()) {
                Ok(count) => {
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(self.poll_receive(cx))?;
            if self.tls.wants_write()
                && let Poll::Ready(Err(error)) = self.poll_send(cx)
            {
                return Poll::Ready(Err(error));
            }
        }
    }
}

impl AsyncWrite for TlsSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = self.tls.writer().write(bytes)?;
        match self.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if taken == 0 && !bytes.is_empty() => Poll::Pending,
            Poll::Ready(Ok(())) if taken == 0 && !bytes.is_empty() => {
                Poll::Ready(self.tls.writer().write(bytes))
            }
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tls.send_close_notify();
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl Socket for TlsSocket {
    fn depart(self: Box<Self>) -> io::Result<Box<dyn Travelling>> {
        let parted: Box<dyn Travelling> = Box::new(Parted {
            socket: self.socket.depart()?,
            tls: self.tls,
        });
        Ok(parted)
    }
}

struct Parted {
    socket: Box<dyn Travelling>,
    tls: Box<ServerConnection>,
}

impl Travelling for Parted {
    fn arrive(self: Box<Self>) -> io::Result<Box<dyn Socket>> {
        let socket: Box<dyn Socket> = Box::new(TlsSocket {
            socket: self.socket.arrive()?,
            tls: self.tls,
        });
        Ok(socket)
    }
}
