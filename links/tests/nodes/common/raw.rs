//! The other side of a link by hand: bytes and frames, right ones and wrong ones.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use pollux_domain::ids::{ClusterId, Incarnation, NodeId};
use pollux_links::frame::{Decoder, Frame, Kind};
use pollux_links::hello::{Hello, Life, Purpose};
use pollux_links::net::{Listener, Net, Socket, SystemNet};
use pollux_links::peers::Lane;
use pollux_links::refusal::{Reason, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{identity, version};

pub struct Raw {
    pub socket: Box<dyn Socket>,
    decoder: Decoder,
}

/// A hello of this node, right for node 9.
pub fn hello(node: u16, life: u8, lane: Lane) -> Hello {
    Hello {
        identity: identity(node),
        to: NodeId(9),
        life: Life([life; 16]),
        purpose: Purpose::Lane(lane),
        build: version(),
        in_use: 1,
    }
}

pub fn of_cluster(mut hello: Hello, cluster: u8) -> Hello {
    hello.identity.cluster = ClusterId([cluster; 16]);
    hello
}

pub fn of_incarnation(mut hello: Hello, incarnation: u32) -> Hello {
    hello.identity.incarnation = Incarnation(incarnation);
    hello
}

pub fn for_node(mut hello: Hello, node: u16) -> Hello {
    hello.to = NodeId(node);
    hello
}

pub fn of_format(mut hello: Hello, in_use: u16) -> Hello {
    hello.in_use = in_use;
    hello
}

pub fn of_node(mut hello: Hello, node: u16) -> Hello {
    hello.identity.node = NodeId(node);
    hello
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Raw {
        Raw::over(SystemNet.connect(&address.to_string()).await.unwrap())
    }

    pub async fn accept(listener: &mut Box<dyn Listener>) -> Raw {
        Raw::over(listener.accept().await.unwrap().0)
    }

    pub fn over(socket: Box<dyn Socket>) -> Raw {
        Raw {
            socket,
            decoder: Decoder::new(16 * 1024 * 1024),
        }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
        self.socket.flush().await.unwrap();
    }

    pub async fn send(&mut self, kind: Kind, body: Bytes) {
        self.write(&bytes(&Frame::plain(kind, 0, body))).await;
    }

    /// The next frame; none when the other side has closed.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.frame().unwrap() {
                return Some(frame);
            }
            match self.socket.read_buf(self.decoder.buffer()).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Says hello and hears the welcome.
    pub async fn greeted(address: SocketAddr, hello: Hello) -> Raw {
        let mut raw = Raw::connect(address).await;
        raw.send(Kind::Hello, hello.write()).await;
        assert_eq!(raw.frame().await.unwrap().kind, Kind::Welcome);
        raw
    }

    /// Hears why there is no connection, and its end.
    pub async fn refused(mut self) -> Reason {
        let frame = self.frame().await.expect("a refusal");
        assert_eq!(frame.kind, Kind::Refusal);
        self.socket.shutdown().await.unwrap();
        assert_eq!(self.frame().await, None);
        Refusal::read(&frame.body).reason
    }

    /// Reads until the other side has closed.
    pub async fn closed(mut self) {
        while self.frame().await.is_some() {}
    }
}

pub fn bytes(frame: &Frame) -> BytesMut {
    let mut out = BytesMut::new();
    frame.write(&mut out);
    out
}

/// Calls, says this hello, and hears the reason.
pub async fn refusal_of(address: SocketAddr, hello: Hello) -> Reason {
    let mut raw = Raw::connect(address).await;
    raw.send(Kind::Hello, hello.write()).await;
    raw.refused().await
}
