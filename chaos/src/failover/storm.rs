//! Many people sign in at once while every core is busy, and the witness, which was away, is given
//! a snapshot: nobody may be elected, nobody moved.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tokio::task::JoinSet;

use super::run::on_one_thread;
use crate::client::{Client, Event, StreamManagement};
use crate::load::{Stream, Target, now};
use crate::servers::pair::{CASTOR, Homes, Pair, PairOptions, WITNESS};
use crate::servers::{Users, wait_until};

/// Sign-ins at the same time.
const LANES: usize = 64;
/// Threads that do nothing but count: more than the cores that most machines have.
const BUSY_THREADS: usize = 2;
const WHOLE_LIMIT: Duration = Duration::from_secs(30);
/// Entries between snapshots: so few that what the witness has missed is in a snapshot only.
const SNAPSHOT_ENTRIES: u64 = 100;
/// What a station logs when it has taken a snapshot.
const INSTALLED: &str = "snapshot of the leader is installed";

/// Its name, as of a drill.
pub const STORM: &str = "election-storm";

#[derive(Debug, Clone, Copy)]
pub struct Storm {
    pub users: usize,
    pub sessions_per_user: usize,
}

#[derive(Debug, Clone, Serialize)]
pub struct StormReport {
    pub drill: &'static str,
    pub sessions: usize,
    pub seconds: f64,
    pub elections: u64,
    pub moves: u64,
    /// Sign-ins that failed.
    pub refused: usize,
    pub slowest_ms: f64,
    /// Snapshots that the witness has installed while people signed in.
    pub snapshots: u64,
}

impl StormReport {
    pub fn holds(&self) -> bool {
        self.elections == 0 && self.moves == 0 && self.refused == 0 && self.snapshots > 0
    }
}

impl Storm {
    pub fn run(&self, options: &PairOptions, progress: bool) -> anyhow::Result<StormReport> {
        let mut pair = Pair::open(&PairOptions {
            snapshot_entries: Some(SNAPSHOT_ENTRIES),
            ..options.clone()
        })?;
        let users = Users::new(self.users);
        pair.add_users(&users, Homes::Castor)?;
        pair.wait_healthy(WHOLE_LIMIT)?;
        let target = Rc::new(Target::of_pair(&pair, &users, progress));
        pair.stations[WITNESS].kill()?;
        let before = pair.status(CASTOR)?;
        let stop = AtomicBool::new(false);
        let (tell, half_is_in) = sync_channel(1);
        let (back, is_over) = (&mut pair, &stop);
        let mut report = std::thread::scope(|scope| {
            let returning = scope.spawn(move || match half_is_in.recv() {
                Ok(()) => come_back(back, is_over),
                // The storm has failed before.
                Err(_) => Ok(0),
            });
            for _ in 0..BUSY_THREADS {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let report = on_one_thread(self.sign_in(target, tell));
            stop.store(true, Ordering::Relaxed);
            let snapshots = returning
                .join()
                .ok()
                .context("the witness's return panicked")?;
            anyhow::Ok(StormReport {
                snapshots: snapshots.context("bring the witness back")?,
                ..report?
            })
        })?;
        pair.wait_healthy(WHOLE_LIMIT)?;
        let after = pair.status(CASTOR)?;
        report.elections = after.term.saturating_sub(before.term);
        let homes = after.homes.iter().zip(&before.homes);
        report.moves = homes
            .map(|(after, before)| after.epoch - before.epoch)
            .sum();
        Ok(report)
    }

    /// Tells when half of all are in.
    async fn sign_in(
        &self,
        target: Rc<Target>,
        half_is_in: SyncSender<()>,
    ) -> anyhow::Result<StormReport> {
        let (next, refused) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let slowest = Rc::new(Cell::new(0.0_f64));
        let signed_in: Rc<RefCell<Vec<Client<Stream, ()>>>> = Rc::default();
        let start = now();
        let mut lanes = JoinSet::new();
        let count = self.users * self.sessions_per_user;
        for _ in 0..LANES {
            let (target, next, refused) = (target.clone(), next.clone(), refused.clone());
            let (slowest, signed_in) = (slowest.clone(), signed_in.clone());
            let half_is_in = half_is_in.clone();
            let per_user = self.sessions_per_user;
            lanes.spawn_local(async move {
                let options = target.options(StreamManagement::Resumable, 1);
                while next.get() < count {
                    let turn = next.get();
                    next.set(turn + 1);
                    if turn > 0 && turn.is_multiple_of(500) {
                        target.say(format_args!("{turn} sign-ins"));
                    }
                    if turn == count / 2 {
                        half_is_in.send(()).context("tell that half is in")?;
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
            drill: STORM,
            sessions,
            seconds: start.elapsed().as_secs_f64(),
            elections: 0,
            moves: 0,
            refused: refused.get(),
            slowest_ms: slowest.get(),
            snapshots: 0,
        })
    }
}

/// Starts the witness; how many snapshots it has installed before the storm was over.
fn come_back(pair: &mut Pair, is_over: &AtomicBool) -> anyhow::Result<u64> {
    let log = pair.stations[WITNESS].log();
    let installed = || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let ours = |line: &&str| line.contains(INSTALLED) && line.contains("subcluster");
        text.lines().filter(ours).count() as u64
    };
    let before = installed();
    pair.stations[WITNESS].start(&pair.ground)?;
    wait_until(WHOLE_LIMIT, || {
        Ok(before < installed() || is_over.load(Ordering::Relaxed))
    })?;
    Ok(installed() - before)
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
