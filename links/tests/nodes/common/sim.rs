//! The simulated twins of network, clock and chance, for the tests of the links alone.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use pollux_domain::ids::WallMs;
use pollux_domain::seams::{Clock, Rand};
use pollux_links::net::{Free, Listener, LocalFuture, Net, Socket};
use turmoil::net::{TcpListener, TcpStream};

/// Virtual time.
pub struct VirtualClock;

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        turmoil::sim_elapsed().unwrap_or_default()
    }

    fn wall(&self) -> WallMs {
        WallMs(1_000_000_000_000 + self.now().as_millis() as u64)
    }
}

/// A counter is chance enough here.
pub struct SeededRand(pub Mutex<u64>);

impl Rand for SeededRand {
    fn fill(&self, out: &mut [u8]) {
        let mut seed = self.0.lock().unwrap();
        for byte in out {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (*seed >> 33) as u8;
        }
    }
}

/// turmoil's sockets behind the traits of the node.
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
