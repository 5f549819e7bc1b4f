//! Finds a port of loopback that nobody listens on, and waits for one that somebody shall.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "looks at real processes from outside, in threads of its own"
)]

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Context;

/// Between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

pub fn free_port() -> anyhow::Result<SocketAddr> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("bind a port of loopback")?;
    listener
        .local_addr()
        .context("read the port that was bound")
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
