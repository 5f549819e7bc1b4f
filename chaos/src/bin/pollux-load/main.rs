//! `pollux-load`: drives, measures and drills an XMPP server. What it does is in the library; here
//! are the command line and the tables.

mod arguments;
mod compare;
mod rows;
mod show;
mod site;
mod workloads;

use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use pollux_chaos::load::{
    Cast, Drill, DrillReport, Idle, Killer, Messages, SignIn, open_files_most,
};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::arguments::{Arguments, Command, DrillArguments, MessagesArguments};
use crate::site::Site;

/// Between a kill and the new start, besides the start itself.
const DOWN: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "pollux-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether what was measured is as it must be.
fn run(arguments: Arguments) -> anyhow::Result<bool> {
    open_files_most()?;
    match arguments.command {
        Command::Messages(wanted) => messages(&wanted),
        Command::SignIn {
            site,
            count,
            concurrency,
            stream_management,
        } => {
            let place = Site::open(&site, 100)?;
            let plan = SignIn {
                count,
                concurrency,
                stream_management,
            };
            let report = on_one_thread(plan.run(place.target()))?;
            place.close()?;
            show::sign_in(&report, site.json).map(|()| true)
        }
        Command::Idle {
            site,
            sessions,
            stream_management,
        } => {
            let place = Site::open(&site, sessions)?;
            let report = on_one_thread(
                Idle {
                    sessions,
                    stream_management,
                }
                .run(place.target()),
            )?;
            place.close()?;
            show::idle(&report, site.json).map(|()| true)
        }
        Command::Offline(wanted) => workloads::offline(&wanted),
        Command::Commands(wanted) => workloads::commands(&wanted),
        Command::Takeover(wanted) => workloads::takeover(&wanted),
        Command::Storm(wanted) => workloads::storm(&wanted),
        Command::Availability(wanted) => workloads::availability(&wanted),
        Command::Devices(wanted) => workloads::devices(&wanted),
        Command::ContactLists(wanted) => workloads::contact_lists(&wanted),
        Command::Hostile(wanted) => workloads::hostile(&wanted),
        Command::Drill(wanted) => drill(&wanted),
        Command::Compare(wanted) => compare::run(&wanted),
        Command::Ceiling(wanted) => wanted.run().map(|()| true),
    }
}

fn on_one_thread<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("start the runtime")?;
    let result = LocalSet::new().block_on(&runtime, work);
    // A reader of standard input would hold the end up until the next line.
    runtime.shutdown_background();
    result
}

fn messages(wanted: &MessagesArguments) -> anyhow::Result<bool> {
    let place = Site::open(&wanted.site, wanted.pairs * 2)?;
    let plan = wanted.plan();
    let report = on_one_thread(plan.run(place.target()))?;
    place.close()?;
    show::messages(&report, wanted.site.json)?;
    Ok(report.verdict.lost + report.verdict.twice + report.verdict.out_of_order == 0)
}

impl MessagesArguments {
    fn plan(&self) -> Messages {
        Messages {
            cast: Cast {
                stream_management: self.stream_management,
                request_every: self.request_every,
                echo: self.rate.is_none(),
                bare: self.bare,
                body_bytes: self.body_bytes,
                ..Cast::of(self.pairs)
            },
            rate: self.rate,
            window: self.window,
            warm_up: Duration::from_secs_f64(self.warm_up),
            duration: Duration::from_secs_f64(self.seconds),
            patience: Duration::from_secs(10),
        }
    }
}

fn drill(wanted: &DrillArguments) -> anyhow::Result<bool> {
    let mut place = Site::open(&wanted.site, wanted.pairs * 2)?;
    let plan = Drill {
        cast: Cast {
            bare: wanted.bare,
            persist: true,
            seed: wanted.seed,
            ..Cast::of(wanted.pairs)
        },
        rate: wanted.rate,
        patience: Duration::from_secs_f64(wanted.patience),
    };
    let report = match wanted.kills {
        None => on_one_thread(plan.run(place.target(), told_or_after(wanted.seconds)))?,
        Some(kills) => killed(&plan, &mut place, kills, wanted.seed)?,
    };
    place.close()?;
    show::drill(&report, wanted.site.json)?;
    Ok(report.holds(wanted.site.mode))
}

/// A line on standard input, or its end where a time is given too, ends the drill.
async fn told_or_after(seconds: Option<f64>) {
    match seconds {
        Some(seconds) => sleep(Duration::from_secs_f64(seconds)).await,
        None => {
            let mut line = String::new();
            // Whatever was said, even nothing more, ends the drill.
            let _ = BufReader::new(stdin()).read_line(&mut line).await;
        }
    }
}

/// The clients talk on this thread while another kills the server.
fn killed(plan: &Drill, place: &mut Site, kills: usize, seed: u64) -> anyhow::Result<DrillReport> {
    let target = place.target();
    let server = place
        .server()
        .context("--kills needs a server that is started here: --start")?;
    let killer = Killer {
        kills,
        seed,
        pause: Duration::from_secs(2),
        down: DOWN,
    };
    let (halt, halted) = sync_channel(1);
    let (done, is_done) = oneshot::channel();
    target.say(format_args!("seed {seed}: {kills} kills"));
    std::thread::scope(|scope| {
        let killing = scope.spawn(move || {
            let result = killer.run(server, &halted);
            // If nobody listens any more, the drill has ended before.
            let _ = done.send(());
            result
        });
        let report = on_one_thread(plan.run(target, async {
            let _ = is_done.await;
        }));
        drop(halt);
        let kills = killing.join().ok().context("the killing thread panicked")?;
        kills.context("kill and start the server")?;
        report
    })
}
