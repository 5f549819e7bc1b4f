//! Ports of loopback for processes that must know each other's before they start. They lie below
//! those that the system gives to whoever connects: between the choice and the start, and while a
//! killed process is away, none of the clients' connections can take one.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};

/// Of the ports that tests use, and how many.
const FIRST: u16 = 20_000;
const ALL: u16 = 12_000;
/// How many ports lie between the first ports of two processes of which one started next.
const STRIDE: u32 = 120;

/// How many of this process have been looked at.
static LOOKED_AT: AtomicU16 = AtomicU16::new(0);

/// The first of `count` free ports in a row, given to nobody else in this process.
#[expect(clippy::disallowed_types, reason = "finds free ports for processes")]
pub fn row(count: u16) -> u16 {
    let own = (std::process::id() * STRIDE % u32::from(ALL)) as u16;
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut rows = (0..ALL / count).map(|_| {
        let offset = LOOKED_AT.fetch_add(count, Ordering::Relaxed);
        FIRST + (own + offset % ALL) % ALL
    });
    let found = rows.find(|first| (*first..*first + count).all(is_free));
    found.expect("free ports in a row")
}

pub fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], row(1)))
}
