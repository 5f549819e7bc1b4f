//! What pairs who talk at a steady rate notice of hostile neighbours, and what the server keeps of
//! them when they have gone. What they do is in `neighbours`.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::clock::now;
use super::histogram::Latency;
use super::neighbours::Neighbours;
use super::stage::{Cast, Stage};
use super::target::Target;
use super::usage::pss_kib;

/// Not measured, at the beginning.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long nothing may move at the end before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long memory may take to return …
const RETURN_LIMIT: Duration = Duration::from_secs(60);
const READ_AGAIN: Duration = Duration::from_millis(500);
/// … to what it was and this, or and a quarter of what the neighbours took: no allocator gives
/// everything back, and the pairs talk on.
const MARGIN_KIB: u64 = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostileKind {
    /// Connections that open a stream and never sign in. Who is turned away comes again.
    Unauthenticated,
    /// Sessions that read one byte a second while they are sent to, a message of 4 KiB a second
    /// each.
    SlowReaders,
    /// Users who send to one who reads, as fast as their sockets take it.
    Flood,
}

/// The good clients use stream management; their latency counts from the moment at which a message
/// was meant to go. The neighbours have a thread of their own, so that it is the server that they
/// hold up and not those who measure.
#[derive(Debug, Clone, Copy)]
pub struct Hostile {
    pub kind: HostileKind,
    /// How many of them.
    pub count: usize,
    /// Pairs of good clients.
    pub pairs: usize,
    /// Messages a second of all pairs together.
    pub rate: f64,
    /// Measured before and after.
    pub calm: Duration,
    /// Measured while they are there.
    pub during: Duration,
}

#[derive(Debug, Clone, Serialize)]
pub struct HostileReport {
    pub kind: HostileKind,
    pub count: usize,
    pub pairs: usize,
    pub rate: f64,
    pub starttls: bool,
    pub before: Latency,
    pub during: Latency,
    pub after: Latency,
    pub pss_before_kib: u64,
    pub pss_during_kib: u64,
    pub pss_after_kib: u64,
    /// From the neighbours' end to the reading above.
    pub return_seconds: f64,
    /// Good messages that arrived.
    pub received: u64,
    /// Good messages that were lost, came twice or out of order.
    pub wrong: u64,
    /// Bytes that were sent by the neighbours, or to them where they read slowly.
    pub hostile_bytes: u64,
    /// Connections of the neighbours that the server ended.
    pub ended: u64,
    /// The 99th percentile at most doubled.
    pub latency_holds: bool,
    pub memory_returns: bool,
}

impl HostileReport {
    pub fn holds(&self) -> bool {
        self.latency_holds && self.memory_returns && self.wrong == 0
    }
}

impl Hostile {
    /// How many users it needs.
    pub fn users(&self) -> usize {
        let of_neighbours = match self.kind {
            HostileKind::Unauthenticated => 0,
            HostileKind::SlowReaders => self.count + 1,
            HostileKind::Flood => self.count * 2,
        };
        self.pairs * 2 + of_neighbours
    }

    /// Must run inside of a `LocalSet`.
    pub async fn run(&self, target: Rc<Target>) -> anyhow::Result<HostileReport> {
        let pid = target.pid;
        let pid = pid.context("memory is measured of a process: name one")?;
        if self.count == 0 || self.pairs == 0 || !(self.rate.is_finite() && self.rate > 0.0) {
            bail!("hostile needs at least one neighbour, one pair and a rate above 0");
        }
        if self.users() > target.users.count {
            let there_are = target.users.count;
            bail!("{} users are needed, there are {there_are}", self.users());
        }
        let mut stage = Stage::open(target.clone(), Cast::of(self.pairs)).await?;
        target.say(format_args!("{} pairs signed in", self.pairs));
        let (stop, stopped) = oneshot::channel::<()>();
        let paced = stage.pace(self.rate, async {
            // The measurement has ended, in one way or another.
            let _ = stopped.await;
        });
        let measured = async {
            let report = self.measure(&stage, &target, pid).await;
            drop(stop);
            report
        };
        let ((), report) = tokio::try_join!(paced, measured)?;
        stage.drain(PATIENCE).await?;
        let verdict = stage.finish().await?;
        Ok(HostileReport {
            received: verdict.received,
            wrong: verdict.lost + verdict.twice + verdict.out_of_order,
            ..report
        })
    }

    async fn measure(
        &self,
        stage: &Stage,
        target: &Target,
        pid: u32,
    ) -> anyhow::Result<HostileReport> {
        sleep(WARM_UP).await;
        let mut neighbours = Neighbours::sign_in(self, target).await?;
        let before = look(stage, self.calm).await;
        let pss_before_kib = pss_kib(pid)?;
        target.say(format_args!("before: p99 {:.2} ms", before.p99_ms));
        neighbours.begin();
        let during = look(stage, self.during).await;
        let pss_during_kib = pss_kib(pid)?;
        neighbours.check()?;
        target.say(format_args!("during: p99 {:.2} ms", during.p99_ms));
        let (hostile_bytes, ended) = neighbours.leave().await?;
        let left = now();
        let after = look(stage, self.calm).await;
        let enough = (pss_during_kib.saturating_sub(pss_before_kib) / 4).max(MARGIN_KIB);
        let mut pss_after_kib = pss_kib(pid)?;
        while pss_after_kib > pss_before_kib + enough && left.elapsed() < RETURN_LIMIT {
            sleep(READ_AGAIN).await;
            pss_after_kib = pss_kib(pid)?;
        }
        Ok(HostileReport {
            kind: self.kind,
            count: self.count,
            pairs: self.pairs,
            rate: self.rate,
            starttls: target.is_secured(),
            before,
            during,
            after,
            pss_before_kib,
            pss_during_kib,
            pss_after_kib,
            return_seconds: left.elapsed().as_secs_f64(),
            received: 0,
            wrong: 0,
            hostile_bytes,
            ended,
            latency_holds: 0.0 < during.p99_ms && during.p99_ms <= before.p99_ms * 2.0,
            memory_returns: pss_after_kib <= pss_before_kib + enough,
        })
    }
}

/// Latency of what is meant to go from now on for that long, however late it arrives. What does not
/// arrive at all counts as the longest.
async fn look(stage: &Stage, time: Duration) -> Latency {
    let shared = &stage.shared;
    shared.latency.borrow_mut().clear();
    shared.meant.set(0);
    let end = now() + time;
    shared.window.set(Some((now(), end)));
    sleep(time).await;
    let arrived = || shared.latency.borrow().count();
    while arrived() < shared.meant.get() && now() < end + PATIENCE {
        sleep(READ_AGAIN).await;
    }
    for _ in arrived()..shared.meant.get() {
        shared.latency.borrow_mut().record(PATIENCE);
    }
    let latency = stage.latency().latency();
    shared.window.set(None);
    latency
}
