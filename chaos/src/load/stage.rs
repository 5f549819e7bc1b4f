//! A run with many players: gets them ready, paces them, waits until all is said, sends them home.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::select;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::clock::now;
use super::histogram::Histogram;
use super::oracle::{Oracle, Verdict};
use super::pacer::Pacer;
use super::player::{Phase, Player, Shared};
use super::route::Route;
use super::target::Target;
use super::timeline::Timeline;
use super::watch::Watch;
use crate::client::{Client, StreamManagement};

/// Clients that sign in at the same time.
const SIGN_INS_AT_ONCE: usize = 16;
/// Messages that may be due and unsent for one player.
const DUE_MAX: usize = 16_384;
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// After the last message, for repetitions that come late.
const LINGER: Duration = Duration::from_millis(500);

/// Who plays, and how.
#[derive(Debug, Clone, Copy)]
pub struct Cast {
    pub pairs: usize,
    pub stream_management: bool,
    /// Asks for an acknowledgement after this many stanzas.
    pub request_every: u32,
    /// A message that arrives is answered with the next one.
    pub echo: bool,
    /// To bare JIDs; else to full ones.
    pub bare: bool,
    pub body_bytes: usize,
    /// Players come back after a fault; else a fault ends the run.
    pub persist: bool,
    /// Partners watch each other's availability.
    pub watch: bool,
    pub seed: u64,
}

impl Cast {
    /// Pairs that talk under stream management and are asked for by full JIDs, each message for
    /// itself. A fault ends the run.
    pub fn of(pairs: usize) -> Cast {
        Cast {
            pairs,
            stream_management: true,
            request_every: 1,
            echo: false,
            bare: false,
            body_bytes: 64,
            persist: false,
            watch: false,
            seed: 1,
        }
    }
}

pub struct Stage {
    pub shared: Rc<Shared>,
    target: Rc<Target>,
    due: Vec<mpsc::Sender<Instant>>,
    phase: watch::Sender<Phase>,
    players: JoinSet<anyhow::Result<()>>,
}

impl Stage {
    /// Signs everybody in. Must run inside of a `LocalSet`.
    pub async fn open(target: Rc<Target>, cast: Cast) -> anyhow::Result<Self> {
        let count = cast.pairs * 2;
        if count > target.users.count {
            bail!(
                "{} pairs need {count} users, there are {}",
                cast.pairs,
                target.users.count
            );
        }
        let run = std::process::id()
            .wrapping_mul(1000)
            .wrapping_add(cast.seed as u32 % 1000);
        let shared = Rc::new(Shared {
            oracle: Rc::new(RefCell::new(Oracle::new(run, count))),
            run,
            start: now(),
            body: "x".repeat(cast.body_bytes),
            stream_management: cast.stream_management,
            echo: cast.echo,
            latency: RefCell::default(),
            window: Cell::default(),
            meant: Cell::default(),
            recovery: RefCell::default(),
            received: Cell::new(0),
            ready: Cell::new(0),
            queued: Cell::new(0),
            faults: RefCell::default(),
            watch: cast.watch.then(|| RefCell::new(Watch::new(count))),
            timeline: RefCell::default(),
        });
        let phase = watch::Sender::new(Phase::Running);
        let mut stage = Stage {
            shared,
            target,
            due: Vec::new(),
            phase,
            players: JoinSet::new(),
        };
        stage.raise(cast)?;
        stage.wait_ready(count).await?;
        stage.wait_seen(count).await?;
        Ok(stage)
    }

    /// One message more from this player, now.
    pub fn kick(&self, flow: usize) -> anyhow::Result<()> {
        self.enqueue(flow, now())
    }

    /// Lets the players send in turn, `rate` messages a second in all, until `stop`. Each message
    /// counts from the moment at which it was meant to go, whatever delays it.
    pub async fn pace(&self, rate: f64, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let pacer = Pacer::new()?;
        let start = now();
        let mut stop = pin!(stop);
        for k in 0_u64.. {
            let meant = start + Duration::from_secs_f64(k as f64 / rate);
            select! {
                biased;
                () = &mut stop => break,
                waited = pacer.until(meant) => waited?,
            }
            self.enqueue((k % self.due.len() as u64) as usize, meant)?;
        }
        Ok(())
    }

    /// Waits until all that was promised has arrived, or nothing has moved for `patience`.
    pub async fn drain(&mut self, patience: Duration) -> anyhow::Result<()> {
        self.phase.send_replace(Phase::Draining);
        let mut last = (self.moved(), now());
        while self.under_way() > 0 && now() - last.1 < patience {
            self.check_players()?;
            if self.moved() != last.0 {
                last = (self.moved(), now());
            }
            sleep(LOOK_AGAIN).await;
        }
        sleep(LINGER).await;
        Ok(())
    }

    /// Half of the players sign off; how many of the others still see their partner after
    /// `patience` at most. Those are ghosts.
    pub async fn part(&mut self, patience: Duration) -> usize {
        let Some(watch) = self.shared.watch.as_ref() else {
            return 0;
        };
        watch.borrow_mut().everybody_is_here(false);
        self.phase.send_replace(Phase::Parting);
        let ghosts = || watch.borrow().seeing(|flow| flow % 2 == 1);
        let end = now() + patience;
        while ghosts() > 0 && now() < end {
            sleep(LOOK_AGAIN).await;
        }
        ghosts()
    }

    /// Waits until every player sees its partner; how many do not after `patience`.
    pub async fn unseen(&self, patience: Duration) -> usize {
        let Some(watch) = self.shared.watch.as_ref() else {
            return 0;
        };
        let unseen = || self.due.len() - watch.borrow().seeing(|_| true);
        let end = now() + patience;
        while unseen() > 0 && now() < end {
            sleep(LOOK_AGAIN).await;
        }
        unseen()
    }

    /// What happened when, so far.
    pub fn take_timeline(&self) -> Timeline {
        self.shared.timeline.take()
    }

    /// Ends all sessions and judges.
    pub async fn finish(mut self) -> anyhow::Result<Verdict> {
        let verdict = self
            .shared
            .oracle
            .borrow()
            .judge(self.shared.stream_management);
        self.phase.send_replace(Phase::Finished);
        while let Some(player) = self.players.join_next().await {
            player.context("join a player")??;
        }
        Ok(verdict)
    }

    /// Sees whether a player has ended before its time.
    pub fn check_players(&mut self) -> anyhow::Result<()> {
        match self.players.try_join_next() {
            None => Ok(()),
            Some(Ok(Err(error))) => Err(error),
            Some(_) => bail!("a player ended before its time"),
        }
    }

    pub fn latency(&self) -> Histogram {
        self.shared.latency.borrow().clone()
    }

    fn under_way(&self) -> u64 {
        let oracle = self.shared.oracle.borrow();
        oracle.under_way(self.shared.stream_management) + self.shared.queued.get()
    }

    /// Changes whenever anything got further.
    fn moved(&self) -> u64 {
        let oracle = self.shared.oracle.borrow();
        let verdict = &oracle.verdict;
        verdict.sent
            + verdict.received
            + verdict.acknowledged
            + verdict.refused
            + verdict.in_doubt
            + verdict.resumptions
    }

    fn enqueue(&self, flow: usize, meant: Instant) -> anyhow::Result<()> {
        self.shared.queued.set(self.shared.queued.get() + 1);
        let looked_at = self.shared.is_looked_at(meant);
        self.shared
            .meant
            .set(self.shared.meant.get() + u64::from(looked_at));
        let sent = self.due[flow].try_send(meant);
        sent.with_context(|| format!("the server is {DUE_MAX} messages behind one sender's rate"))
    }

    fn raise(&mut self, cast: Cast) -> anyhow::Result<()> {
        let gate = Rc::new(Semaphore::new(SIGN_INS_AT_ONCE));
        let management = match (cast.stream_management, cast.persist) {
            (false, _) => StreamManagement::Off,
            (true, _) => StreamManagement::Resumable,
        };
        let options = self.target.options(management, cast.request_every);
        for flow in 0..cast.pairs * 2 {
            let account = self.target.users.account(flow, "load")?;
            let partner = self.target.users.account(flow ^ 1, "load")?.bare_jid();
            let to = if cast.bare {
                partner.clone()
            } else {
                format!("{partner}/load")
            };
            let (due_sender, due) = mpsc::channel(DUE_MAX);
            self.due.push(due_sender);
            let seed = cast.seed.wrapping_mul(1_000_003).wrapping_add(flow as u64);
            let oracle = self.shared.oracle.clone();
            let mut player = Player {
                client: Client::new(account, options.clone(), seed, oracle),
                flow: u32::try_from(flow).context("number the players")?,
                seq: 0,
                to,
                partner,
                route: Route::new(&self.target.addresses, flow / 2),
                due,
                phase: self.phase.subscribe(),
                shared: self.shared.clone(),
            };
            let (target, gate) = (self.target.clone(), gate.clone());
            self.players.spawn_local(async move {
                if cast.persist {
                    return Ok(player.persist(&target, &gate).await?);
                }
                let turn = gate.acquire().await.context("wait for a turn")?;
                player
                    .connect(&target)
                    .await
                    .with_context(|| sign_in(&player))?;
                drop(turn);
                player.shared.ready.set(player.shared.ready.get() + 1);
                player
                    .play(target.patience)
                    .await
                    .with_context(|| format!("play {:?}", player.client.account))?;
                Ok(player.client.close().await?)
            });
        }
        Ok(())
    }

    async fn wait_seen(&mut self, count: usize) -> anyhow::Result<()> {
        let unseen = self.unseen(Duration::from_secs(30)).await;
        if unseen > 0 {
            bail!("{unseen} of {count} clients do not see their partner");
        }
        if let Some(watch) = self.shared.watch.as_ref() {
            watch.borrow_mut().everybody_is_here(true);
        }
        Ok(())
    }

    async fn wait_ready(&mut self, count: usize) -> anyhow::Result<()> {
        let mut told = now();
        while self.shared.ready.get() < count {
            self.check_players()?;
            if now() - told > Duration::from_secs(2) {
                told = now();
                self.target.say(format_args!(
                    "{} of {count} signed in",
                    self.shared.ready.get()
                ));
                if let Some(fault) = self.shared.faults.borrow().first() {
                    bail!("sign in: {fault}");
                }
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

fn sign_in(player: &Player) -> String {
    format!("sign in {:?}", player.client.account)
}
