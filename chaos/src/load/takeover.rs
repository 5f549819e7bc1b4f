//! A pair whose one node holds all sessions: what one of them keeps of the memory of each process,
//! and how long it takes until all are resumed at the twin once that node is killed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};

use super::clock::now;
use super::dial::Stream;
use super::histogram::{Histogram, Latency};
use super::idle::{SETTLED, settle_in, settled};
use super::target::Target;
use super::usage::{CpuTime, cpu_time};
use crate::client::{Client, Event, Outcome, StreamManagement};
use crate::servers::pair::{CASTOR, Homes, POLLUX, Pair, STATIONS};
use crate::servers::{Users, wait_until};

const SIGN_INS_AT_ONCE: usize = 16;
/// Clients that try at the same time: as many as a listener's queue takes on Linux.
const RETURNS_AT_ONCE: usize = 4_096;
/// How long a client waits after a connection that came to nothing.
const TRY_AGAIN: Duration = Duration::from_millis(50);
/// How long nobody may come back before the run has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const TELL_AGAIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const RESOURCE: &str = "takeover";

#[derive(Debug, Clone, Copy)]
pub struct Takeover {
    /// Each is a user's own, with contact list, availability and stream management.
    pub sessions: usize,
    /// Whether long work says on standard error how far it is.
    pub progress: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct TakeoverReport {
    pub sessions: usize,
    pub sign_in_seconds: f64,
    /// What one session keeps of the node that serves it, of the twin and of the witness.
    pub serving_kib: f64,
    pub backup_kib: f64,
    pub witness_kib: f64,
    /// From the kill to the answer of the twin that it serves the users.
    pub taken_over_seconds: f64,
    /// From the kill to the first and the last resumed session.
    pub first_seconds: f64,
    pub last_seconds: f64,
    /// From the connection that led to it to the resumed session.
    pub resumption: Latency,
    /// CPU of the twin and the witness from the kill to the last resumed session, for each.
    pub cpu_ms_per_session: f64,
    /// Sessions that were not resumed: their clients had to sign in anew.
    pub lost_sessions: usize,
    /// Connections that were made and ended without a session.
    pub turned_away: u64,
}

impl TakeoverReport {
    pub fn holds(&self) -> bool {
        self.lost_sessions == 0
    }
}

/// What all clients see and tell.
struct Floor {
    target: Target,
    signed_in: Cell<usize>,
    /// The kill, from which all is counted.
    killed: Cell<Option<Instant>>,
    back: Cell<usize>,
    /// Of these, who had to sign in anew.
    lost: Cell<usize>,
    returns: RefCell<Vec<Duration>>,
    resumption: RefCell<Histogram>,
    turned_away: Cell<u64>,
    trouble: RefCell<String>,
}

impl Takeover {
    /// The pair is a new one, of which nobody is a user yet. Must run inside of a `LocalSet`.
    pub async fn run(&self, mut pair: Pair) -> anyhow::Result<TakeoverReport> {
        if self.sessions == 0 {
            bail!("a takeover needs at least one session");
        }
        let users = Users::new(self.sessions);
        let floor = Rc::new(Floor::of(&pair, &users, self.progress));
        let target = &floor.target;
        target.say(format_args!("adding {} users", self.sessions));
        pair.add_users(&target.users, Homes::Castor)?;
        pair.wait_healthy(PATIENCE)?;
        let before = memory(&pair).await?;
        let start = now();
        let (finish, finished) = watch::channel(false);
        let mut clients = self.raise(&floor, &finished)?;
        floor
            .wait(&mut clients, "signed in", &floor.signed_in)
            .await?;
        let sign_in_seconds = start.elapsed().as_secs_f64();
        target.say(format_args!("waiting for memory to settle"));
        let after = memory(&pair).await?;
        let each = |station: usize| {
            after[station].saturating_sub(before[station]) as f64 / self.sessions as f64
        };

        let survivors = &pids(&pair)?[1..];
        let cpu_before = cpu_of(survivors)?;
        pair.stations[CASTOR].kill()?;
        let killed = now();
        floor.killed.set(Some(killed));
        // The twin is asked by a thread of its own while the clients come back.
        let owner = spawn_blocking(move || {
            let owns = wait_until(PATIENCE, || {
                Ok(pair.owner(POLLUX).is_ok_and(|owner| owner == POLLUX))
            });
            (pair, owns, now())
        });
        floor.wait(&mut clients, "back", &floor.back).await?;
        let cpu = cpu_of(survivors)? - cpu_before;
        let (pair, owns, taken_over) = owner.await.context("join who asks the twin")?;
        if !owns? {
            bail!("the twin does not say that it serves the users");
        }
        finish.send_replace(true);
        while let Some(client) = clients.join_next().await {
            client.context("join a client")??;
        }
        drop(pair);
        let returns = floor.returns.borrow();
        let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
        Ok(TakeoverReport {
            sessions: self.sessions,
            sign_in_seconds,
            serving_kib: each(CASTOR),
            backup_kib: each(POLLUX),
            witness_kib: each(STATIONS - 1),
            taken_over_seconds: (taken_over - killed).as_secs_f64(),
            first_seconds: seconds(returns.iter().min()),
            last_seconds: seconds(returns.iter().max()),
            resumption: floor.resumption.borrow().latency(),
            cpu_ms_per_session: cpu.ms() / self.sessions as f64,
            lost_sessions: floor.lost.get(),
            turned_away: floor.turned_away.get(),
        })
    }

    fn raise(
        &self,
        floor: &Rc<Floor>,
        finished: &watch::Receiver<bool>,
    ) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
        let gates = (
            Rc::new(Semaphore::new(SIGN_INS_AT_ONCE)),
            Rc::new(Semaphore::new(RETURNS_AT_ONCE)),
        );
        let options = floor.target.options(StreamManagement::Resumable, 1);
        let mut clients = JoinSet::new();
        for user in 0..self.sessions {
            let account = floor.target.users.account(user, RESOURCE)?;
            let mut client = Client::new(account, options.clone(), user as u64, ());
            let (floor, gates) = (floor.clone(), gates.clone());
            let mut finished = finished.clone();
            clients.spawn_local(async move {
                let turn = gates.0.acquire().await.context("wait for a turn")?;
                let settled = settle_in(&floor.target, &mut client).await;
                settled.context("sign in")?;
                drop(turn);
                floor.signed_in.set(floor.signed_in.get() + 1);
                stay(&mut client).await;
                let killed = floor.killed.get();
                let killed = killed.context("a session was lost before the kill")?;
                let turn = gates.1.acquire().await.context("wait for a turn")?;
                floor.come_back(&mut client, killed).await?;
                drop(turn);
                tokio::select! {
                    biased;
                    _ = finished.changed() => {}
                    () = stay(&mut client) => bail!("lost a session at the twin"),
                }
                client.close().await.context("sign out")
            });
        }
        Ok(clients)
    }
}

impl Floor {
    fn of(pair: &Pair, users: &Users, progress: bool) -> Self {
        Floor {
            target: Target::of_pair(pair, users, progress),
            signed_in: Cell::new(0),
            killed: Cell::new(None),
            back: Cell::new(0),
            lost: Cell::new(0),
            returns: RefCell::default(),
            resumption: RefCell::default(),
            turned_away: Cell::new(0),
            trouble: RefCell::default(),
        }
    }

    /// Tries at the twin until there is a session again.
    async fn come_back(
        &self,
        client: &mut Client<Stream, ()>,
        killed: Instant,
    ) -> anyhow::Result<()> {
        let twin = self.target.addresses[POLLUX];
        loop {
            let start = now();
            match self.target.connect_to(client, twin).await {
                Ok(outcome) => {
                    if outcome == Outcome::Bound {
                        self.lost.set(self.lost.get() + 1);
                    }
                    self.back.set(self.back.get() + 1);
                    self.returns.borrow_mut().push(killed.elapsed());
                    self.resumption.borrow_mut().record(start.elapsed());
                    return Ok(());
                }
                Err(error) if error.is_retryable() => {
                    self.turned_away.set(self.turned_away.get() + 1);
                    *self.trouble.borrow_mut() = error.to_string();
                }
                Err(error) => return Err(error).context("come back"),
            }
            sleep(TRY_AGAIN).await;
        }
    }
}

impl Floor {
    /// Until all of them are counted; an error if nobody more was for a while.
    async fn wait(
        &self,
        clients: &mut JoinSet<anyhow::Result<()>>,
        what: &str,
        counted: &Cell<usize>,
    ) -> anyhow::Result<()> {
        let all = self.target.users.count;
        let (mut moved, mut told) = ((counted.get(), now()), now());
        while counted.get() < all {
            if let Some(ended) = clients.try_join_next() {
                ended.context("join a client")??;
                bail!("a client ended before its time");
            }
            if counted.get() > moved.0 {
                moved = (counted.get(), now());
            }
            if moved.1.elapsed() > PATIENCE {
                let trouble = self.trouble.borrow();
                bail!(
                    "{} of {all} are {what} and nobody more for {PATIENCE:?}: {trouble}",
                    moved.0
                );
            }
            if told.elapsed() > TELL_AGAIN {
                told = now();
                self.target
                    .say(format_args!("{} of {all} {what}", counted.get()));
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

/// Returns when the connection is lost.
async fn stay(client: &mut Client<Stream, ()>) {
    while client
        .next()
        .await
        .is_ok_and(|event| event != Event::Closed)
    {}
}

fn pids(pair: &Pair) -> anyhow::Result<Vec<u32>> {
    let pids = pair.stations.iter().map(|one| one.pid());
    let pids: Option<Vec<u32>> = pids.collect();
    pids.context("a process of the pair has ended")
}

/// The settled memory of the three processes, KiB.
async fn memory(pair: &Pair) -> anyhow::Result<[u64; STATIONS]> {
    let mut memory = [0; STATIONS];
    for (pss, pid) in memory.iter_mut().zip(pids(pair)?) {
        *pss = settled(pid, SETTLED).await?.0;
    }
    Ok(memory)
}

fn cpu_of(pids: &[u32]) -> anyhow::Result<CpuTime> {
    pids.iter().copied().map(cpu_time).sum()
}
