//! Sessions that do nothing: what one of them keeps of the server's memory.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::select;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::clock::now;
use super::dial::Stream;
use super::target::Target;
use super::usage::pss_kib;
use crate::client::{Client, Error, Event, StreamManagement};

const SIGN_INS_AT_ONCE: usize = 16;
/// Memory has settled when it has moved by less than one in this many kibibytes …
const SETTLED_PART: u64 = 200;
/// … over so many readings, this far apart.
pub(super) const SETTLED: usize = 6;
/// The same for longer than jemalloc keeps what was freed, 10 s: what a start has left would be
/// taken for memory of the sessions that take its place.
const SETTLED_FOR_LONG: usize = 26;
const READ_AGAIN: Duration = Duration::from_millis(500);
const TELL_AGAIN: Duration = Duration::from_secs(2);
const SETTLE_LIMIT: Duration = Duration::from_secs(90);

#[derive(Debug, Clone, Copy)]
pub struct Idle {
    pub sessions: usize,
    pub stream_management: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct IdleReport {
    pub sessions: usize,
    pub starttls: bool,
    pub stream_management: bool,
    pub sign_in_seconds: f64,
    pub settle_seconds: f64,
    pub pss_before_kib: u64,
    pub pss_after_kib: u64,
    pub pss_per_session_kib: f64,
}

impl Idle {
    /// Must run inside of a `LocalSet`. Each session is a user's own, with contact list and
    /// availability.
    pub async fn run(&self, target: Rc<Target>) -> anyhow::Result<IdleReport> {
        let pid = target
            .pid
            .context("memory is measured of a process: name one")?;
        if self.sessions > target.users.count {
            bail!(
                "{} sessions need as many users, there are {}",
                self.sessions,
                target.users.count
            );
        }
        let (before, _) = settled(pid, SETTLED_FOR_LONG).await?;
        let start = now();
        let ready = Rc::new(Cell::new(0));
        let (finish, finished) = watch::channel(false);
        let mut sessions = self.raise(&target, &ready, &finished)?;
        let mut told = now();
        while ready.get() < self.sessions {
            if let Some(ended) = sessions.try_join_next() {
                ended.context("join a session")??;
                bail!("a session ended before its time");
            }
            sleep(Duration::from_millis(20)).await;
            if told.elapsed() > TELL_AGAIN {
                told = now();
                target.say(format_args!(
                    "{} of {} sessions",
                    ready.get(),
                    self.sessions
                ));
            }
        }
        let sign_in_seconds = start.elapsed().as_secs_f64();
        target.say(format_args!(
            "{} sessions, waiting for memory to settle",
            self.sessions
        ));
        let (after, settle_seconds) = settled(pid, SETTLED_FOR_LONG).await?;
        finish.send_replace(true);
        while let Some(ended) = sessions.join_next().await {
            ended.context("join a session")??;
        }
        Ok(IdleReport {
            sessions: self.sessions,
            starttls: target.is_secured(),
            stream_management: self.stream_management,
            sign_in_seconds,
            settle_seconds,
            pss_before_kib: before,
            pss_after_kib: after,
            pss_per_session_kib: after.saturating_sub(before) as f64 / self.sessions.max(1) as f64,
        })
    }

    fn raise(
        &self,
        target: &Rc<Target>,
        ready: &Rc<Cell<usize>>,
        finished: &watch::Receiver<bool>,
    ) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
        let gate = Rc::new(Semaphore::new(SIGN_INS_AT_ONCE));
        let management = match self.stream_management {
            true => StreamManagement::Resumable,
            false => StreamManagement::Off,
        };
        let options = target.options(management, 1);
        let mut sessions = JoinSet::new();
        for index in 0..self.sessions {
            let account = target.users.account(index, "idle")?;
            let mut client = Client::new(account, options.clone(), index as u64, ());
            let (target, ready, gate) = (target.clone(), ready.clone(), gate.clone());
            let mut finished = finished.clone();
            sessions.spawn_local(async move {
                let turn = gate.acquire().await.context("wait for a turn")?;
                settle_in(&target, &mut client).await.context("sign in")?;
                drop(turn);
                ready.set(ready.get() + 1);
                loop {
                    select! {
                        biased;
                        event = client.next() => event.map(drop).context("stay idle")?,
                        _ = finished.changed() => break,
                    }
                }
                // One that is left behind waits for its client, and is sent what comes later.
                client.close().await.context("sign out")
            });
        }
        Ok(sessions)
    }
}

/// What every real client does after it has signed in.
pub(super) async fn settle_in(
    target: &Target,
    client: &mut Client<Stream, ()>,
) -> Result<(), Error> {
    target.connect(client).await?;
    client.request_roster()?;
    client.available()?;
    loop {
        match client.next().await? {
            Event::Presence(_) => return Ok(()),
            Event::Closed => return Err(Error::Closed),
            _ => {}
        }
    }
}

/// Memory once it has not moved over so many readings, and after how many seconds that was.
pub(super) async fn settled(pid: u32, steady_readings: usize) -> anyhow::Result<(u64, f64)> {
    let start = now();
    let mut readings = vec![pss_kib(pid)?];
    loop {
        sleep(READ_AGAIN).await;
        readings.push(pss_kib(pid)?);
        let latest = &readings[readings.len().saturating_sub(steady_readings)..];
        let least = latest.iter().copied().min().unwrap_or_default();
        let most = latest.iter().copied().max().unwrap_or_default();
        let steady = latest.len() == steady_readings && most - least <= most / SETTLED_PART;
        if steady || start.elapsed() > SETTLE_LIMIT {
            let last = latest.last().copied().unwrap_or_default();
            return Ok((last, start.elapsed().as_secs_f64()));
        }
    }
}
