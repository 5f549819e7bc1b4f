//! One connection's bytes: plain or TLS, a scanner for what comes in, a buffer for what goes out.
//! Knows frames, not their meaning: see client and negotiate.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::Error;
use super::scan::{Frame, Scanner};

/// One read takes at most this much.
const READ_BYTES: usize = 4096;
/// What may wait to be written before the client refuses to take more.
pub const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

pub struct Pipe<S> {
    transport: Transport<S>,
    pub scanner: Scanner,
    /// Bytes to be written, of which the first `written` have been.
    out: Vec<u8>,
    written: usize,
    unflushed: bool,
}

enum Transport<S> {
    Plain(S),
    Tls(Box<TlsStream<S>>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pipe<S> {
    pub fn new(stream: S) -> Self {
        let transport = Transport::Plain(stream);
        let scanner = Scanner::default();
        Pipe {
            transport,
            scanner,
            out: Vec::new(),
            written: 0,
            unflushed: false,
        }
    }

    /// Continues in TLS. Bytes that came before the handshake are an injection, not a stanza.
    pub async fn secure(self, connector: &TlsConnector, domain: &str) -> Result<Self, Error> {
        if self.scanner.has_rest() {
            return Err(Error::protocol(
                "bytes between <proceed/> and the TLS handshake",
            ));
        }
        let Transport::Plain(stream) = self.transport else {
            return Err(Error::protocol("TLS inside of TLS"));
        };
        let name = domain
            .to_owned()
            .try_into()
            .map_err(|_| Error::Unsendable("domain"))?;
        let stream = Box::new(connector.connect(name, stream).await?);
        Ok(Pipe {
            transport: Transport::Tls(stream),
            scanner: Scanner::default(),
            out: self.out,
            written: 0,
            unflushed: false,
        })
    }

    /// Takes bytes to be written by the polls that follow.
    pub fn write(&mut self, text: &str) -> Result<(), Error> {
        if self.out.len() - self.written + text.len() > WAITING_BYTES_MAX {
            return Err(Error::Full("the write buffer"));
        }
        self.out.extend_from_slice(text.as_bytes());
        self.unflushed = true;
        Ok(())
    }

    /// The next frame; meanwhile writes what waits. Nothing is lost if it is dropped half-way.
    pub async fn frame(&mut self) -> Result<Frame, Error> {
        poll_fn(|ctx| self.poll_frame(ctx)).await
    }

    /// Writes everything that waits.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|ctx| self.poll_flush(ctx)).await
    }

    pub fn poll_frame(&mut self, ctx: &mut Context<'_>) -> Poll<Result<Frame, Error>> {
        if let Poll::Ready(Err(error)) = self.poll_flush(ctx) {
            // What the server had to say may explain why it reads no more.
            if let Ok(Some(frame)) = self.scanner.cut() {
                return Poll::Ready(Ok(frame));
            }
            return Poll::Ready(Err(error));
        }
        loop {
            if let Some(frame) = self.scanner.cut()? {
                return Poll::Ready(Ok(frame));
            }
            let buffer = self.scanner.feed();
            buffer.reserve(READ_BYTES);
            let read = match &mut self.transport {
                Transport::Plain(stream) => pin!(stream.read_buf(buffer)).poll(ctx),
                Transport::Tls(stream) => pin!(stream.read_buf(buffer)).poll(ctx),
            };
            if ready!(read)? == 0 {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()));
            }
        }
    }

    pub fn poll_flush(&mut self, ctx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while self.written < self.out.len() {
            let rest = &self.out[self.written..];
            let count = match &mut self.transport {
                Transport::Plain(stream) => Pin::new(stream).poll_write(ctx, rest),
                Transport::Tls(stream) => Pin::new(stream).poll_write(ctx, rest),
            };
            match ready!(count)? {
                0 => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
                count => self.written += count,
            }
        }
        self.out.clear();
        self.written = 0;
        if self.unflushed {
            match &mut self.transport {
                Transport::Plain(stream) => ready!(Pin::new(stream).poll_flush(ctx))?,
                Transport::Tls(stream) => ready!(Pin::new(stream).poll_flush(ctx))?,
            }
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
