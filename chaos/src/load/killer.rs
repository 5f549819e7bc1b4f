//! Kills a server at moments that a seed decides, and starts it again, as often as asked.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::Context;

use crate::client::Seed;
use crate::servers::Server;

#[derive(Debug, Clone, Copy)]
pub struct Killer {
    pub kills: usize,
    pub seed: u64,
    /// The server runs at least this long between two kills, and at most twice as long.
    pub pause: Duration,
    /// How long it stays down, besides the time that it needs to start.
    pub down: Duration,
}

impl Killer {
    /// Blocks its thread until all kills are done, or `stop` says or loses a word. Leaves the
    /// server up. Returns how many kills were done.
    pub fn run(&self, server: &mut dyn Server, stop: &Receiver<()>) -> anyhow::Result<usize> {
        let mut seed = Seed::new(self.seed);
        for done in 0..self.kills {
            let extra = seed.below(self.pause.as_micros() as u64);
            if is_stopped(stop, self.pause + Duration::from_micros(extra)) {
                return Ok(done);
            }
            server.kill().context("kill the server")?;
            let stopped = is_stopped(stop, self.down);
            server.start().context("start the server again")?;
            if stopped {
                return Ok(done + 1);
            }
        }
        // The clients come back and talk for a while before the drill ends.
        is_stopped(stop, self.pause);
        Ok(self.kills)
    }
}

/// Waits that long, unless it is told to stop.
fn is_stopped(stop: &Receiver<()>, wait: Duration) -> bool {
    !matches!(stop.recv_timeout(wait), Err(RecvTimeoutError::Timeout))
}
