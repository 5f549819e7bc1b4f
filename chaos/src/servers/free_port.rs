//! Finds a port of loopback that nobody listens on, and waits for one that somebody shall.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "looks at real processes from outside, in threads of its own"
)]

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::Context;

/// Between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Of the ports that are given out, and how many. They lie below those that the system gives to
/// whoever connects, so that none is taken between the choice and the start of the server, or
/// while a killed server is away.
const FIRST: u16 = 10_000;
const ALL: u16 = 10_000;
/// How many ports lie between the first ports of two processes of which one started next.
const STRIDE: u32 = 100;

/// How many this process has looked at.
static LOOKED_AT: AtomicU16 = AtomicU16::new(0);

/// A port that this function gives out once in a process.
///
/// # Errors
/// None of them can be bound.
pub fn free_port() -> anyhow::Result<SocketAddr> {
    let own = (std::process::id() * STRIDE % u32::from(ALL)) as u16;
    let mut addresses = (0..ALL).map(|_| {
        let offset = LOOKED_AT.fetch_add(1, Ordering::Relaxed);
        SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + (own + offset % ALL) % ALL))
    });
    let free = addresses.find(|address| TcpListener::bind(address).is_ok());
    free.context("find a free port of loopback")
}

pub fn answers(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// Looks until `condition` holds; `false` after `limit`, counted in looks.
pub fn wait_until(
    limit: Duration,
    mut condition: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let looks = limit.as_millis() / LOOK_AGAIN.as_millis();
    for _ in 0..looks.max(1) {
        if condition()? {
            return Ok(true);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    condition()
}
