//! The step of `verify` that runs the tests of the workspace: those of the program, which mostly
//! wait, more at a time than the rest; and beside them those that only compute. Not for what they
//! test.

use std::process::Command;
use std::thread;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::step::{run, run_aside};
use crate::workspace::{cargo, metadata, nice_cargo};

/// Of this package are the tests that start nodes and wait for them: a third of two cores is used
/// by two at a time.
const WAITS: &str = "pollux";
/// How many of them run at a time: on two cores, and no fewer on more.
const AT_A_TIME: &str = "4";
/// They compute for minutes, in a time of their own: what the others leave of the cores is enough.
const COMPUTES: [&str; 2] = ["pair", "simulation"];

/// The names of test programs.
#[derive(Debug, Default)]
struct Programs {
    waiting: Vec<String>,
    computing: Vec<String>,
    others: Vec<String>,
}

/// Builds all tests, then runs them, each part also after a failure in another.
pub fn check() -> anyhow::Result<()> {
    let programs = split(&metadata()?)?;
    run(cargo().args(["test", "--workspace", "--no-run", "--quiet"]))?;
    thread::scope(|scope| {
        let computing = scope.spawn(|| run_aside(&mut test(nice_cargo(), &programs.computing)));
        let mut patient = test(cargo(), &programs.waiting);
        let patient = run(patient.args(["--", "--test-threads", AT_A_TIME]));
        // No documentation has tests in it.
        let others = run(test(cargo(), &programs.others).args(["--lib", "--bins"]));
        let computing = computing.join();
        let computing = computing.unwrap_or_else(|_| bail!("whoever ran them panicked"));
        patient.and(others).and(computing)
    })
}

fn test(mut test: Command, names: &[String]) -> Command {
    test.args(["test", "--workspace", "--no-fail-fast"]);
    for name in names {
        test.args(["--test", name]);
    }
    test
}

/// Each test program is in one part.
fn split(metadata: &Value) -> anyhow::Result<Programs> {
    let packages = metadata["packages"].as_array();
    let mut programs = Programs::default();
    for package in packages.context("find the packages in the metadata")? {
        let targets = package["targets"].as_array().into_iter().flatten();
        let tests = targets.filter(|target| target["kind"][0] == "test");
        for name in tests.filter_map(|target| target["name"].as_str()) {
            let wanted = match package["name"] == WAITS {
                true => &mut programs.waiting,
                false if COMPUTES.contains(&name) => &mut programs.computing,
                false => &mut programs.others,
            };
            wanted.push(name.to_owned());
        }
    }
    // A name that is left out would be a test that nobody runs.
    let Programs {
        waiting,
        computing,
        others,
    } = &programs;
    let mut all: Vec<&String> = waiting.iter().chain(computing).chain(others).collect();
    all.sort_unstable();
    match all.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => bail!("two packages have a test program `{}`", pair[0]),
        None => Ok(programs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_is_in_one_part() {
        let metadata = metadata().expect("cargo answers");
        let programs = split(&metadata).expect("packages");
        for name in ["cluster", "streams", "wire", "cli", "clients"] {
            assert!(programs.waiting.iter().any(|one| one == name), "{name}");
        }
        for name in ["nodes", "groups", "http", "peers"] {
            assert!(programs.others.iter().any(|one| one == name), "{name}");
        }
        assert_eq!(programs.computing, COMPUTES);
    }

    #[test]
    fn one_name_for_two_is_refused() {
        let target = serde_json::json!([{"kind": ["test"], "name": "cluster"}]);
        let package = |name| serde_json::json!({"name": name, "targets": target});
        let metadata = serde_json::json!({"packages": [package(WAITS), package("other")]});
        let error = split(&metadata).expect_err("they are one for cargo");
        assert!(error.to_string().contains("`cluster`"), "{error}");
    }
}
