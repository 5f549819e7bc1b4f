//! A connection of a node to a port of its own, to see whether somebody is taken there. Its end is
//! known before it is made, so that whoever takes it knows who calls. Not for links.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpSocket;

/// One that is prepared.
#[derive(Debug)]
pub struct Call {
    socket: TcpSocket,
    to: SocketAddr,
}

/// One that stands. Nothing is said on it.
pub struct Connected {
    #[expect(
        clippy::disallowed_types,
        reason = "the adapter of the operating system's sockets"
    )]
    _stream: tokio::net::TcpStream,
}

impl Call {
    /// To a port that is open at `address`; one that is open at all addresses is called at the
    /// machine's own.
    pub fn prepare(address: SocketAddr) -> io::Result<Call> {
        let own = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let socket = match own {
            IpAddr::V4(_) => TcpSocket::new_v4()?,
            IpAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.bind(SocketAddr::new(own, 0))?;
        Ok(Call {
            socket,
            to: SocketAddr::new(own, address.port()),
        })
    }

    /// Where it comes from.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub async fn connect(self) -> io::Result<Connected> {
        let stream = self.socket.connect(self.to).await?;
        Ok(Connected { _stream: stream })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Net, SystemNet};

    #[tokio::test]
    async fn who_takes_it_knows_it_before_it_comes() {
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut listener = SystemNet.listen(any).await.unwrap();
        let open = listener.local_address().unwrap();
        let call = Call::prepare(open).unwrap();
        let from = call.address().unwrap();
        let (connected, accepted) = tokio::join!(call.connect(), listener.accept());
        connected.unwrap();
        assert_eq!(accepted.unwrap().1, from);
    }

    #[tokio::test]
    async fn a_closed_port_refuses() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = SystemNet.listen(any).await.unwrap();
        let closed = listener.local_address().unwrap();
        drop(listener);
        let refused = Call::prepare(closed).unwrap().connect().await;
        assert_eq!(
            refused.err().unwrap().kind(),
            io::ErrorKind::ConnectionRefused
        );
    }
}
