//! The step of `verify` that runs the tests of the workspace: those of the program, which mostly
//! wait, more at a time than the rest, which computes or measures. Not for what they test.

use anyhow::{Context, bail};
use serde_json::Value;

use crate::step::run;
use crate::workspace::{cargo, metadata};

/// Of this package are the tests that start nodes and wait for them: a third of two cores is used
/// by two at a time.
const WAITS: &str = "pollux";
/// How many of them run at a time: on two cores, and no fewer on more.
const AT_A_TIME: &str = "4";

/// Builds all tests, then runs them; the second half also after a failure in the first.
pub fn check() -> anyhow::Result<()> {
    let (waiting, others) = split(&metadata()?)?;
    run(cargo().args(["test", "--workspace", "--no-run", "--quiet"]))?;
    let mut patient = test(&waiting);
    let patient = run(patient.args(["--", "--test-threads", AT_A_TIME]));
    // No documentation has tests in it.
    let others = run(test(&others).args(["--lib", "--bins"]));
    patient.and(others)
}

fn test(names: &[String]) -> std::process::Command {
    let mut test = cargo();
    test.args(["test", "--workspace", "--no-fail-fast"]);
    for name in names {
        test.args(["--test", name]);
    }
    test
}

/// The names of the test programs: of the package that waits, and of all others.
fn split(metadata: &Value) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let packages = metadata["packages"].as_array();
    let (mut waiting, mut others) = (Vec::new(), Vec::new());
    for package in packages.context("find the packages in the metadata")? {
        let targets = package["targets"].as_array().into_iter().flatten();
        let tests = targets.filter(|target| target["kind"][0] == "test");
        let names = tests.filter_map(|target| target["name"].as_str());
        let wanted = match package["name"] == WAITS {
            true => &mut waiting,
            false => &mut others,
        };
        wanted.extend(names.map(str::to_owned));
    }
    // A name that is left out would be a test that nobody runs.
    let both = waiting.iter().find(|name| others.contains(name));
    match both {
        Some(name) => bail!("two packages have a test program `{name}`"),
        None => Ok((waiting, others)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_is_in_one_half() {
        let metadata = metadata().expect("cargo answers");
        let (waiting, others) = split(&metadata).expect("packages");
        for name in ["cluster", "streams", "wire", "cli", "clients"] {
            assert!(waiting.iter().any(|waits| waits == name), "{name}");
        }
        for name in ["nodes", "groups", "http", "pair"] {
            assert!(others.iter().any(|other| other == name), "{name}");
        }
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
