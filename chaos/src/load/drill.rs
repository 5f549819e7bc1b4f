//! The oracle's drill: pairs talk at a rate through every restart of the server, and the account
//! must hold.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use tokio::select;
use tokio::time::sleep;

use super::clock::now;
use super::histogram::Latency;
use super::oracle::Verdict;
use super::stage::{Cast, Stage};
use super::target::Target;
use crate::servers::Mode;

/// How many lost messages a report names.
const NAMED_MAX: usize = 10;

#[derive(Debug, Clone, Copy)]
pub struct Drill {
    pub cast: Cast,
    /// Messages a second in all.
    pub rate: f64,
    /// How long nothing may move before what is missing counts as lost.
    pub patience: Duration,
}

#[derive(Debug, Clone, Serialize)]
pub struct DrillReport {
    pub pairs: usize,
    pub rate: f64,
    pub starttls: bool,
    pub seconds: f64,
    pub verdict: Verdict,
    /// From the moment at which a message was meant to go, outages included.
    pub latency: Latency,
    /// From a lost connection to the client's next session.
    pub recovery: Latency,
    /// The first lost messages, as (sender, number).
    pub lost: Vec<(u32, u32)>,
    /// What ended connections in a way that no restart explains.
    pub faults: Vec<String>,
}

impl DrillReport {
    /// Whether the server kept every promise.
    pub fn holds(&self, mode: Mode) -> bool {
        let verdict = &self.verdict;
        let broken = verdict.lost + verdict.out_of_order + verdict.h_backwards + verdict.h_ahead;
        broken == 0 && (verdict.twice == 0 || mode.may_repeat())
    }
}

impl Drill {
    /// Runs until `stop`, then waits until all that was promised has arrived.
    pub async fn run(
        &self,
        target: Rc<Target>,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<DrillReport> {
        let mut stage = Stage::open(target.clone(), self.cast).await?;
        target.say(format_args!("{} pairs signed in", self.cast.pairs));
        let start = now();
        select! {
            biased;
            paced = stage.pace(self.rate, stop) => paced?,
            () = tell(&stage, &target) => {}
        }
        target.say(format_args!("draining"));
        stage.drain(self.patience).await?;
        let shared = stage.shared.clone();
        let verdict = stage.finish().await?;
        let lost = shared.oracle.borrow().lost(NAMED_MAX);
        let faults = shared.faults.take();
        let latency = shared.latency.borrow().latency();
        let recovery = shared.recovery.borrow().latency();
        Ok(DrillReport {
            pairs: self.cast.pairs,
            rate: self.rate,
            starttls: target.is_secured(),
            seconds: start.elapsed().as_secs_f64(),
            verdict,
            latency,
            recovery,
            lost,
            faults,
        })
    }
}

/// Says every few seconds how far the drill is; never ends.
async fn tell(stage: &Stage, target: &Target) {
    loop {
        sleep(Duration::from_secs(5)).await;
        let oracle = stage.shared.oracle.borrow();
        let verdict = &oracle.verdict;
        target.say(format_args!(
            "sent {}, acknowledged {}, received {}, twice {}, resumed {}",
            verdict.sent,
            verdict.acknowledged,
            verdict.received,
            verdict.twice,
            verdict.resumptions
        ));
    }
}
