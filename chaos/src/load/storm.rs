//! Everybody wants in while the listener is away: how long it takes until all are in once it is
//! back.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::select;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, timeout};

use super::clock::now;
use super::dial::{Stream, dial};
use super::histogram::{Histogram, Latency};
use super::span::Span;
use super::target::Target;
use crate::client::{Client, Error, StreamManagement};

/// How long a client waits after a connection that came to nothing.
const TRY_AGAIN: Duration = Duration::from_millis(50);
/// How long the kernel may take to connect: longer than its first repetitions, where the listener's
/// queue is full.
const DIAL_LIMIT: Duration = Duration::from_secs(30);
/// How long nobody may get in before the run has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const WARM_UPS_AT_ONCE: usize = 16;
const RESOURCE: &str = "storm";

/// The sessions are new ones. What a client derives from its password it must have derived before,
/// or the storm would measure the clients: `warm_up` sees to it. With one salt for all users the
/// cache would be full after one of them; where each user has a salt of its own, clients learn it
/// from the server only.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    /// Each is a user's own.
    pub sessions: usize,
}

#[derive(Debug, Clone, Serialize)]
pub struct StormReport {
    pub sessions: usize,
    pub starttls: bool,
    /// From the open listener to the last bound session.
    pub seconds: f64,
    /// From the open listener to the first bound session.
    pub first_seconds: f64,
    /// From the connection that led to it to the bound session.
    pub sign_in_latency: Latency,
    /// Connections that were made and ended without a session.
    pub turned_away: u64,
    /// From when the processes are known to the last bound session, for each that came in it.
    pub cpu_ms_per_session: Option<f64>,
}

/// What all clients see.
#[derive(Default)]
struct Gate {
    /// When the first connection was made, or the server said that it is open.
    opened: Cell<Option<Instant>>,
    first: Cell<Option<Instant>>,
    last: Cell<Option<Instant>>,
    bound: Cell<usize>,
    turned_away: Cell<u64>,
    latency: RefCell<Histogram>,
    /// Why the latest connection ended without a session.
    trouble: RefCell<String>,
}

impl Storm {
    /// Every user signs in and out once, so that clients have derived their keys. The caller then
    /// stops the server. Must run inside of a `LocalSet`.
    pub async fn warm_up(&self, target: Rc<Target>) -> anyhow::Result<()> {
        self.check(&target)?;
        let options = target.options(StreamManagement::Off, 1);
        let gate = Rc::new(Semaphore::new(WARM_UPS_AT_ONCE));
        let mut clients = JoinSet::new();
        for user in 0..self.sessions {
            let account = target.users.account(user, RESOURCE)?;
            let mut client: Client<Stream, ()> =
                Client::new(account, options.clone(), user as u64, ());
            let (target, gate) = (target.clone(), gate.clone());
            clients.spawn_local(async move {
                let _turn = gate.acquire().await.context("wait for a turn")?;
                target.connect(&mut client).await.context("sign in")?;
                client.close().await.context("sign out")
            });
        }
        while let Some(client) = clients.join_next().await {
            client.context("join a client")??;
        }
        Ok(())
    }

    /// `open` starts the server, may block, and returns the processes to measure: it gets a thread
    /// of its own. Must run inside of a `LocalSet`, while nobody listens.
    pub async fn run(
        &self,
        target: Rc<Target>,
        open: impl FnOnce() -> anyhow::Result<Vec<u32>> + Send + 'static,
    ) -> anyhow::Result<StormReport> {
        self.check(&target)?;
        let gate = Rc::new(Gate::default());
        let (finish, finished) = watch::channel(false);
        let mut clients = self.raise(&target, &gate, &finished)?;
        let opened = spawn_blocking(open).await;
        let pids = opened.context("join what opens the server")??;
        gate.open();
        // Who is in before the processes are known is not in it: the first few.
        let span = Span::of(&target, pids, "")?;
        let before = gate.bound.get();
        self.wait(&gate, &mut clients).await?;
        let cpu = span.end()?;
        let measured = self.sessions - before;
        target.say(format_args!("{} sessions are in", self.sessions));
        finish.send_replace(true);
        while let Some(client) = clients.join_next().await {
            client.context("join a client")??;
        }
        let cpu = cpu.map(|cpu| cpu / measured.max(1) as f64);
        Ok(StormReport {
            cpu_ms_per_session: cpu,
            ..self.report(&target, &gate)?
        })
    }

    fn check(&self, target: &Target) -> anyhow::Result<()> {
        if self.sessions == 0 {
            bail!("a storm needs at least one session");
        }
        if self.sessions > target.users.count {
            bail!(
                "{} sessions need as many users, there are {}",
                self.sessions,
                target.users.count
            );
        }
        Ok(())
    }

    fn raise(
        &self,
        target: &Rc<Target>,
        gate: &Rc<Gate>,
        finished: &watch::Receiver<bool>,
    ) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
        let options = target.options(StreamManagement::Off, 1);
        let mut clients = JoinSet::new();
        for user in 0..self.sessions {
            let account = target.users.account(user, RESOURCE)?;
            let mut client = Client::new(account, options.clone(), user as u64, ());
            let (target, gate) = (target.clone(), gate.clone());
            let mut finished = finished.clone();
            // Nobody hurries in step with all others.
            let share = user as f64 / self.sessions as f64;
            clients.spawn_local(async move {
                sleep(TRY_AGAIN.mul_f64(share)).await;
                get_in(&target, &gate, &mut client).await?;
                select! {
                    biased;
                    _ = finished.changed() => {}
                    () = stay(&mut client, &gate) => {
                        bail!("lost a session: {}", gate.trouble.borrow())
                    }
                }
                client.close().await.context("sign out")
            });
        }
        Ok(clients)
    }

    async fn wait(
        &self,
        gate: &Gate,
        clients: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let mut moved = (gate.bound.get(), now());
        while gate.bound.get() < self.sessions {
            if let Some(ended) = clients.try_join_next() {
                ended.context("join a client")??;
                bail!("a client ended before its time");
            }
            if gate.bound.get() > moved.0 {
                moved = (gate.bound.get(), now());
            }
            if moved.1.elapsed() > PATIENCE {
                bail!(
                    "{} of {} are in and nobody more for {PATIENCE:?}: {}",
                    moved.0,
                    self.sessions,
                    gate.trouble.borrow()
                );
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    fn report(&self, target: &Target, gate: &Gate) -> anyhow::Result<StormReport> {
        let moments = (gate.opened.get(), gate.first.get(), gate.last.get());
        let (Some(opened), Some(first), Some(last)) = moments else {
            bail!("nobody has seen the listener open");
        };
        Ok(StormReport {
            sessions: self.sessions,
            starttls: target.is_secured(),
            seconds: (last - opened).as_secs_f64(),
            first_seconds: (first - opened).as_secs_f64(),
            sign_in_latency: gate.latency.borrow().latency(),
            turned_away: gate.turned_away.get(),
            cpu_ms_per_session: None,
        })
    }
}

impl Gate {
    /// The earliest word counts.
    fn open(&self) {
        self.opened.set(self.opened.get().or(Some(now())));
    }

    fn bound(&self, since: Instant) {
        let moment = now();
        self.latency.borrow_mut().record(moment - since);
        self.first.set(self.first.get().or(Some(moment)));
        self.last.set(Some(moment));
        self.bound.set(self.bound.get() + 1);
    }
}

/// Tries until it has a session.
async fn get_in(
    target: &Target,
    gate: &Gate,
    client: &mut Client<Stream, ()>,
) -> anyhow::Result<()> {
    let address = *target.addresses.first().context("a server is needed")?;
    loop {
        match timeout(DIAL_LIMIT, dial(address)).await {
            Ok(Ok(stream)) => {
                gate.open();
                let start = now();
                match client.connect(stream).await {
                    Ok(_) => {
                        gate.bound(start);
                        return Ok(());
                    }
                    Err(error) if error.is_retryable() => {
                        gate.turned_away.set(gate.turned_away.get() + 1);
                        *gate.trouble.borrow_mut() = error.to_string();
                    }
                    Err(error) => return Err(error).context("sign in"),
                }
            }
            Ok(Err(error)) if is_away(&error) => {}
            Ok(Err(error)) => return Err(error).context("connect"),
            Err(_) => *gate.trouble.borrow_mut() = format!("no connection in {DIAL_LIMIT:?}"),
        }
        sleep(TRY_AGAIN).await;
    }
}

/// Whether it is the listener that is missing, not something here.
fn is_away(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::TimedOut
    )
}

/// Returns when the session is lost.
async fn stay(client: &mut Client<Stream, ()>, gate: &Gate) {
    loop {
        match client.next().await {
            Ok(crate::client::Event::Closed) => {
                *gate.trouble.borrow_mut() = Error::Closed.to_string();
                return;
            }
            Ok(_) => {}
            Err(error) => {
                *gate.trouble.borrow_mut() = error.to_string();
                return;
            }
        }
    }
}
