//! TLS over any socket, by rustls' own state machine, so that an encrypted stream can move to
//! another thread. It holds no buffers beyond those of rustls.

use std::io::{self, BufRead, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{Acceptor, ClientHello};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::{Socket, Travelling};

/// Plaintext that rustls may hold for a socket that takes nothing.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// One end of an encrypted stream.
pub struct TlsSocket {
    socket: Box<dyn Socket>,
    tls: Box<Connection>,
}

impl std::fmt::Debug for TlsSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsSocket")
    }
}

impl TlsSocket {
    /// Shakes hands as the server. The caller bounds the time.
    pub async fn accept(
        socket: Box<dyn Socket>,
        config: Arc<ServerConfig>,
    ) -> io::Result<TlsSocket> {
        let tls = ServerConnection::new(config).map_err(io::Error::other)?;
        Self::served(socket, tls).await
    }

    /// Shakes hands as the server, with the configuration that `choose` takes for what the client
    /// offers; with none the client is cut off.
    pub async fn accept_by(
        mut socket: Box<dyn Socket>,
        choose: impl FnOnce(&ClientHello<'_>) -> Option<Arc<ServerConfig>>,
    ) -> io::Result<TlsSocket> {
        let mut acceptor = Acceptor::default();
        let accepted = loop {
            let count = std::future::poll_fn(|cx| {
                let mut reader = Blocking {
                    socket: &mut socket,
                    cx,
                };
                pending(acceptor.read_tls(&mut reader))
            })
            .await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => break accepted,
                Ok(None) => {}
                Err((error, _alert)) => return Err(invalid(error)),
            }
        };
        let config = choose(&accepted.client_hello())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no protocol in common"))?;
        let tls = accepted
            .into_connection(config)
            .map_err(|(error, _alert)| invalid(error))?;
        Self::served(socket, tls).await
    }

    async fn served(socket: Box<dyn Socket>, mut tls: ServerConnection) -> io::Result<TlsSocket> {
        tls.set_buffer_limit(Some(SEND_BUFFER_BYTES));
        Self::shaken(socket, Connection::Server(tls)).await
    }

    /// Shakes hands as the client. The caller bounds the time.
    pub async fn connect(
        socket: Box<dyn Socket>,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<TlsSocket> {
        let mut tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(SEND_BUFFER_BYTES));
        Self::shaken(socket, Connection::Client(tls)).await
    }

    async fn shaken(socket: Box<dyn Socket>, tls: Connection) -> io::Result<TlsSocket> {
        let mut this = TlsSocket {
            socket,
            tls: Box::new(tls),
        };
        std::future::poll_fn(|cx| this.poll_handshake(cx)).await?;
        Ok(this)
    }

    /// The certificate that the other side has proved to hold, also in a resumed session.
    pub fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.peer_chain().first()
    }

    /// The same with those by which it was signed.
    pub fn peer_chain(&self) -> &[CertificateDer<'static>] {
        self.tls.peer_certificates().unwrap_or_default()
    }

    /// What both sides agreed to speak.
    pub fn protocol(&self) -> Option<&[u8]> {
        self.tls.alpn_protocol()
    }

    /// What only the two ends of this connection know, for a channel binding (RFC 9266 section 2).
    /// None before TLS 1.3, where it is not always unique.
    pub fn exporter(&self) -> Option<[u8; 32]> {
        if self.tls.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
            return None;
        }
        let label = b"EXPORTER-Channel-Binding";
        let exported = self.tls.export_keying_material([0; 32], label, Some(&[]));
        exported.ok()
    }

    /// Whether the handshake went by a ticket.
    pub fn is_resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
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
        let count = ready!(pending(self.tls.read_tls(&mut reader)))?;
        if let Err(error) = self.tls.process_new_packets() {
            // The peer is told by an alert, if it still listens.
            let _unheard = self.poll_send(cx);
            return Poll::Ready(Err(invalid(error)));
        }
        Poll::Ready(Ok(count))
    }
}

/// What would block is not ready yet.
fn pending<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
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

    /// Several records go in one write.
    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match Pin::new(&mut *self.socket).poll_write_vectored(self.cx, parts) {
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
            // What is there is copied once, to memory that nobody has to clear before.
            match self.tls.reader().fill_buf() {
                Ok(came) => {
                    let count = came.len().min(buf.remaining());
                    buf.put_slice(&came[..count]);
                    self.tls.reader().consume(count);
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
    tls: Box<Connection>,
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
