//! Where the three processes of a pair live: on loopback, or each in a network namespace of its
//! own, so that wires between them can be cut. Removed at the end, also after a failure.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::super::free_port::free_port;
use super::namespaces::{Namespaces, Wire};

const CLIENT_PORT: u16 = 5222;
const NODE_PORT: u16 = 7222;
/// Castor, Pollux and the witness.
pub const STATIONS: usize = 3;
/// Two nodes of another pair in the place of a witness process; on loopback only.
pub const STATIONS_MOST: usize = 4;

/// What a pair is to stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroundKind {
    /// No rights needed, and no wires to cut.
    Loopback,
    /// Needs root, `ip` and `nft`.
    Namespaces,
}

#[derive(Debug)]
pub enum Ground {
    /// The ports of clients, and those between nodes.
    Loopback(Vec<(SocketAddr, SocketAddr)>),
    Namespaces(Namespaces),
}

impl Ground {
    pub fn make(kind: GroundKind) -> anyhow::Result<Self> {
        Ok(match kind {
            GroundKind::Loopback => {
                let ports = (0..STATIONS_MOST).map(|_| Ok((free_port()?, free_port()?)));
                Ground::Loopback(ports.collect::<anyhow::Result<_>>()?)
            }
            GroundKind::Namespaces => Ground::Namespaces(Namespaces::make()?),
        })
    }

    /// Where clients connect.
    pub fn client_address(&self, station: usize) -> SocketAddr {
        match self {
            Ground::Loopback(ports) => ports[station].0,
            Ground::Namespaces(spaces) => SocketAddr::new(spaces.address(station), CLIENT_PORT),
        }
    }

    /// Where the other nodes connect.
    pub fn node_address(&self, station: usize) -> SocketAddr {
        match self {
            Ground::Loopback(ports) => ports[station].1,
            Ground::Namespaces(spaces) => SocketAddr::new(spaces.address(station), NODE_PORT),
        }
    }

    /// A command that runs where the station is.
    pub fn command(&self, station: usize, program: &Path) -> Command {
        match self {
            Ground::Loopback(_) => Command::new(program),
            Ground::Namespaces(spaces) => spaces.command(station, program),
        }
    }

    /// Lets nothing through on these wires of a station.
    pub fn cut(&self, station: usize, wires: &[Wire]) -> anyhow::Result<()> {
        match self {
            Ground::Loopback(_) => anyhow::bail!("on loopback there are no wires to cut"),
            Ground::Namespaces(spaces) => spaces.cut(station, wires),
        }
    }

    /// All wires of a station are whole again.
    pub fn mend(&self, station: usize) -> anyhow::Result<()> {
        match self {
            Ground::Loopback(_) => Ok(()),
            Ground::Namespaces(spaces) => spaces.mend(station),
        }
    }
}
