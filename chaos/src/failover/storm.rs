//! Many people sign in at once while every core is busy: nobody may be elected, nobody moved.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tokio::task::JoinSet;

use super::run::on_one_thread;
use crate::client::{Client, Event, KeyCache, Mechanism, StreamManagement, Tls};
use crate::load::{Stream, Target, now};
use crate::servers::Users;
use crate::servers::pair::{CASTOR, Homes, Pair, PairOptions, WITNESS};

/// Sign-ins at the same time.
const LANES: usize = 64;
/// Threads that do nothing but count: more than the cores that most machines have.
const BUSY_THREADS: usize = 2;
const WHOLE_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
pub struct Storm {
    pub users: usize,
    pub sessions_per_user: usize,
}

#[derive(Debug, Clone, Serialize)]
pub struct StormReport {
    pub sessions: usize,
    pub seconds: f64,
    pub elections: u64,
    pub moves: u64,
    /// Sign-ins that failed.
    pub refused: usize,
    pub slowest_ms: f64,
}

impl StormReport {
    pub fn holds(&self) -> bool {
        self.elections == 0 && self.moves == 0 && self.refused == 0
    }
}

impl Storm {
    pub fn run(&self, options: &PairOptions, progress: bool) -> anyhow::Result<StormReport> {
        let pair = Pair::open(options)?;
        let users = Users::new(self.users);
        pair.add_users(&users, Homes::Castor)?;
        pair.wait_healthy(WHOLE_LIMIT)?;
        let target = Rc::new(Target {
            addresses: pair.client_addresses(),
            patience: None,
            pid: None,
            users,
            tls: Tls::Never,
            mechanism: Some(Mechanism::ScramSha1),
            keys: KeyCache::default(),
            progress,
        });
        let before = pair.status(WITNESS)?;
        let stop = AtomicBool::new(false);
        let mut report = std::thread::scope(|scope| {
            for _ in 0..BUSY_THREADS {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let report = on_one_thread(self.sign_in(target));
            stop.store(true, Ordering::Relaxed);
            report
        })?;
        let after = pair.status(CASTOR)?;
        report.elections = after.term.saturating_sub(before.term);
        let homes = after.homes.iter().zip(&before.homes);
        report.moves = homes
            .map(|(after, before)| after.epoch - before.epoch)
            .sum();
        Ok(report)
    }

    async fn sign_in(&self, target: Rc<Target>) -> anyhow::Result<StormReport> {
        let (next, refused) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let slowest = Rc::new(Cell::new(0.0_f64));
        let signed_in: Rc<RefCell<Vec<Client<Stream, ()>>>> = Rc::default();
        let start = now();
        let mut lanes = JoinSet::new();
        let count = self.users * self.sessions_per_user;
        for _ in 0..LANES {
            let (target, next, refused) = (target.clone(), next.clone(), refused.clone());
            let (slowest, signed_in) = (slowest.clone(), signed_in.clone());
            let per_user = self.sessions_per_user;
            lanes.spawn_local(async move {
                let options = target.options(StreamManagement::Resumable, 1);
                while next.get() < count {
                    let turn = next.get();
                    next.set(turn + 1);
                    if turn > 0 && turn.is_multiple_of(500) {
                        target.say(format_args!("{turn} sign-ins"));
                    }
                    let resource = format!("storm{}", turn % per_user);
                    let account = target.users.account(turn / per_user, &resource)?;
                    let mut client = Client::new(account, options.clone(), turn as u64, ());
                    let begun = now();
                    match enter(&target, &mut client).await {
                        Ok(()) => signed_in.borrow_mut().push(client),
                        Err(error) => {
                            target.say(format_args!("sign-in {turn}: {error}"));
                            refused.set(refused.get() + 1);
                        }
                    }
                    let took = begun.elapsed().as_secs_f64() * 1e3;
                    slowest.set(slowest.get().max(took));
                }
                anyhow::Ok(())
            });
        }
        while let Some(lane) = lanes.join_next().await {
            lane.context("join a lane")??;
        }
        let sessions = signed_in.borrow().len();
        Ok(StormReport {
            sessions,
            seconds: start.elapsed().as_secs_f64(),
            elections: 0,
            moves: 0,
            refused: refused.get(),
            slowest_ms: slowest.get(),
        })
    }
}

/// Signs in, announces itself, and waits until the server has heard it.
async fn enter(target: &Target, client: &mut Client<Stream, ()>) -> anyhow::Result<()> {
    target.connect(client).await?;
    client.available()?;
    loop {
        match client.next().await? {
            Event::Presence(_) => return Ok(()),
            Event::Closed => anyhow::bail!("the stream was closed"),
            _ => {}
        }
    }
}
