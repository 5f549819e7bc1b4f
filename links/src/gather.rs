//! A socket that is read in large steps, for the streams between nodes: rustls asks for 4 KiB at a
//! time, and an entry of the log has five times as many. Not for clients: it holds a buffer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::{Socket, Travelling};

/// What one read may bring.
const STEP_BYTES: usize = 32 * 1024;

/// See the module.
pub struct Gathered {
    socket: Box<dyn Socket>,
    came: Came,
}

/// What was read and not taken yet: from `begin` to `end`.
struct Came {
    bytes: Box<[u8]>,
    begin: usize,
    end: usize,
}

impl Gathered {
    pub fn over(socket: Box<dyn Socket>) -> Box<dyn Socket> {
        Box::new(Gathered {
            socket,
            came: Came {
                bytes: vec![0; STEP_BYTES].into(),
                begin: 0,
                end: 0,
            },
        })
    }
}

impl AsyncRead for Gathered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Gathered { socket, came } = &mut *self;
        if came.begin == came.end {
            let mut step = ReadBuf::new(&mut came.bytes);
            ready!(Pin::new(socket).poll_read(cx, &mut step))?;
            (came.begin, came.end) = (0, step.filled().len());
        }
        let count = (came.end - came.begin).min(out.remaining());
        out.put_slice(&came.bytes[came.begin..][..count]);
        came.begin += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gathered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl Socket for Gathered {
    fn depart(self: Box<Self>) -> io::Result<Box<dyn Travelling>> {
        let parted: Box<dyn Travelling> = Box::new(Parted {
            socket: self.socket.depart()?,
            came: self.came,
        });
        Ok(parted)
    }
}

struct Parted {
    socket: Box<dyn Travelling>,
    came: Came,
}

impl Travelling for Parted {
    fn arrive(self: Box<Self>) -> io::Result<Box<dyn Socket>> {
        let socket: Box<dyn Socket> = Box::new(Gathered {
            socket: self.socket.arrive()?,
            came: self.came,
        });
        Ok(socket)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    /// One end of a pipe, of which reads are counted.
    struct Pipe(DuplexStream, Arc<AtomicUsize>);

    impl AsyncRead for Pipe {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.0).poll_read(cx, out)
        }
    }

    impl AsyncWrite for Pipe {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    impl Socket for Pipe {
        fn depart(self: Box<Self>) -> io::Result<Box<dyn Travelling>> {
            Ok(self)
        }
    }

    impl Travelling for Pipe {
        fn arrive(self: Box<Self>) -> io::Result<Box<dyn Socket>> {
            Ok(self)
        }
    }

    #[tokio::test]
    async fn much_comes_in_one_read_and_what_is_left_travels_along() {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let reads = Arc::new(AtomicUsize::new(0));
        let sent: Vec<u8> = (0..20_000u32).map(|n| n as u8).collect();
        theirs.write_all(&sent).await.unwrap();
        theirs.shutdown().await.unwrap();
        let mut socket = Gathered::over(Box::new(Pipe(ours, reads.clone())));
        let mut came = vec![0; 4_096];
        for _ in 0..3 {
            socket.read_exact(&mut came).await.unwrap();
        }
        assert_eq!(reads.load(Ordering::Relaxed), 1);
        assert_eq!(came, sent[8_192..12_288]);
        let mut socket = socket.depart().unwrap().arrive().unwrap();
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, sent[12_288..]);
    }
}
