//! Failover drills from the command line: breaks a real pair while people chat, heals it, and tells
//! what they noticed. What is broken and judged stands in `pollux_chaos::failover`.

mod arguments;
mod show;

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use pollux_chaos::failover::{self, Crowd, PLANS, Plan, Report, Storm};
use pollux_chaos::servers::pair::{GroundKind, Homes, PairOptions};

use arguments::Arguments;

/// The name that stands for all drills.
const ALL: &str = "all";
/// The drill that has no fault.
const STORM: &str = "election-storm";

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
    let mut holds = true;
    let mut reports = Vec::new();
    for name in names(wanted)? {
        if name == STORM {
            holds &= storm(wanted)?;
            continue;
        }
        let plan = failover::plan(name).context("there is no such drill: see --list")?;
        let report = drill(plan, wanted)?;
        let broken = report.broken(plan, !wanted.no_bounds);
        holds &= broken.is_empty();
        for words in broken {
            say(format_args!("{name}: {words}"));
        }
        reports.push(report);
    }
    show::reports(&reports, wanted.json)?;
    Ok(holds)
}

fn names(wanted: &Arguments) -> anyhow::Result<Vec<&str>> {
    let mut names: Vec<&str> = Vec::new();
    for name in &wanted.drills {
        match name.as_str() {
            ALL => {
                names.extend(PLANS.iter().map(|plan| plan.name));
                names.push(STORM);
            }
            name if name == STORM || failover::plan(name).is_some() => names.push(name),
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
        text.push_str(&format!("{:<28}{}\n", plan.name, plan.about));
    }
    let about = "sign-ins with every core busy; nobody may be elected";
    text.push_str(&format!("{STORM:<28}{about}\n"));
    stdout()
        .write_all(text.as_bytes())
        .context("print the list")
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
        program,
        ground: GroundKind::Loopback,
        disks: false,
    })
}

fn drill(plan: &'static Plan, wanted: &Arguments) -> anyhow::Result<Report> {
    let crowd = Crowd {
        pairs: wanted.pairs,
        rate: wanted.rate,
        homes: match wanted.balanced {
            true => Homes::Both,
            false => Homes::Castor,
        },
        starttls: wanted.starttls,
        patience: Duration::from_millis(wanted.patience_ms),
    };
    let mut pair = failover::open(plan, &options(wanted)?, &crowd)?;
    let mut report = Report {
        drill: plan.name,
        runs: Vec::new(),
    };
    for number in 1..=wanted.runs.unwrap_or(plan.runs) {
        say(format_args!("{} run {number}", plan.name));
        let found = failover::run(plan, &mut pair, &crowd, number as u64, !wanted.quiet);
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                let folder = pair.keep_folder();
                return Err(error.context(format!(
                    "{} run {number}; the logs are in {}",
                    plan.name,
                    folder.display()
                )));
            }
        };
        show::run(plan, number, &found);
        report.runs.push(found);
    }
    if wanted.keep || !report.broken(plan, !wanted.no_bounds).is_empty() {
        let folder = pair.keep_folder();
        say(format_args!("the logs are in {}", folder.display()));
    }
    Ok(report)
}

fn storm(wanted: &Arguments) -> anyhow::Result<bool> {
    let storm = Storm {
        users: wanted.storm_users,
        sessions_per_user: wanted.storm_sessions,
    };
    let report = storm.run(&options(wanted)?, !wanted.quiet)?;
    show::storm(&report, wanted.json)?;
    Ok(report.holds())
}

/// Progress for whoever waits.
pub fn say(text: std::fmt::Arguments<'_>) {
    // Progress that nobody can read is no reason to stop.
    let _ = writeln!(stderr(), "{text}");
}
