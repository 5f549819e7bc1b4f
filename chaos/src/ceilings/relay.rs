//! A bare relay: what one of two connections sends, the other gets. Reads no meaning into bytes.
#![expect(
    clippy::disallowed_types,
    reason = "a process of its own that is measured on real sockets"
)]

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Context;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::BACKLOG;

/// One read takes at most this much, as with the servers that it stands beside.
const READ_BYTES: usize = 4096;

/// Two connections that come after each other are a pair.
pub async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let listener = listener(listen)?;
    let mut ways = JoinSet::new();
    loop {
        let one = accept(&listener).await?;
        let other = accept(&listener).await?;
        ways.spawn_local(pass(one.clone(), other.clone()));
        ways.spawn_local(pass(other, one));
        // Pairs that are gone are forgotten.
        while ways.try_join_next().is_some() {}
    }
}

pub fn listener(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = TcpSocket::new_v4().context("make a socket")?;
    socket.set_reuseaddr(true).context("set up the socket")?;
    let bound = socket.bind(listen);
    bound.with_context(|| format!("bind {listen}"))?;
    socket.listen(BACKLOG).context("listen")
}

async fn accept(listener: &TcpListener) -> anyhow::Result<Rc<TcpStream>> {
    let (stream, _) = listener.accept().await.context("accept a connection")?;
    stream.set_nodelay(true).context("set up a connection")?;
    Ok(Rc::new(stream))
}

/// Until one of the two ends.
async fn pass(from: Rc<TcpStream>, to: Rc<TcpStream>) {
    let mut buffer = [0; READ_BYTES];
    loop {
        let read = match read(&from, &mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        if write(&to, &buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

async fn write(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
