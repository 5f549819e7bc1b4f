//! The first frames of a connection, one at a time: nothing is read beyond them, so that the socket
//! can go to another thread or become a stream of bytes. Not for standing links.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::frame::{Frame, FrameError, HEADER_BYTES, Header, Kind};
use crate::hello::{HELLO_BYTES_MAX, Hello};
use crate::net::Socket;
use crate::refusal::{Reason, Refusal};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Garbage(String),
    #[error("{0}")]
    Refused(Refusal),
}

impl From<FrameError> for Broken {
    fn from(error: FrameError) -> Broken {
        match error {
            FrameError::Version { found } => Broken::Refused(Refusal::version(found)),
            error => Broken::Garbage(error.to_string()),
        }
    }
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> io::Error {
        match broken {
            Broken::Io(error) => error,
            Broken::Garbage(text) => io::Error::new(io::ErrorKind::InvalidData, text),
            Broken::Refused(refusal) => io::Error::new(io::ErrorKind::ConnectionRefused, refusal),
        }
    }
}

impl Broken {
    /// From the handshake of TLS: what is wrong with certificates is a refusal with a name.
    pub fn from_handshake(error: io::Error) -> Broken {
        let Some(cause) = error
            .get_ref()
            .and_then(|cause| cause.downcast_ref::<rustls::Error>())
        else {
            return Broken::Io(error);
        };
        match cause {
            rustls::Error::InvalidCertificate(_)
            | rustls::Error::NoCertificatesPresented
            | rustls::Error::AlertReceived(_) => {
                Broken::Refused(Refusal::new(Reason::Certificate, cause.to_string()))
            }
            _ => Broken::Garbage(cause.to_string()),
        }
    }
}

pub(crate) async fn send(socket: &mut Box<dyn Socket>, frames: &[Frame]) -> io::Result<()> {
    let mut out = BytesMut::new();
    frames.iter().for_each(|frame| frame.write(&mut out));
    socket.write_all(&out).await?;
    socket.flush().await
}

/// The next frame, and not a byte more.
pub(crate) async fn receive(socket: &mut Box<dyn Socket>, max: usize) -> Result<Frame, Broken> {
    let mut head = [0; HEADER_BYTES];
    let received = async {
        socket.read_exact(&mut head[..1]).await?;
        Header::version(head[0])?;
        socket.read_exact(&mut head[1..]).await?;
        let header = Header::read(&head, max)?;
        let mut body = vec![0; header.length];
        socket.read_exact(&mut body).await?;
        header.verify(&head, &body)?;
        Ok(header.with(Bytes::from(body)))
    };
    received.await.map_err(|broken| match broken {
        Broken::Io(error) => Broken::from_handshake(error),
        broken => broken,
    })
}

/// The other side's answer to a hello.
pub(crate) async fn welcomed(socket: &mut Box<dyn Socket>) -> Result<Hello, Broken> {
    let frame = receive(socket, HELLO_BYTES_MAX).await?;
    match frame.kind {
        Kind::Welcome => Hello::read(&frame.body)
            .ok_or_else(|| Broken::Garbage("a welcome that does not read".to_owned())),
        Kind::Refusal => Err(Broken::Refused(Refusal::read(&frame.body))),
        kind => Err(Broken::Garbage(format!("{kind:?} instead of a welcome"))),
    }
}

/// How long the other side may take to hear why it is refused.
const FAREWELL: Duration = Duration::from_secs(1);

/// Says why, and waits until it was heard: closing with unread bytes would cut the words off.
pub(crate) async fn farewell(mut socket: Box<dyn Socket>, refusal: &Refusal) {
    let frame = Frame::plain(Kind::Refusal, 0, refusal.write());
    let said = async {
        send(&mut socket, &[frame]).await?;
        socket.shutdown().await?;
        let mut unread = [0; 1_024];
        while socket.read(&mut unread).await? != 0 {}
        io::Result::Ok(())
    };
    let _unheard = tokio::time::timeout(FAREWELL, said).await;
}
