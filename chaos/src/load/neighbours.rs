//! Hostile neighbours on a thread of their own: how they come, behave and go. What others notice of
//! them is measured in `hostile`.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;

use super::drip::Drip;
use super::hostile::{Hostile, HostileKind};
use super::misdeeds::{dawdle, feed, flood, lurk, swallow};
use super::target::Target;
use crate::client::{Client, KeyCache, Mechanism, Options, StreamManagement, Tls};
use crate::servers::Users;

const SIGN_INS_AT_ONCE: usize = 16;
const SIGN_IN_LIMIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
pub const RESOURCE: &str = "hostile";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Signed in and quiet.
    Waiting,
    Acting,
    Leaving,
}

/// What all of them share, and what crosses to their thread.
#[derive(Clone)]
pub struct Gang {
    pub plan: Hostile,
    pub address: SocketAddr,
    pub users: Users,
    pub phase: watch::Receiver<Phase>,
    pub tally: Arc<Tally>,
    tls: Tls,
    mechanism: Option<Mechanism>,
}

#[derive(Debug, Default)]
pub struct Tally {
    pub ready: AtomicUsize,
    pub bytes: AtomicU64,
    pub ended: AtomicU64,
}

/// Dropped, it sends them home.
pub struct Neighbours {
    phase: watch::Sender<Phase>,
    tally: Arc<Tally>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

/// How one of them signs in.
pub struct Door {
    pub gang: Gang,
    options: Rc<Options>,
    turns: Semaphore,
}

impl Neighbours {
    /// Those who need a session have one when this returns; nobody acts yet.
    pub async fn sign_in(plan: &Hostile, target: &Target) -> anyhow::Result<Self> {
        let phase = watch::Sender::new(Phase::Waiting);
        let tally = Arc::new(Tally::default());
        let gang = Gang {
            plan: *plan,
            address: *target.addresses.first().context("a server is needed")?,
            users: target.users.clone(),
            phase: phase.subscribe(),
            tally: tally.clone(),
            tls: target.tls.clone(),
            mechanism: target.mechanism,
        };
        let (count, tasks) = (plan.count, gang.tasks());
        let mut neighbours = Neighbours {
            phase,
            tally,
            thread: Some(thread::spawn(move || live(gang))),
        };
        while neighbours.tally.ready.load(Ordering::Relaxed) < tasks {
            neighbours.check()?;
            sleep(LOOK_AGAIN).await;
        }
        target.say(format_args!("{count} hostile neighbours wait"));
        Ok(neighbours)
    }

    pub fn begin(&self) {
        self.phase.send_replace(Phase::Acting);
    }

    /// Sees whether their thread has ended before its time.
    pub fn check(&mut self) -> anyhow::Result<()> {
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            self.join()?;
            bail!("the neighbours went before their time");
        }
        Ok(())
    }

    /// All go, without a word. How many bytes they sent or were sent, and how often a server ended
    /// one's connection.
    pub async fn leave(mut self) -> anyhow::Result<(u64, u64)> {
        self.phase.send_replace(Phase::Leaving);
        while self
            .thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
        {
            sleep(LOOK_AGAIN).await;
        }
        self.join()?;
        let tally = &self.tally;
        Ok((
            tally.bytes.load(Ordering::Relaxed),
            tally.ended.load(Ordering::Relaxed),
        ))
    }

    fn join(&mut self) -> anyhow::Result<()> {
        let ended = self.thread.take().map(JoinHandle::join);
        let ended = ended.context("the neighbours have gone before")?;
        ended
            .ok()
            .context("the neighbours' thread panicked")?
            .context("be a hostile neighbour")
    }
}

/// The neighbours' thread.
fn live(gang: Gang) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("start the neighbours' runtime")?;
    LocalSet::new().block_on(&runtime, async move {
        let mut all = gang.raise()?;
        while let Some(ended) = all.join_next().await {
            ended.context("join a neighbour")??;
        }
        Ok(())
    })
}

impl Gang {
    /// Each counts itself ready once.
    fn tasks(&self) -> usize {
        match self.plan.kind {
            HostileKind::Unauthenticated => self.plan.count,
            HostileKind::SlowReaders => self.plan.count + 1,
            HostileKind::Flood => self.plan.count * 2,
        }
    }

    fn raise(self) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
        let options = Options {
            tls: self.tls.clone(),
            mechanism: self.mechanism,
            stream_management: StreamManagement::Off,
            request_every: 0,
            answer_requests: true,
            timeout: SIGN_IN_LIMIT,
            keys: KeyCache::default(),
        };
        let (count, first) = (self.plan.count, self.plan.pairs * 2);
        let kind = self.plan.kind;
        let door = Rc::new(Door {
            gang: self,
            options: options.shared(),
            turns: Semaphore::new(SIGN_INS_AT_ONCE),
        });
        let mut all = JoinSet::new();
        for number in 0..count {
            let (door, user) = (door.clone(), first + number);
            match kind {
                HostileKind::Unauthenticated => all.spawn_local(lurk(door, number)),
                HostileKind::SlowReaders => all.spawn_local(dawdle(door, user)),
                HostileKind::Flood => {
                    all.spawn_local(swallow(door.clone(), user + count));
                    all.spawn_local(flood(door, user, user + count))
                }
            };
        }
        if kind == HostileKind::SlowReaders {
            all.spawn_local(feed(door, first + count, first..first + count));
        }
        Ok(all)
    }
}

impl Door {
    /// One who has signed in and said that it is here; and what makes it read slowly.
    pub async fn enter(&self, user: usize, receive_bytes: Option<u32>) -> anyhow::Result<Guest> {
        let _turn = self.turns.acquire().await.context("wait for a turn")?;
        let account = self.gang.users.account(user, RESOURCE)?;
        let drip = Drip::dial(user, self.gang.address, receive_bytes).await;
        let (drip, tap) = drip.context("connect")?;
        let mut client = Client::new(account, self.options.clone(), user as u64, ());
        client.connect(drip).await.context("sign in")?;
        client.available()?;
        client.flush().await?;
        self.ready();
        Ok(Guest { client, tap })
    }

    pub fn ready(&self) {
        self.gang.tally.ready.fetch_add(1, Ordering::Relaxed);
    }

    pub fn ended(&self) {
        self.gang.tally.ended.fetch_add(1, Ordering::Relaxed);
    }

    pub fn sent(&self, bytes: usize) {
        self.gang
            .tally
            .bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Returns when that phase, or one after it, has come. Also when nobody is left to say so.
    pub async fn until(&self, wanted: Phase) {
        let mut phase = self.gang.phase.clone();
        let come = phase.wait_for(|phase| *phase == wanted || *phase == Phase::Leaving);
        // An error says that the measurement is gone, and that is a reason to leave as well.
        let _ = come.await;
    }
}

pub struct Guest {
    pub client: Client<Drip, ()>,
    pub tap: super::drip::Tap,
}
