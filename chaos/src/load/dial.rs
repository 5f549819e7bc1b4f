//! Opens the sockets of the load tool.
#![expect(
    clippy::disallowed_types,
    reason = "a load tool speaks over real sockets; they are opened here only"
)]

use std::io;
use std::net::SocketAddr;

/// A connection to the server under load.
pub type Stream = tokio::net::TcpStream;

pub async fn dial(address: SocketAddr) -> io::Result<Stream> {
    let stream = Stream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
