//! Opens the sockets of the load tool.
#![expect(
    clippy::disallowed_types,
    reason = "a load tool speaks over real sockets; they are opened here only"
)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A connection to the server under load.
pub type Stream = tokio::net::TcpStream;

/// Addresses of this machine that many connections are spread over: one has some 28,000 ports.
const SOURCES: usize = 16;

pub async fn dial(address: SocketAddr) -> io::Result<Stream> {
    let stream = Stream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// As one of many, from one of several addresses where the server is on this machine; the kernel
/// takes about `receive_bytes` for a client that reads no more, where that is given.
pub async fn dial_as(
    number: usize,
    address: SocketAddr,
    receive_bytes: Option<u32>,
) -> io::Result<Stream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if let Some(bytes) = receive_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
        let last = (number % SOURCES) as u8 + 1;
        socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
