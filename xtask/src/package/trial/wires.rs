//! The network of a trial: a namespace for each host, and a bridge between them, where clients are,
//! too. All of it goes at the end, also after a failure.

use std::process::Command;

use super::host::quiet;
use crate::step::run;

/// Addresses for documentation (RFC 5737): the book's own.
const NETWORK: &str = "203.0.113";
const BRIDGE: &str = "pollux-try";

/// Between the hosts, and where clients are.
pub struct Bridge;

impl Bridge {
    pub fn make() -> anyhow::Result<Self> {
        let bridge = Bridge;
        bridge.remove();
        ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        let address = format!("{NETWORK}.254/24");
        ip(&["address", "add", &address, "dev", BRIDGE])?;
        ip(&["link", "set", BRIDGE, "up"])?;
        Ok(bridge)
    }

    /// The network of the host of that name: the address ends in its number, as in the book.
    pub fn connect(&self, host: &str) -> anyhow::Result<Wire> {
        let number = super::HOSTS.iter().position(|name| *name == host);
        let number = number.unwrap_or_default() + 1;
        let wire = Wire(format!("{BRIDGE}-{host}"));
        wire.remove();
        let inside = ["netns", "exec", &wire.0, "ip"];
        let outer = format!("ptry{number}");
        ip(&["netns", "add", &wire.0])?;
        let veth = [
            "link", "add", &outer, "type", "veth", "peer", "name", "host0",
        ];
        ip(&[&veth[..], &["netns", &wire.0]].concat())?;
        ip(&["link", "set", &outer, "master", BRIDGE, "up"])?;
        let address = format!("{NETWORK}.{number}/24");
        ip(&[&inside[..], &["address", "add", &address, "dev", "host0"]].concat())?;
        ip(&[&inside[..], &["link", "set", "host0", "up"]].concat())?;
        ip(&[&inside[..], &["link", "set", "lo", "up"]].concat())?;
        Ok(wire)
    }

    fn remove(&self) {
        // What is not there is gone.
        let _gone = quiet(Command::new("ip").args(["link", "delete", BRIDGE]));
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A network namespace, at the bridge.
pub struct Wire(String);

impl Wire {
    pub fn path(&self) -> String {
        format!("/run/netns/{}", self.0)
    }

    fn remove(&self) {
        let _gone = quiet(Command::new("ip").args(["netns", "delete", &self.0]));
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.remove();
    }
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    run(Command::new("ip").args(arguments))
}
