//! `cargo xtask planted`: each defect that is planted on purpose must be found by what the table
//! says. What the defects are stands in `raft/src/plants.rs`; not for finding them.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, bail};

use crate::step::run;
use crate::workspace::{cargo, target_folder};

const PROGRAM: &str = "pollux-sim";

/// One defect.
struct Row {
    /// As `Plant::ALL` has it.
    plant: &'static str,
    /// Where the defect is.
    package: &'static str,
    by: By,
}

/// What must find it.
enum By {
    /// `pollux-sim`, in the first seeds: so many pairs, so many seeds, and the invariants of which
    /// one must be named first.
    Seeds(u8, u16, &'static [&'static str]),
    /// A walk of the state machine in `pollux-raft`: the name of the test that must fail.
    Walk(&'static str),
}

/// How it was found, or why it was not.
type Found = Result<String, String>;

const BETWEEN: &str = "nothing_is_lost_or_said_twice_between_groups";
const ON_ANY_WALK: &str = "nothing_accepted_is_lost_or_said_twice_on_any_walk";

const TABLE: [Row; 11] = [
    Row {
        plant: "ack-before-commit",
        package: "pollux-actors",
        by: By::Seeds(
            1,
            40,
            &[
                "sessions survive",
                "availability linearizable",
                "subscriptions linearizable",
            ],
        ),
    },
    // It needs a leader that has lost its quorum and not yet found out: a few seeds in a hundred.
    Row {
        plant: "lease-from-metrics",
        package: "pollux-raft",
        by: By::Seeds(1, 120, &["one owner", "sessions survive"]),
    },
    Row {
        plant: "write-before-placed",
        package: "pollux-actors",
        // Of a message, or of the answer to a question.
        by: By::Seeds(1, 40, &["not twice", "refused once"]),
    },
    Row {
        plant: "no-epoch-check",
        package: "pollux-raft",
        by: By::Seeds(1, 40, &["old epochs void"]),
    },
    Row {
        plant: "told-unanswered",
        package: "pollux-actors",
        by: By::Seeds(2, 40, &["refused once", "recovers"]),
    },
    Row {
        plant: "fallback-undamped",
        package: "pollux-raft",
        by: By::Seeds(1, 20, &["goes home"]),
    },
    Row {
        plant: "service-unsaid",
        package: "pollux-raft",
        by: By::Seeds(1, 20, &["ailing are left"]),
    },
    Row {
        plant: "drained-takes",
        package: "pollux-raft",
        by: By::Seeds(1, 20, &["drained serve nobody"]),
    },
    Row {
        plant: "asked-once",
        package: "pollux-raft",
        by: By::Seeds(1, 40, &["moves come about"]),
    },
    Row {
        plant: "target-number",
        package: "pollux-raft",
        by: By::Walk(BETWEEN),
    },
    Row {
        plant: "no-n-check",
        package: "pollux-raft",
        by: By::Walk(ON_ANY_WALK),
    },
];

pub fn check() -> anyhow::Result<()> {
    // What does not build finds nothing: it is built before anything may fail. The whole workspace
    // is named, so that outside libraries have the features with which the tests have built them.
    run(cargo().args(["build", "--workspace", "--bin", PROGRAM]))?;
    run(walks().arg("--no-run"))?;
    nothing_is_planted()?;
    let mut missed = Vec::new();
    for (row, found) in TABLE.iter().zip(find_all()) {
        match found? {
            Ok(found) => println!("{}: found, {found}", row.plant),
            Err(why) => {
                println!("{}: NOT FOUND, {why}", row.plant);
                missed.push(format!(
                    "\n  {} ({}): {why}\n    {}",
                    row.plant,
                    row.package,
                    row.by.command(row.plant)
                ));
            }
        }
    }
    if !missed.is_empty() {
        bail!(
            "{} planted defects are not found any more. A change has made a test blind, or the \
             seeds are others now: run the command with more of them (chaos/TRACK_RECORD.md says \
             how many found it), and sharpen the invariant, or the fault that should show it.{}",
            missed.len(),
            missed.concat()
        );
    }
    Ok(())
}

/// The same program without a defect finds none: it does not call everything broken.
fn nothing_is_planted() -> anyhow::Result<()> {
    run(simulation().args(["--pairs", "1", "--count", "4"]))
        .context("seeds are broken in which nothing is planted")
}

/// Of each row, in their order; as many at a time as there are cores, for a world is one thread.
fn find_all() -> Vec<anyhow::Result<Found>> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let rows = Mutex::new(TABLE.iter().enumerate());
    let all = Mutex::new(BTreeMap::new());
    let next = || lock(&rows).next();
    // A worker that panics does so in the scope, too: no row is left out in silence.
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some((at, row)) = next() {
                    let found = row.by.find(row.plant);
                    lock(&all).insert(at, found);
                }
            });
        }
    });
    let all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.into_values().collect()
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn simulation() -> Command {
    Command::new(target_folder().join("debug").join(PROGRAM))
}

fn walks() -> Command {
    let mut command = cargo();
    command.args(["test", "--workspace", "--lib"]);
    command
}

impl By {
    /// What a person types to see it.
    fn command(&self, plant: &str) -> String {
        match self {
            By::Seeds(..) => format!(
                "cargo run -p pollux-chaos --bin {PROGRAM} -- {}",
                self.arguments(plant).join(" ")
            ),
            By::Walk(test) => {
                format!("POLLUX_PLANT={plant} cargo test -p pollux-raft --lib {test}")
            }
        }
    }

    fn arguments(&self, plant: &str) -> Vec<String> {
        match self {
            By::Seeds(pairs, count, _) => {
                let text = format!("--plant {plant} --pairs {pairs} --first 0 --count {count}");
                let words = text.split(' ').map(str::to_owned);
                words.chain(["--until-broken".to_owned()]).collect()
            }
            By::Walk(test) => vec![(*test).to_owned()],
        }
    }

    fn find(&self, plant: &str) -> anyhow::Result<Found> {
        let mut command = match self {
            By::Seeds(..) => simulation(),
            By::Walk(_) => walks(),
        };
        if matches!(self, By::Walk(_)) {
            command.env("POLLUX_PLANT", plant);
        }
        command.args(self.arguments(plant));
        let output = output(&mut command)?;
        Ok(self.judge(
            output.status.code(),
            &String::from_utf8_lossy(&output.stdout),
        ))
    }

    /// Whether it ended as it must, and says what it must.
    fn judge(&self, code: Option<i32>, said: &str) -> Found {
        let (wanted, found) = match self {
            By::Seeds(_, _, invariants) => {
                let broken = said
                    .lines()
                    .find(|line| line.starts_with("seed ") && is_broken(line));
                let named = |line: &&str| invariants.iter().any(|name| is_named(line, name));
                (1, broken.filter(named))
            }
            // What cargo ends with when a test fails.
            By::Walk(test) => {
                let failed = |line: &&str| line.contains(test) && line.ends_with("FAILED");
                (101, said.lines().find(failed))
            }
        };
        match found {
            Some(line) if code == Some(wanted) => Ok(line.chars().take(100).collect()),
            _ => Err(format!("it ended with {code:?} and said: {}", tail(said))),
        }
    }
}

/// Not one that merely proves nothing.
fn is_broken(line: &str) -> bool {
    !line.contains(": proves nothing")
}

/// `seed 7: name: what is wrong`.
fn is_named(line: &str, invariant: &str) -> bool {
    let mut parts = line.splitn(3, ": ").skip(1);
    parts.next() == Some(invariant)
}

fn tail(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(3)..].join(" | ")
}

fn output(command: &mut Command) -> anyhow::Result<Output> {
    let shown = format!("{command:?}").replace('"', "");
    command.output().with_context(|| format!("run {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::files;

    fn text_of(path: &str) -> String {
        let found = files(&[path]).unwrap();
        found
            .iter()
            .find(|file| file.path == path)
            .unwrap()
            .text
            .clone()
    }

    /// The names between the quotes of `Plant::ALL`.
    fn planted() -> Vec<String> {
        let text = text_of("raft/src/plants.rs");
        let rows = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("(\""));
        let rows = rows.filter(|row| row.contains("Plant::"));
        rows.map(|row| row.split('"').next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn every_defect_is_in_the_table_and_is_planted_where_it_says() {
        let names: Vec<&str> = TABLE.iter().map(|row| row.plant).collect();
        assert_eq!(planted(), names);
        for row in &TABLE {
            let variant: String = match row.plant {
                "no-n-check" => "NoNumberCheck".to_owned(),
                name => name.split('-').map(capital).collect(),
            };
            let folder = row.package.strip_prefix("pollux-").unwrap();
            let sources = files(&[".rs"]).unwrap();
            let asked = format!("is_planted(Plant::{variant})");
            let is_there = |file: &crate::workspace::SourceFile| {
                file.path.starts_with(&format!("{folder}/src")) && file.text.contains(&asked)
            };
            assert!(
                sources.iter().any(is_there),
                "{} is not in {folder}",
                row.plant
            );
        }
    }

    fn capital(word: &str) -> String {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    }

    /// Defects are where assertions for debugging are, which a release has only where it says so.
    #[test]
    fn no_product_has_a_defect() {
        for file in files(&["Cargo.toml"]).unwrap() {
            let on = |line: &str| line.contains("debug-assertions") || line.starts_with("plant");
            let found = file.text.lines().find(|line| on(line));
            assert_eq!(found, None, "{}", file.path);
        }
        let gate = "#[cfg(not(debug_assertions))]\n#[inline]\npub const fn is_planted(_: Plant) -> \
                    bool {\n    false\n}";
        assert!(text_of("raft/src/plants.rs").contains(gate));
    }

    #[test]
    fn only_the_expected_end_with_the_expected_words_counts() {
        let seeds = By::Seeds(1, 40, &["not twice"]);
        let said = "seed 1: proves nothing, nobody took over\nseed 2: not twice: m0-1 came twice\n";
        assert!(seeds.judge(Some(1), said).is_ok());
        assert!(seeds.judge(Some(0), said).is_err());
        assert!(seeds.judge(Some(101), said).is_err());
        assert!(seeds.judge(None, said).is_err());
        assert!(
            seeds
                .judge(Some(1), "seed 2: not lost: not twice: it is gone\n")
                .is_err()
        );
        assert!(seeds.judge(Some(1), "40 seeds, 0 broken\n").is_err());
        let first = "seed 1: recovers: not well\nseed 2: not twice: m0-1 came twice\n";
        assert!(seeds.judge(Some(1), first).is_err());

        let walk = By::Walk("on_any_walk");
        let failed = "test state::on_any_walk ... FAILED\n";
        assert!(walk.judge(Some(101), failed).is_ok());
        assert!(
            walk.judge(Some(0), "test state::on_any_walk ... ok\n")
                .is_err()
        );
        assert!(walk.judge(Some(101), "error: could not compile\n").is_err());
        assert!(
            walk.judge(Some(101), "test state::another ... FAILED\n")
                .is_err()
        );
    }
}
