//! Messages to users who are away: what one costs the server to keep, and what to hand out. Who
//! says and hears what is in `offline_ears`.

use std::rc::Rc;
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;
use tokio::time::sleep;

use super::clock::now;
use super::crowd::Crowd;
use super::offline_ears::{Receivers, Senders};
use super::span::Span;
use super::target::Target;
use crate::client::StreamManagement;

/// How long nothing may move before the run has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a server does after its last word belongs to it too; and what comes twice comes late.
const AFTER: Duration = Duration::from_millis(200);
const RESOURCE: &str = "offline";

/// Senders keep a window of messages under way. With stream management the server's
/// acknowledgements move it; without, a ping after every few messages does, because a server
/// answers in order.
#[derive(Debug, Clone, Copy)]
pub struct Offline {
    /// Users who send, each to one of as many others, who are away.
    pub senders: usize,
    /// No more than the server keeps for one user.
    pub messages_each: usize,
    pub body_bytes: usize,
    pub stream_management: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct OfflineReport {
    pub senders: usize,
    pub starttls: bool,
    pub stream_management: bool,
    pub stored: u64,
    pub delivered: u64,
    pub cpu_ms_per_stored: Option<f64>,
    /// From the receivers' first availability to the last message; their sign-in is not in it.
    pub cpu_ms_per_delivered: Option<f64>,
    pub store_per_second: f64,
    pub deliver_per_second: f64,
}

/// What one half of the run came to.
struct Half {
    cpu_ms: Option<f64>,
    seconds: f64,
}

impl Offline {
    /// How many users it needs.
    pub fn users(&self) -> usize {
        self.senders * 2
    }

    /// Each message must arrive once and in order, else it is an error. Must run inside of a
    /// `LocalSet`.
    pub async fn run(&self, target: Rc<Target>) -> anyhow::Result<OfflineReport> {
        if self.senders == 0 || self.messages_each == 0 {
            bail!("offline needs at least one sender and one message of each");
        }
        if self.users() > target.users.count {
            bail!(
                "{} senders need {} users, there are {}",
                self.senders,
                self.users(),
                target.users.count
            );
        }
        let messages = (self.senders * self.messages_each) as u64;
        let stored = self.store(&target).await?;
        target.say(format_args!(
            "{messages} messages stored in {:.1} s",
            stored.seconds
        ));
        let delivered = self.deliver(&target).await?;
        let each = |half: &Half| half.cpu_ms.map(|cpu| cpu / messages as f64);
        Ok(OfflineReport {
            senders: self.senders,
            starttls: target.is_secured(),
            stream_management: self.stream_management,
            stored: messages,
            delivered: messages,
            cpu_ms_per_stored: each(&stored),
            cpu_ms_per_delivered: each(&delivered),
            store_per_second: messages as f64 / stored.seconds,
            deliver_per_second: messages as f64 / delivered.seconds,
        })
    }

    async fn store(&self, target: &Rc<Target>) -> anyhow::Result<Half> {
        let ear = Rc::new(Senders::new(self, target)?);
        let senders = 0..self.senders;
        let mut crowd =
            Crowd::gather(target, senders, RESOURCE, self.management(), ear.clone()).await?;
        let (span, start) = (Span::begin(target, "stored")?, now());
        for me in 0..crowd.len() {
            for stanza in ear.more(me) {
                crowd.tell(me, stanza)?;
            }
        }
        let what = "messages to keep";
        crowd.until(PATIENCE, what, || ear.left()).await?;
        let half = half(span, ear.last() - start).await?;
        crowd.dismiss().await?;
        Ok(half)
    }

    async fn deliver(&self, target: &Rc<Target>) -> anyhow::Result<Half> {
        let ear = Rc::new(Receivers::new(self));
        let receivers = self.senders..self.senders * 2;
        let mut crowd =
            Crowd::gather(target, receivers, RESOURCE, self.management(), ear.clone()).await?;
        let (span, start) = (Span::begin(target, "delivered")?, now());
        crowd.tell_all("<presence/>")?;
        let what = "messages that were kept";
        crowd.until(PATIENCE, what, || ear.left()).await?;
        let half = half(span, ear.last() - start).await?;
        crowd.check()?;
        crowd.dismiss().await?;
        Ok(half)
    }

    fn management(&self) -> StreamManagement {
        match self.stream_management {
            true => StreamManagement::Resumable,
            false => StreamManagement::Off,
        }
    }
}

async fn half(span: Span, took: Duration) -> anyhow::Result<Half> {
    sleep(AFTER).await;
    Ok(Half {
        cpu_ms: span.end()?,
        seconds: took.as_secs_f64(),
    })
}
