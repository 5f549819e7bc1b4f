//! Sign-ins one after the other in some lanes: what one costs the server, from connection to closed
//! stream.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tokio::task::JoinSet;

use super::clock::now;
use super::dial::Stream;
use super::histogram::{Histogram, Latency};
use super::span::Span;
use super::target::Target;
use crate::client::{Client, StreamManagement};

/// Users among whom the sign-ins go round.
const USERS_MAX: usize = 100;

#[derive(Debug, Clone, Copy)]
pub struct SignIn {
    pub count: usize,
    /// Sign-ins at the same time.
    pub concurrency: usize,
    pub stream_management: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct SignInReport {
    pub count: usize,
    pub concurrency: usize,
    pub starttls: bool,
    pub stream_management: bool,
    pub seconds: f64,
    pub per_second: f64,
    /// From the connection to the bound session.
    pub latency: Latency,
    /// The closing of the stream included.
    pub cpu_ms_per_sign_in: Option<f64>,
}

/// What the lanes share.
struct Lanes {
    target: Rc<Target>,
    plan: SignIn,
    next: Cell<usize>,
    last: Cell<usize>,
    latency: RefCell<Histogram>,
}

impl SignIn {
    /// Must run inside of a `LocalSet`.
    pub async fn run(&self, target: Rc<Target>) -> anyhow::Result<SignInReport> {
        let lanes = Rc::new(Lanes {
            target: target.clone(),
            plan: *self,
            next: Cell::new(0),
            last: Cell::new(target.users.count.min(USERS_MAX)),
            latency: RefCell::default(),
        });
        // Every user once, so that clients have derived their keys and servers have seen them.
        self.drive(&lanes).await?;
        lanes.next.set(0);
        lanes.last.set(self.count);
        lanes.latency.borrow_mut().clear();
        let span = Span::begin(&target, "")?;
        let start = now();
        self.drive(&lanes).await?;
        let seconds = start.elapsed().as_secs_f64();
        // What a server does after it has closed a stream belongs to it too.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let cpu = span.end()?;
        let latency = lanes.latency.borrow().latency();
        Ok(SignInReport {
            count: self.count,
            concurrency: self.concurrency,
            starttls: target.is_secured(),
            stream_management: self.stream_management,
            seconds,
            per_second: self.count as f64 / seconds,
            latency,
            cpu_ms_per_sign_in: cpu.map(|cpu| cpu / self.count.max(1) as f64),
        })
    }

    async fn drive(&self, lanes: &Rc<Lanes>) -> anyhow::Result<()> {
        let mut running = JoinSet::new();
        for _ in 0..self.concurrency.max(1) {
            running.spawn_local(lane(lanes.clone()));
        }
        while let Some(lane) = running.join_next().await {
            lane.context("join a lane")??;
        }
        Ok(())
    }
}

async fn lane(lanes: Rc<Lanes>) -> anyhow::Result<()> {
    let users = lanes.target.users.count.min(USERS_MAX);
    let management = match lanes.plan.stream_management {
        true => StreamManagement::Resumable,
        false => StreamManagement::Off,
    };
    let options = lanes.target.options(management, 1);
    while lanes.next.get() < lanes.last.get() {
        let turn = lanes.next.get();
        lanes.next.set(turn + 1);
        if turn > 0 && turn.is_multiple_of(500) {
            lanes.target.say(format_args!("{turn} sign-ins"));
        }
        let account = lanes
            .target
            .users
            .account(turn % users, &format!("turn{turn}"))?;
        let mut client: Client<Stream, ()> = Client::new(account, options.clone(), turn as u64, ());
        let start = now();
        lanes.target.connect(&mut client).await.context("sign in")?;
        lanes.latency.borrow_mut().record(start.elapsed());
        client.close().await.context("sign out")?;
    }
    Ok(())
}
