//! Runs seeds of the simulation from the command line, and shows the trace of one: what a failed
//! test asks for.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use pollux_chaos::sim::pair::{self, PairPlan};
use pollux_chaos::sim::{History, Plan, invariants, run};
use pollux_domain::delivery::Deliver;
#[cfg(debug_assertions)]
use pollux_raft::plants::Plant;

/// Runs a whole node and its clients in virtual time, from a seed
///
/// Prints `seed N: …` for each broken seed and ends with 1 if there was one.
///
///   one seed with its trace:   pollux-sim --first 4711 --trace
///   a thousand:                pollux-sim --first 0 --count 1000
///   the first that is broken:  pollux-sim --first 0 --count 1000 --until-broken
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    /// The first seed
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many seeds, counting upwards
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// Ends at the first broken seed: enough where a defect was planted
    #[arg(long)]
    until_broken: bool,
    /// A defect that all nodes have, so that the seeds must find it (`cargo xtask planted`); a
    /// release has none
    #[cfg(debug_assertions)]
    #[arg(long, value_name = "NAME", value_parser = planted)]
    plant: Option<Plant>,
    /// One pair with its witness, or two in one cluster, instead of a node that is alone; the seed
    /// decides what goes wrong
    #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u8).range(1..=2))]
    pairs: Option<u8>,
    /// What goes wrong in a run of pairs, at least [default: 6, of two pairs 8]
    #[arg(long)]
    faults: Option<u64>,
    /// People close their streams now and then, and find what was stored when they come back
    #[arg(long)]
    leaves: bool,
    /// Messages are written before their commit (`deliver = early`): they may come again after a
    /// fault, and are never lost
    #[arg(long, requires = "pairs")]
    early: bool,
    /// How often the node is killed in a run
    #[arg(long, default_value_t = 3)]
    crashes: u64,
    /// Messages that each of the four people says
    #[arg(long, default_value_t = 24)]
    messages: u64,
    /// Prints what happened, with its virtual time
    #[arg(long)]
    trace: bool,
    /// What the node logs (`debug`, `pollux_actors=trace`, …)
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(filter) = &arguments.log {
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .without_time()
            .init();
    }
    #[cfg(debug_assertions)]
    if let Some(plant) = arguments.plant {
        pollux_raft::plants::plant(plant);
    }
    let plan = Plan {
        leaves: arguments.leaves,
        crashes: arguments.crashes,
        messages: arguments.messages,
        ..Plan::default()
    };
    let mut out = io::stdout().lock();
    if let Some(pairs) = arguments.pairs {
        return run_pairs(&arguments, pairs.into(), &mut out);
    }
    run_alone(&arguments, plan, &mut out)
}

/// Seeds of a node that is alone.
fn run_alone(arguments: &Arguments, plan: Plan, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let (mut ran, mut broken) = (0, 0);
    for seed in arguments.seeds() {
        ran += 1;
        let judged = run(seed, plan).and_then(|run| {
            if arguments.trace {
                print(&run.history, out).map_err(|error| error.to_string())?;
            }
            invariants::check(&run.history)
        });
        if let Err(what) = judged {
            broken += 1;
            writeln!(out, "seed {seed}: {what}")?;
            if arguments.until_broken {
                break;
            }
        }
    }
    writeln!(out, "{ran} seeds, {broken} broken")?;
    Ok(verdict(broken))
}

impl Arguments {
    fn seeds(&self) -> std::ops::Range<u64> {
        self.first..self.first + self.count
    }
}

#[cfg(debug_assertions)]
fn planted(name: &str) -> Result<Plant, String> {
    let names = || Plant::ALL.map(|(name, _)| name).join(", ");
    Plant::named(name).ok_or_else(|| format!("one of {}", names()))
}

fn verdict(broken: u64) -> ExitCode {
    match broken {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn print(history: &History, out: &mut impl Write) -> io::Result<()> {
    for entry in &history.entries {
        let at = entry.at.as_secs_f64() * 1e3;
        writeln!(out, "{at:>10.3} ms  {:?}", entry.fact)?;
    }
    Ok(())
}

fn run_pairs(
    arguments: &Arguments,
    pairs: usize,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let usual = PairPlan::of(pairs);
    let plan = PairPlan {
        faults: arguments.faults.unwrap_or(usual.faults),
        deliver: match arguments.early {
            true => Deliver::Early,
            false => Deliver::Committed,
        },
        ..usual
    };
    let (mut ran, mut broken, mut idle) = (0, 0, 0);
    // Seeds in which availability was read, and subscriptions; users went home by themselves, left
    // a service, a node was drained, users were moved.
    let (mut judged, mut tended) = ([0; 2], [0; 4]);
    for seed in arguments.seeds() {
        ran += 1;
        let run = pair::run(seed, plan);
        let reads = run.reads();
        judged[0] += u64::from(0 < reads.availability);
        judged[1] += u64::from(0 < reads.subscriptions);
        let of_run = run.tended();
        let counts = [
            of_run.homecomings,
            of_run.left,
            of_run.drained,
            of_run.moved,
        ];
        for (seeds, count) in tended.iter_mut().zip(counts) {
            *seeds += u64::from(0 < count);
        }
        if arguments.trace {
            print(&run.history, out)?;
        }
        if let Err(what) = run.check() {
            broken += 1;
            writeln!(out, "seed {seed}: {what}")?;
        } else if !run.is_telling() {
            idle += 1;
            writeln!(
                out,
                "seed {seed}: proves nothing, nobody took over or nothing was under way"
            )?;
        }
        out.flush()?;
        if arguments.until_broken && broken != 0 {
            break;
        }
    }
    let [availability, subscriptions] = judged;
    let [homecomings, left, drained, moved] = tended;
    writeln!(
        out,
        "{ran} seeds, {broken} broken, {idle} prove nothing; availability was read in \
         {availability}, subscriptions in {subscriptions}; users went home by themselves in \
         {homecomings}, left a node for its services in {left}, were moved in {moved}, nodes were \
         drained in {drained}"
    )?;
    Ok(verdict(broken))
}
