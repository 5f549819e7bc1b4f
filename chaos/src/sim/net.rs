//! The simulated twin of the network: turmoil's sockets behind the node's own traits.

use std::io;
use std::net::SocketAddr;

use pollux_links::net::{Free, Listener, LocalFuture, Net, Socket};
use turmoil::net::{TcpListener, TcpStream};

/// See the module.
pub struct SimulatedNet;

impl Net for SimulatedNet {
    fn listen(&self, address: SocketAddr) -> LocalFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener: Box<dyn Listener> = Box::new(Port(TcpListener::bind(address).await?));
            Ok(listener)
        })
    }

    /// A name is one of turmoil's hosts.
    fn connect<'a>(&'a self, address: &'a str) -> LocalFuture<'a, io::Result<Box<dyn Socket>>> {
        Box::pin(async move {
            let socket: Box<dyn Socket> = Box::new(Free(TcpStream::connect(address).await?));
            Ok(socket)
        })
    }
}

struct Port(TcpListener);

impl Listener for Port {
    fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn accept(&mut self) -> LocalFuture<'_, io::Result<(Box<dyn Socket>, SocketAddr)>> {
        Box::pin(async move {
            let (stream, peer) = self.0.accept().await?;
            let socket: Box<dyn Socket> = Box::new(Free(stream));
            Ok((socket, peer))
        })
    }
}
