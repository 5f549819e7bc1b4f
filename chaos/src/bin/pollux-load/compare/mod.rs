//! Several servers, the same work, run after run in turns on the same machine. Ends with a table,
//! and with JSON from which the page is made.

mod arguments;
mod contestant;
mod disk;
mod machine;
mod measure;
mod report;
mod table;
mod work;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use pollux_chaos::load::Latency;

pub use arguments::CompareArguments;
use contestant::{Contestant, Field};
use machine::Machine;
use measure::{Sizes, measure};
use report::{Cell, Comparison, Growth, Row};
use work::{Bound, Figure, Rank, Work};

/// How many times the size, and what that is called.
const SCALES: [(usize, &str); 3] = [(1, "1x"), (4, "4x"), (16, "16x")];
/// For so long the disk is asked.
const PROBE: Duration = Duration::from_secs(5);

/// Whether all was measured: what fails is named, and does not keep the rest from its turn.
pub fn run(wanted: &CompareArguments) -> anyhow::Result<bool> {
    if wanted.runs == 0 {
        bail!("--runs is at least 1");
    }
    let mut works = wanted.figures.clone();
    if works.is_empty() {
        works = Work::all();
    }
    if wanted.growth {
        works.retain(|work| work.grows());
    }
    if wanted.record.is_some() {
        works.retain(|work| !work.recorded().is_empty());
    }
    let mut bench = Bench {
        field: Field::new(wanted.pollux.clone()),
        machine: Machine::look(wanted.pollux.as_deref(), wanted.record.is_some())?,
        runs: match wanted.quick || wanted.record.is_some() {
            true => 1,
            false => wanted.runs,
        },
        record: wanted.record.clone(),
        is_quiet: wanted.quiet,
        failed: Vec::new(),
    };
    let mut comparison = Comparison {
        disk: bench.disk(&works)?,
        quick: wanted.quick,
        runs: bench.runs,
        rows: Vec::new(),
        growth: Vec::new(),
        machine: bench.machine.clone(),
        failed: Vec::new(),
    };
    let sizes = Sizes::of(wanted);
    for &work in &works {
        bench.announce(work, &sizes, wanted.growth);
    }
    for &work in &works {
        if wanted.growth {
            comparison.growth.extend(bench.growth(work, sizes));
        } else {
            let rows = bench.rows(work, &sizes, comparison.disk);
            comparison.rows.extend(rows);
        }
    }
    comparison.failed = bench.failed;
    if let Some(path) = &wanted.json {
        let text = serde_json::to_string_pretty(&comparison).context("write JSON")?;
        std::fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))?;
    }
    table::print(&comparison)?;
    Ok(comparison.failed.is_empty())
}

struct Bench {
    field: Field,
    machine: Machine,
    runs: usize,
    /// Where to, if where CPU time goes is recorded.
    record: Option<PathBuf>,
    is_quiet: bool,
    /// What could not be measured, and why.
    failed: Vec<String>,
}

impl Bench {
    /// Where a figure is judged by the disk, the disk of the same run.
    fn disk(&self, works: &[Work]) -> anyhow::Result<Option<Latency>> {
        let mut figures = works.iter().flat_map(|work| self.figures(*work));
        if !figures.any(|one| matches!(one.reach, Some(Bound::Disk { .. }))) {
            return Ok(None);
        }
        self.say(format_args!("how long an empty commit to the disk takes"));
        disk::probe(PROBE).map(Some)
    }

    fn figures(&self, work: Work) -> Vec<Figure> {
        match self.record {
            Some(_) => work.recorded(),
            None => work.figures(),
        }
    }

    /// Who does the work; where it is recorded, the judged one and what it is measured against: the
    /// ceilings, and for a pair the node alone.
    fn contestants(&self, work: Work) -> Vec<Contestant> {
        let judged: Vec<Contestant> = work.figures().iter().map(|one| one.judged).collect();
        let is_pair = judged.contains(&Contestant::Pair);
        let mut all = work.contestants().to_vec();
        all.retain(|one| match (&self.record, one.rank()) {
            (None, _) => self.field.has(*one),
            (Some(_), Rank::Pollux) => is_pair || judged.contains(one),
            (Some(_), rank) => rank == Rank::Ceiling,
        });
        all
    }

    fn announce(&mut self, work: Work, sizes: &Sizes, growth: bool) {
        if growth {
            let most = SCALES.map(|(factor, _)| sizes.times(factor).users(work));
            let most = most.into_iter().max().unwrap_or_default();
            for figure in work.figures() {
                let (who, with_contacts) = (figure.judged, work.with_contacts());
                self.field.announce(who, most, with_contacts);
            }
            return;
        }
        for contestant in &self.contestants(work) {
            let (users, with_contacts) = (sizes.users(work), work.with_contacts());
            self.field.announce(*contestant, users, with_contacts);
        }
    }

    fn rows(&mut self, work: Work, sizes: &Sizes, disk: Option<Latency>) -> Vec<Row> {
        let (contestants, figures) = (self.contestants(work), self.figures(work));
        // By figure, then by contestant, then by run.
        let none = vec![Vec::new(); contestants.len()];
        let mut values = vec![none; figures.len()];
        for run in 1..=self.runs {
            for (index, &contestant) in contestants.iter().enumerate() {
                let measured = self.once(work, contestant, sizes, run);
                for (values, value) in values.iter_mut().zip(measured.unwrap_or_default()) {
                    values[index].push(value);
                }
            }
        }
        let rows = figures.into_iter().zip(values);
        let rows = rows.map(|(figure, values)| {
            let values = contestants.iter().copied().zip(values);
            let measured = values.filter(|(_, runs)| !runs.is_empty());
            Row::of(&figure, measured.collect(), disk)
        });
        rows.collect()
    }

    /// One run; nothing where it failed. The server is another one then, the next time.
    fn once(
        &mut self,
        work: Work,
        contestant: Contestant,
        sizes: &Sizes,
        run: usize,
    ) -> Option<Vec<f64>> {
        let (name, figures) = (contestant.name(), self.figures(work));
        let record = self.record.as_deref();
        self.say(format_args!(
            "{name}: {}, run {run} of {} …",
            figures[0].what, self.runs
        ));
        // Nor may it find the contacts that another work has left.
        if work.makes_lists() {
            self.field.forget(contestant);
        }
        let measured = self.field.with(contestant, |stall| {
            measure(work, contestant, stall, sizes, record)
        });
        let measured = match measured {
            Ok(measured) => measured,
            Err(error) => {
                let words = format!("{name}: {}, run {run}: {error:#}", figures[0].what);
                self.say(format_args!("{words}"));
                self.failed.push(words);
                self.field.forget(contestant);
                return None;
            }
        };
        if work.makes_lists() {
            self.field.forget(contestant);
        }
        for (figure, value) in figures.iter().zip(&measured) {
            self.say(format_args!("  {}: {value:.4} {}", figure.key, figure.unit));
        }
        Some(measured)
    }

    /// The judged one alone, at each size in turn.
    fn growth(&mut self, work: Work, sizes: Sizes) -> Vec<Growth> {
        let figures = work.figures();
        let none = vec![Vec::new(); SCALES.len()];
        let mut values = vec![none; figures.len()];
        for run in 1..=self.runs {
            for (index, (factor, name)) in SCALES.into_iter().enumerate() {
                self.say(format_args!("{name}"));
                if work.with_contacts() {
                    // Another size has other contacts, and servers keep those of the last one.
                    self.field.forget(figures[0].judged);
                }
                let sizes = sizes.times(factor);
                let measured = self.once(work, figures[0].judged, &sizes, run);
                let people = if work.is_of_all() { factor as f64 } else { 1.0 };
                for (values, value) in values.iter_mut().zip(measured.unwrap_or_default()) {
                    values[index].push(value / people);
                }
            }
        }
        let grown = figures.iter().zip(values).map(|(figure, values)| {
            let cells = SCALES.into_iter().zip(values);
            let cells = cells.filter(|(_, runs)| !runs.is_empty());
            let cells = cells.map(|((_, name), runs)| Cell::of(name, Rank::Pollux, runs));
            Growth::of(figure, cells.collect())
        });
        grown.collect()
    }

    fn say(&self, text: std::fmt::Arguments<'_>) {
        if !self.is_quiet {
            // Progress that nobody can read is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}
