//! A connection that can be told to read one byte a second. Knows nothing of XMPP.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::dial::{Stream, dial_as};

const BETWEEN_BYTES: Duration = Duration::from_secs(1);

pub struct Drip {
    stream: Stream,
    is_slow: Rc<Cell<bool>>,
    /// Until then nothing is read.
    rest: Option<Pin<Box<Sleep>>>,
}

/// Makes a connection slow from now on.
pub struct Tap(Rc<Cell<bool>>);

impl Tap {
    pub fn slow(&self) {
        self.0.set(true);
    }
}

impl Drip {
    /// See `dial_as`.
    pub async fn dial(
        number: usize,
        address: SocketAddr,
        receive_bytes: Option<u32>,
    ) -> io::Result<(Self, Tap)> {
        let stream = dial_as(number, address, receive_bytes).await?;
        let is_slow = Rc::new(Cell::new(false));
        let drip = Drip {
            stream,
            is_slow: is_slow.clone(),
            rest: None,
        };
        Ok((drip, Tap(is_slow)))
    }

    fn poll_byte(
        &mut self,
        ctx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(rest) = &mut self.rest {
            ready!(rest.as_mut().poll(ctx));
            self.rest = None;
        }
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        ready!(Pin::new(&mut self.stream).poll_read(ctx, &mut one))?;
        buffer.put_slice(one.filled());
        self.rest = Some(Box::pin(sleep(BETWEEN_BYTES)));
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Drip {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_slow.get() && buffer.remaining() > 0 {
            return self.poll_byte(ctx, buffer);
        }
        Pin::new(&mut self.stream).poll_read(ctx, buffer)
    }
}

impl AsyncWrite for Drip {
    fn poll_write(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(ctx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(ctx)
    }
}
