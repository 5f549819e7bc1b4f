//! The pair on which drills run, one after the other: a whole one of the right kind is used again.
//! Not for what a drill does.

use std::time::Duration;

use pollux_chaos::failover::{self, Crowd, Plan, Report};
use pollux_chaos::servers::pair::{GroundKind, Homes, Pair, PairOptions};

use super::arguments::Arguments;
use super::{say, show};

/// A pair, and for which plans it is good.
struct Standing {
    ground: GroundKind,
    disks: bool,
    upgraded: bool,
    neighbours: bool,
    pairs: usize,
    pair: Pair,
}

#[derive(Default)]
pub struct Grounds {
    standing: Option<Standing>,
    /// Runs so far: the messages of each differ.
    runs: u64,
}

impl Grounds {
    /// All runs of a drill. A pair that a run has failed on is left, and its folder kept.
    pub fn runs(&mut self, plan: &'static Plan, wanted: &Arguments) -> anyhow::Result<Report> {
        let crowd = crowd(wanted).of(plan);
        let fits = |one: &Standing| {
            let wanted = (plan.ground, plan.disks, plan.neighbours, crowd.pairs);
            let kind = (one.ground, one.disks, one.neighbours, one.pairs);
            !one.upgraded && !plan.upgrades && kind == wanted
        };
        let pair = match self.standing.take() {
            Some(standing) if fits(&standing) => standing.pair,
            other => {
                // The old one goes before the new one comes.
                drop(other);
                failover::open(plan, &options(plan, wanted)?, &crowd)?
            }
        };
        let standing = self.standing.insert(Standing {
            ground: plan.ground,
            disks: plan.disks,
            upgraded: plan.upgrades,
            neighbours: plan.neighbours,
            pairs: crowd.pairs,
            pair,
        });
        let mut report = Report {
            drill: plan.name,
            runs: Vec::new(),
        };
        // A pair is upgraded once.
        let count = if plan.upgrades {
            1
        } else {
            wanted.runs.unwrap_or(plan.runs)
        };
        for number in 1..=count {
            say(format_args!("{} run {number} of {count}", plan.name));
            self.runs += 1;
            let pair = &mut standing.pair;
            match failover::run(plan, pair, &crowd, self.runs, !wanted.quiet) {
                Ok(found) => {
                    show::run(plan, number, &found);
                    report.runs.push(found);
                }
                Err(error) => {
                    self.keep();
                    return Err(error.context(format!("run {number}")));
                }
            }
        }
        Ok(report)
    }

    /// Keeps the folder of the pair for whoever looks for a reason; the next drill gets another.
    pub fn keep(&mut self) {
        if let Some(mut standing) = self.standing.take() {
            let folder = standing.pair.keep_folder();
            say(format_args!("the logs are in {}", folder.display()));
        }
    }

    pub fn leave(&mut self) {
        self.standing = None;
    }
}

/// Snapshots are taken while two versions run, so that each reads those of the other.
const SNAPSHOT_ENTRIES: u64 = 2_000;

fn options(plan: &Plan, wanted: &Arguments) -> anyhow::Result<PairOptions> {
    let options = super::options(wanted)?;
    Ok(PairOptions {
        snapshot_entries: match plan.upgrades {
            true => Some(SNAPSHOT_ENTRIES),
            false => options.snapshot_entries,
        },
        ..options
    })
}

fn crowd(wanted: &Arguments) -> Crowd {
    Crowd {
        pairs: wanted.pairs,
        rate: wanted.rate,
        homes: match wanted.balanced {
            true => Homes::Both,
            false => Homes::Castor,
        },
        starttls: wanted.starttls,
        patience: Duration::from_millis(wanted.patience_ms),
    }
}
