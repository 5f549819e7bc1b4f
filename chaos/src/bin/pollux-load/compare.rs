//! Several servers, the same work, one run after the other on the same machine: medians and their
//! ratio.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use pollux_chaos::client::KeyCache;
use pollux_chaos::load::{Cast, Idle, Messages, SignIn, Target};
use pollux_chaos::servers::{PasswordHash, Pollux, Prosody, Server, Users};
use serde::Serialize;

use crate::arguments::{CompareArguments, Figure};
use crate::{on_one_thread, show};

/// Users that sign-ins go round among.
const SIGN_IN_USERS: usize = 100;

#[derive(Debug, Serialize)]
struct Comparison {
    prosody: String,
    rows: Vec<Row>,
}

/// One figure of all servers.
#[derive(Debug, Serialize)]
struct Row {
    figure: &'static str,
    unit: &'static str,
    servers: Vec<Measured>,
    /// The first server's median divided by the last one's, where there are two.
    ratio: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Measured {
    server: &'static str,
    median: f64,
    min: f64,
    max: f64,
    runs: Vec<f64>,
}

/// A server with what its clients have derived, so that no run pays for it.
struct Contestant {
    server: Box<dyn Server>,
    users: Users,
    keys: KeyCache,
}

pub fn run(wanted: &CompareArguments) -> anyhow::Result<()> {
    if wanted.runs == 0 {
        bail!("--runs is at least 1");
    }
    let version = Prosody::version()?;
    let mut contestants = contestants(wanted)?;
    let mut rows = Vec::new();
    for &figure in &wanted.figures {
        let mut values = vec![Vec::new(); contestants.len()];
        for run in 1..=wanted.runs {
            for (contestant, values) in contestants.iter_mut().zip(&mut values) {
                let value = contestant.measure(figure, wanted)?;
                let (name, _) = figure.words();
                contestant.say(
                    wanted,
                    &format!("{name}, run {run} of {}: {value:.4}", wanted.runs),
                );
                values.push(value);
            }
        }
        rows.push(row(figure, &contestants, values));
    }
    let comparison = Comparison {
        prosody: version,
        rows,
    };
    if wanted.json {
        show::json(&comparison)
    } else {
        table(&comparison)
    }
}

fn contestants(wanted: &CompareArguments) -> anyhow::Result<Vec<Contestant>> {
    let needed = wanted.figures.iter().map(|figure| match figure {
        Figure::Messages => wanted.pairs * 2,
        Figure::SignIn => SIGN_IN_USERS,
        Figure::Idle => wanted.sessions,
    });
    let users = Users::new(needed.max().unwrap_or_default());
    let mut servers: Vec<Box<dyn Server>> = vec![Box::new(Prosody::new(PasswordHash::Sha1)?)];
    if let Some(program) = &wanted.pollux {
        servers.push(Box::new(Pollux::new(program, 0)?));
    }
    let mut contestants = Vec::new();
    for mut server in servers {
        server.start()?;
        server
            .add_users(&users)
            .with_context(|| format!("add users to {}", server.name()))?;
        server.stop()?;
        contestants.push(Contestant {
            server,
            users: users.clone(),
            keys: KeyCache::default(),
        });
    }
    Ok(contestants)
}

impl Figure {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Figure::Messages => ("message, closed loop, stream management", "CPU ms"),
            Figure::SignIn => ("sign-in with STARTTLS", "CPU ms"),
            Figure::Idle => ("idle session", "PSS KiB"),
        }
    }
}

impl Contestant {
    /// A fresh process for each figure: none inherits the heap of another.
    fn measure(&mut self, figure: Figure, wanted: &CompareArguments) -> anyhow::Result<f64> {
        self.server.start()?;
        let value = self.measure_running(figure, wanted);
        let value = value.with_context(|| format!("measure {}", self.server.name()))?;
        self.server.stop()?;
        Ok(value)
    }

    fn measure_running(&self, figure: Figure, wanted: &CompareArguments) -> anyhow::Result<f64> {
        match figure {
            Figure::Messages => {
                let plan = messages(wanted);
                let report = on_one_thread(plan.run(self.target(wanted.starttls)?))?;
                let verdict = &report.verdict;
                if verdict.lost + verdict.twice + verdict.out_of_order + verdict.refused > 0 {
                    bail!("not a measurement: {verdict:?}");
                }
                report.cpu_ms_per_message.context("read the CPU time")
            }
            Figure::SignIn => {
                let count = wanted.sign_ins;
                let plan = SignIn {
                    count,
                    concurrency: 8,
                    stream_management: false,
                };
                let report = on_one_thread(plan.run(self.target(true)?))?;
                report.cpu_ms_per_sign_in.context("read the CPU time")
            }
            Figure::Idle => {
                let plan = Idle {
                    sessions: wanted.sessions,
                    stream_management: true,
                };
                let report = on_one_thread(plan.run(self.target(false)?))?;
                Ok(report.pss_per_session_kib)
            }
        }
    }

    fn target(&self, starttls: bool) -> anyhow::Result<Rc<Target>> {
        let mut target = Target::of(&*self.server, &self.users, starttls)?;
        target.keys = self.keys.clone();
        Ok(Rc::new(target))
    }

    fn say(&self, wanted: &CompareArguments, text: &str) {
        if !wanted.quiet {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{}: {text}", self.server.name());
        }
    }
}

fn messages(wanted: &CompareArguments) -> Messages {
    Messages {
        cast: Cast {
            pairs: wanted.pairs,
            stream_management: true,
            request_every: 1,
            echo: true,
            bare: false,
            body_bytes: 64,
            persist: false,
            watch: false,
            seed: 1,
        },
        rate: None,
        window: 1,
        warm_up: Duration::from_secs(3),
        duration: Duration::from_secs_f64(wanted.seconds),
        patience: Duration::from_secs(10),
    }
}

fn row(figure: Figure, contestants: &[Contestant], values: Vec<Vec<f64>>) -> Row {
    let (name, unit) = figure.words();
    let servers: Vec<Measured> = contestants
        .iter()
        .zip(values)
        .map(|(contestant, runs)| measured(contestant.server.name(), runs))
        .collect();
    let ratio = match servers.as_slice() {
        [one, other] if other.median > 0.0 => Some(one.median / other.median),
        _ => None,
    };
    Row {
        figure: name,
        unit,
        servers,
        ratio,
    }
}

fn measured(server: &'static str, runs: Vec<f64>) -> Measured {
    let mut sorted = runs.clone();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = match sorted.len() % 2 {
        0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    };
    Measured {
        server,
        median,
        min: sorted[0],
        max: sorted[sorted.len() - 1],
        runs,
    }
}

fn table(comparison: &Comparison) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for row in &comparison.rows {
        if rows.is_empty() {
            let mut head = vec!["figure".to_owned(), "unit".to_owned()];
            head.extend(
                row.servers
                    .iter()
                    .map(|one| format!("{} (min–max)", one.server)),
            );
            head.push("ratio".to_owned());
            rows.push(head);
        }
        let mut cells = vec![row.figure.to_owned(), row.unit.to_owned()];
        cells.extend(
            row.servers
                .iter()
                .map(|one| format!("{:.4} ({:.4}–{:.4})", one.median, one.min, one.max)),
        );
        cells.push(
            row.ratio
                .map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
        );
        rows.push(cells);
    }
    show::table(&rows)
}
