//! Who listens at a port: looked up in the tables of the kernel, and among the files of processes
//! as far as the caller may see them. Not for whether a port is free.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// A process that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub process: u32,
    pub name: String,
}

/// Who listens at this address, or at all addresses with its port. None where the kernel does not
/// say: the process is another user's.
pub fn of(address: SocketAddr) -> Option<Holder> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).ok());
    let listeners = tables.iter().flatten().flat_map(|table| listeners(table));
    let mut sockets = listeners
        .filter(|(at, _)| collide(*at, address))
        .map(|(_, socket)| format!("socket:[{socket}]"));
    sockets.find_map(|socket| owner(&socket))
}

/// Whether one who listens at the first is in the way of one at the second.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && (is_any || one.ip() == other.ip())
}

/// Addresses and socket numbers of those who listen, from /proc/net/tcp or tcp6 (proc(5)).
fn listeners(table: &str) -> Vec<(SocketAddr, u64)> {
    table.lines().skip(1).filter_map(listener).collect()
}

fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    let mut words = line.split_whitespace().skip(1);
    let (ip, port) = words.next()?.split_once(':')?;
    let state = words.nth(1)?;
    let socket = words.nth(5)?.parse().ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    (state == "0A").then_some((SocketAddr::new(address(ip)?, port), socket))
}

/// Words of 32 bits, each as this machine has them in memory.
fn address(hex: &str) -> Option<IpAddr> {
    let words: Option<Vec<u32>> = (0..hex.len() / 8)
        .map(|at| u32::from_str_radix(hex.get(8 * at..8 * at + 8)?, 16).ok())
        .collect();
    let octets: Vec<u8> = words?.iter().flat_map(|word| word.to_ne_bytes()).collect();
    if let Ok(octets) = <[u8; 4]>::try_from(octets.as_slice()) {
        return Some(Ipv4Addr::from(octets).into());
    }
    let octets = <[u8; 16]>::try_from(octets.as_slice()).ok()?;
    Some(Ipv6Addr::from(octets).to_canonical())
}

fn owner(socket: &str) -> Option<Holder> {
    let processes = fs::read_dir("/proc").ok()?;
    let mut processes = processes.flatten().filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((number, entry.path()))
    });
    processes.find_map(|(process, folder)| {
        holds(&folder, socket).then(|| Holder {
            process,
            name: fs::read_to_string(folder.join("comm"))
                .unwrap_or_default()
                .trim()
                .to_owned(),
        })
    })
}

fn holds(process: &Path, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    let mut files = files.flatten();
    files.any(|file| fs::read_link(file.path()).is_ok_and(|link| link == Path::new(socket)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux on a machine of little end writes them.
    #[cfg(target_endian = "little")]
    #[test]
    fn the_kernels_tables_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n\
             0: 0100007F:1466 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4242\n\
             1: 0100007F:1466 0100007F:9999 01 00000000:00000000 00:00000000 00000000 0 0 4243\n";
        let expected = ("127.0.0.1:5222".parse().unwrap(), 4242);
        assert_eq!(listeners(table), [expected]);
        let table = "  sl\n   0: 00000000000000000000000001000000:1467 \
             00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 7 1\n   \
             1: 0000000000000000FFFF00000100007F:1468 \
             00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 8 1\n";
        let expected = [("[::1]:5223", 7), ("127.0.0.1:5224", 8)];
        let expected = expected.map(|(address, socket)| (address.parse().unwrap(), socket));
        assert_eq!(listeners(table), expected);
        assert_eq!(listeners("head\ngarbage\n 0: zz:1 a 0A\n"), []);
    }

    #[test]
    fn all_addresses_are_in_the_way_of_one() {
        for (one, other, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "[::]:1", true),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("0.0.0.0:1", "0.0.0.0:2", false),
        ] {
            let collide = collide(one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(collide, expected, "{one} {other}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_types, reason = "a port that this process holds")]
    fn this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = of(listener.local_addr().unwrap()).unwrap();
        assert_eq!(holder.process, std::process::id());
        assert!(!holder.name.is_empty());
    }
}
