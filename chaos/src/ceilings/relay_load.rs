//! Drives the bare relay: pairs that throw as many bytes as a message has to and fro. Measures it
//! as the load tool measures messages; knows no XMPP.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::load::{Histogram, Latency, Span, Stream, Target, dial, now};

/// A closed loop with one message of a pair under way, as `Messages` has it with a window of 1.
#[derive(Debug, Clone, Copy)]
pub struct RelayLoad {
    pub pairs: usize,
    /// Of one message, with everything around its text.
    pub bytes: usize,
    pub warm_up: Duration,
    pub duration: Duration,
}

#[derive(Debug, Clone)]
pub struct RelayReport {
    pub messages: u64,
    pub per_second: f64,
    pub latency: Latency,
    pub cpu_ms_per_message: f64,
}

#[derive(Default)]
struct Shared {
    received: Cell<u64>,
    latency: RefCell<Histogram>,
}

impl RelayLoad {
    /// Must run inside of a `LocalSet`.
    pub async fn run(&self, target: &Target) -> anyhow::Result<RelayReport> {
        let address = target
            .addresses
            .first()
            .copied()
            .context("a relay is needed")?;
        let shared = Rc::new(Shared::default());
        let (finish, finished) = watch::channel(false);
        let mut players = JoinSet::new();
        for _ in 0..self.pairs {
            // One after the other: the relay joins two that come in a row.
            let (one, other) = (dial(address).await?, dial(address).await?);
            let play =
                |first, stream| play(first, stream, self.bytes, shared.clone(), finished.clone());
            players.spawn_local(play(true, one));
            players.spawn_local(play(false, other));
        }
        sleep(self.warm_up).await;
        shared.latency.borrow_mut().clear();
        let span = Span::begin(target, "")?;
        let (received, start) = (shared.received.get(), now());
        sleep(self.duration).await;
        let (seconds, messages) = (start.elapsed(), shared.received.get() - received);
        let cpu = span.end()?.context("the relay has ended")?;
        finish.send_replace(true);
        while let Some(player) = players.join_next().await {
            player.context("join a player")??;
        }
        if messages == 0 {
            bail!("the relay passed nothing on");
        }
        let latency = shared.latency.borrow().latency();
        Ok(RelayReport {
            messages,
            per_second: messages as f64 / seconds.as_secs_f64(),
            latency,
            cpu_ms_per_message: cpu / messages as f64,
        })
    }
}

/// Throws back whatever comes whole; `first` begins.
async fn play(
    first: bool,
    mut stream: Stream,
    bytes: usize,
    shared: Rc<Shared>,
    mut finished: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let thrown = vec![b'x'; bytes.max(1)];
    let mut caught = thrown.clone();
    let mut sent_at = now();
    if first {
        stream.write_all(&thrown).await.context("throw")?;
    }
    loop {
        tokio::select! {
            biased;
            read = stream.read_exact(&mut caught) => read.context("catch")?,
            _ = finished.changed() => return Ok(()),
        };
        if caught != thrown {
            bail!("other bytes than were thrown");
        }
        shared.received.set(shared.received.get() + 1);
        // To and fro are two messages: each took half of the time.
        let took = sent_at.elapsed() / 2;
        shared.latency.borrow_mut().record(took);
        sent_at = now();
        stream.write_all(&thrown).await.context("throw")?;
    }
}
