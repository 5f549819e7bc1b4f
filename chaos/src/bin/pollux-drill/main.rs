//! Failover drills from the command line: breaks a real pair while people chat, heals it, and tells
//! what they noticed. What is broken and judged stands in `pollux_chaos::failover`.

mod arguments;
mod grounds;
mod show;

use std::io::{Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use pollux_chaos::failover::{self, COMEBACK, Comeback, PLANS, STORM, Storm};
use pollux_chaos::load::open_files_most;
use pollux_chaos::servers::pair::PairOptions;

use arguments::Arguments;
use grounds::Grounds;
use show::Found;

/// The name that stands for all drills.
const ALL: &str = "all";

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(stderr).init();
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(stderr(), "pollux-drill: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(wanted: &Arguments) -> anyhow::Result<bool> {
    if wanted.list {
        return list().map(|()| true);
    }
    // The nodes inherit it: each client is a file of two processes.
    open_files_most()?;
    let names = names(wanted)?;
    let (mut holds, mut found, mut grounds) = (true, Vec::new(), Grounds::default());
    for (name, number) in names.iter().zip(1..) {
        say(format_args!("drill {number} of {}: {name}", names.len()));
        // One that fails does not keep the others from their turn.
        match drill(name, wanted, &mut grounds) {
            Ok((one, is_kept)) => {
                holds &= is_kept;
                found.push(one);
            }
            Err(error) => {
                holds = false;
                say(format_args!("{name}: {error:#}"));
            }
        }
    }
    drop(grounds);
    show::all(&found, wanted.json, wanted.json_file.as_deref())?;
    Ok(holds)
}

/// What a drill has found, and whether all was kept.
fn drill(name: &str, wanted: &Arguments, grounds: &mut Grounds) -> anyhow::Result<(Found, bool)> {
    if name == STORM {
        grounds.leave();
        let storm = Storm {
            users: wanted.storm_users,
            sessions_per_user: wanted.storm_sessions,
        };
        let report = storm.run(&options(wanted)?, !wanted.quiet)?;
        let is_kept = report.holds();
        return Ok((Found::Storm(report), is_kept));
    }
    if name == COMEBACK {
        grounds.leave();
        let comeback = Comeback {
            users: wanted.storm_users / 2,
            sessions_per_user: wanted.storm_sessions * 2,
            pairs: wanted.pairs,
        };
        let report = comeback.run(&options(wanted)?, !wanted.quiet)?;
        let is_kept = report.holds(!wanted.no_bounds);
        return Ok((Found::Comeback(report), is_kept));
    }
    let plan = failover::plan(name).context("there is no such drill: see --list")?;
    if !plan.is_possible(wanted.mode) {
        bail!(
            "a power cut is played without a new boot, by which a node with \
             durability = memory would know of it: tests of the store play it there"
        );
    }
    let report = grounds.runs(plan, wanted)?;
    let broken = report.broken(plan, wanted.mode, !wanted.no_bounds);
    for words in &broken {
        say(format_args!("{name}: {words}"));
    }
    if wanted.keep || !broken.is_empty() {
        grounds.keep();
    }
    Ok((Found::Drill(report), broken.is_empty()))
}

fn names(wanted: &Arguments) -> anyhow::Result<Vec<&str>> {
    let mut names: Vec<&str> = Vec::new();
    for name in &wanted.drills {
        match name.as_str() {
            ALL => {
                let next = next(wanted)?;
                let plans = PLANS.iter().filter(|plan| plan.is_possible(wanted.mode));
                let plans = plans.filter(|plan| next.is_some() || !plan.upgrades);
                names.extend(plans.map(|plan| plan.name));
                names.extend([STORM, COMEBACK]);
            }
            STORM | COMEBACK => names.push(name),
            name if failover::plan(name).is_some() => names.push(name),
            name => bail!("there is no drill `{name}`: see --list"),
        }
    }
    if names.is_empty() {
        bail!("which drill? See --list");
    }
    Ok(names)
}

fn list() -> anyhow::Result<()> {
    let mut text = String::new();
    for plan in PLANS {
        text.push_str(&format!("{:<31}{}\n", plan.name, plan.about));
    }
    let about = "sign-ins with every core busy, and a snapshot; nobody may be elected";
    text.push_str(&format!("{STORM:<31}{about}\n"));
    let about = "thousands come back to the survivor while others chat there";
    text.push_str(&format!("{COMEBACK:<31}{about}\n"));
    stdout()
        .write_all(text.as_bytes())
        .context("print the list")
}

/// The program of the next version, where there is one.
fn next(wanted: &Arguments) -> anyhow::Result<Option<PathBuf>> {
    if let Some(program) = &wanted.pollux_next {
        return Ok(Some(program.clone()));
    }
    let me = std::env::current_exe().context("find out where this program lies")?;
    let beside = me.with_file_name("pollux-next");
    Ok(beside.exists().then_some(beside))
}

fn options(wanted: &Arguments) -> anyhow::Result<PairOptions> {
    let program = match &wanted.pollux {
        Some(program) => program.clone(),
        None => {
            let me = std::env::current_exe().context("find out where this program lies")?;
            me.with_file_name("pollux")
        }
    };
    Ok(PairOptions {
        mode: wanted.mode,
        next: next(wanted)?,
        ..PairOptions::of(&program)
    })
}

/// Progress for whoever waits.
pub fn say(text: std::fmt::Arguments<'_>) {
    // Progress that nobody can read is no reason to stop.
    let _ = writeln!(stderr(), "{text}");
}
