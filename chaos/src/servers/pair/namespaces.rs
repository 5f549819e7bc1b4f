//! Three network namespaces on one bridge, whose wires can be cut one way or both. Clients live
//! where the bridge is. Made by `ip`, cut by `nft`; what an earlier process left behind is removed.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::ground::STATIONS;

/// Begins the name of everything that is made here.
const PREFIX: &str = "plx";
/// The last byte of the first station's address.
const FIRST_STATION: u8 = 11;
const CLIENTS: u8 = 1;

/// Whose packets, and which way, as the station sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    pub end: End,
    pub way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Station(usize),
    Clients,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    In,
    Out,
    Both,
}

#[derive(Debug)]
pub struct Namespaces {
    /// Tells this fixture's names and addresses from those of another.
    number: u32,
}

impl Namespaces {
    pub fn make() -> anyhow::Result<Self> {
        remove_leftovers()?;
        let spaces = Namespaces {
            number: std::process::id(),
        };
        let bridge = spaces.bridge();
        ip(&["link", "add", &bridge, "type", "bridge"]).context("make a bridge (as root)")?;
        let clients = format!("{}/24", spaces.host(CLIENTS));
        ip(&["addr", "add", &clients, "dev", &bridge])?;
        ip(&["link", "set", &bridge, "up"])?;
        for station in 0..STATIONS {
            spaces.add(station, &bridge)?;
        }
        Ok(spaces)
    }

    fn add(&self, station: usize, bridge: &str) -> anyhow::Result<()> {
        let space = self.space(station);
        let (outer, inner) = (
            format!("{PREFIX}{}o{station}", self.number),
            format!("{PREFIX}{}i{station}", self.number),
        );
        let address = format!("{}/24", self.address(station));
        ip(&["netns", "add", &space])?;
        ip(&[
            "link", "add", &outer, "type", "veth", "peer", "name", &inner,
        ])?;
        ip(&["link", "set", &inner, "netns", &space])?;
        ip(&["link", "set", &outer, "master", bridge])?;
        ip(&["link", "set", &outer, "up"])?;
        ip(&["-n", &space, "addr", "add", &address, "dev", &inner])?;
        ip(&["-n", &space, "link", "set", &inner, "up"])?;
        ip(&["-n", &space, "link", "set", "lo", "up"])
    }

    pub fn address(&self, station: usize) -> IpAddr {
        self.host(FIRST_STATION + station as u8)
    }

    fn host(&self, last: u8) -> IpAddr {
        let [.., high, low] = self.number.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(10, high | 128, low, last))
    }

    pub fn command(&self, station: usize, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(station)]);
        command.arg(program);
        command
    }

    pub fn cut(&self, station: usize, wires: &[Wire]) -> anyhow::Result<()> {
        let mut rules = String::from(
            "table inet drill {\n chain in { type filter hook input priority 0; }\n \
             chain out { type filter hook output priority 0; }\n}\n",
        );
        for wire in wires {
            let address = match wire.end {
                End::Station(other) => self.address(other),
                End::Clients => self.host(CLIENTS),
            };
            if wire.way != Way::Out {
                let _ = writeln!(rules, "add rule inet drill in ip saddr {address} drop");
            }
            if wire.way != Way::In {
                let _ = writeln!(rules, "add rule inet drill out ip daddr {address} drop");
            }
        }
        self.nft(station, &rules).context("cut a wire")
    }

    pub fn mend(&self, station: usize) -> anyhow::Result<()> {
        // Added first, so that there is one to delete.
        self.nft(station, "table inet drill {}\ndelete table inet drill\n")
            .context("mend the wires")
    }

    /// All rules at once: there is no moment with half of them.
    fn nft(&self, station: usize, rules: &str) -> anyhow::Result<()> {
        let mut command = self.command(station, Path::new("nft"));
        command.args(["-f", "-"]).stdin(Stdio::piped());
        let mut child = command.spawn().context("run nft")?;
        let mut input = child.stdin.take().context("speak to nft")?;
        input.write_all(rules.as_bytes()).context("speak to nft")?;
        drop(input);
        let status = child.wait().context("wait for nft")?;
        if !status.success() {
            bail!("nft ended with {status} at\n{rules}");
        }
        Ok(())
    }

    fn space(&self, station: usize) -> String {
        format!("{PREFIX}-{}-{station}", self.number)
    }

    fn bridge(&self) -> String {
        format!("{PREFIX}{}b", self.number)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for station in 0..STATIONS {
            // With a namespace goes its end of the wire, and with that the other end.
            let _ = ip(&["netns", "del", &self.space(station)]);
        }
        let _ = ip(&["link", "del", &self.bridge()]);
    }
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.context("run ip: apt-get install -y iproute2")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("ip {}: {}", arguments.join(" "), said.trim());
    }
    Ok(())
}

/// Removes what a killed process has not removed itself.
fn remove_leftovers() -> anyhow::Result<()> {
    let listed = Command::new("ip").args(["netns", "list"]).output();
    let listed = listed.context("run ip: apt-get install -y iproute2")?;
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        let name = line.split(' ').next().unwrap_or_default();
        let number = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_prefix('-')?.split('-').next());
        if let Some(number) = number
            && !Path::new("/proc").join(number).exists()
        {
            let _ = ip(&["netns", "del", name]);
            let _ = ip(&["link", "del", &format!("{PREFIX}{number}b")]);
        }
    }
    Ok(())
}
