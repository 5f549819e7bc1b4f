//! Messages between pairs, in a closed loop or at a rate: what one costs the server and how long it
//! takes.

use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{sleep, sleep_until};

use super::clock::now;
use super::histogram::Latency;
use super::oracle::Verdict;
use super::span::Span;
use super::stage::{Cast, Stage};
use super::target::Target;

#[derive(Debug, Clone, Copy)]
pub struct Messages {
    pub cast: Cast,
    /// Messages a second in all; a closed loop where there is none.
    pub rate: Option<f64>,
    /// Closed loop: messages of a pair under way at the same time.
    pub window: usize,
    pub warm_up: Duration,
    pub duration: Duration,
    /// How long nothing may move before what is missing counts as lost.
    pub patience: Duration,
}

#[derive(Debug, Clone, Serialize)]
pub struct MessagesReport {
    pub pairs: usize,
    /// Messages a second that were asked for; none in a closed loop.
    pub rate: Option<f64>,
    pub stream_management: bool,
    pub starttls: bool,
    pub seconds: f64,
    /// Delivered in the measured time.
    pub messages: u64,
    pub per_second: f64,
    pub latency: Latency,
    pub cpu_ms_per_message: Option<f64>,
    /// Of the whole run, warm-up included.
    pub verdict: Verdict,
}

impl Messages {
    pub async fn run(&self, target: Rc<Target>) -> anyhow::Result<MessagesReport> {
        let mut stage = Stage::open(target.clone(), self.cast).await?;
        target.say(format_args!("{} pairs signed in", self.cast.pairs));
        let end = now() + self.warm_up + self.duration;
        let measured = match self.rate {
            Some(rate) => {
                let (paced, measured) = tokio::join!(
                    stage.pace(rate, sleep_until(end)),
                    self.measure(&stage, &target)
                );
                paced?;
                measured?
            }
            None => {
                for flow in (0..self.cast.pairs * 2).step_by(2) {
                    for _ in 0..self.window {
                        stage.kick(flow)?;
                    }
                }
                self.measure(&stage, &target).await?
            }
        };
        stage.drain(self.patience).await?;
        let verdict = stage.finish().await?;
        Ok(MessagesReport {
            verdict,
            ..measured
        })
    }

    /// Counts from the end of the warm-up to the end of the run.
    async fn measure(&self, stage: &Stage, target: &Target) -> anyhow::Result<MessagesReport> {
        sleep(self.warm_up).await;
        let span = Span::begin(target, "")?;
        stage.shared.latency.borrow_mut().clear();
        let (received_before, start) = (stage.shared.received.get(), now());
        let mut told = (received_before, start);
        while start.elapsed() < self.duration {
            sleep(Duration::from_secs(2).min(self.duration.saturating_sub(start.elapsed()))).await;
            let received = stage.shared.received.get();
            let per_second = (received - told.0) as f64 / told.1.elapsed().as_secs_f64().max(0.001);
            target.say(format_args!(
                "{:>3.0} s: {per_second:.0} messages/s",
                start.elapsed().as_secs_f64()
            ));
            told = (received, now());
        }
        let cpu = span.end()?;
        let seconds = start.elapsed().as_secs_f64();
        let messages = stage.shared.received.get() - received_before;
        Ok(MessagesReport {
            pairs: self.cast.pairs,
            rate: self.rate,
            stream_management: self.cast.stream_management,
            starttls: target.is_secured(),
            seconds,
            messages,
            per_second: messages as f64 / seconds,
            latency: stage.latency().latency(),
            cpu_ms_per_message: cpu.map(|cpu| cpu / messages.max(1) as f64),
            verdict: Verdict::default(),
        })
    }
}
