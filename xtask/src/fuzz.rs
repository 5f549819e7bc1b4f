//! `cargo xtask fuzz`: builds a fuzz target with libFuzzer and runs it for a while. What must hold
//! stands in the `properties` of each crate, where the ordinary tests check it too.

use std::fs;
use std::process::Command;

use anyhow::{Context, bail};

use crate::help;
use crate::step::run;
use crate::workspace::root;

/// Name, folder of its package, and what it is given.
const TARGETS: &[(&str, &str, &str)] = &[
    ("jid", "domain/fuzz", "addresses"),
    ("setting", "domain/fuzz", "settings of the cluster"),
    ("stream", "protocols/xml/fuzz", "streams, in any chunks"),
    ("element", "protocols/xml/fuzz", "complete elements"),
    (
        "frame",
        "protocols/xmpp/fuzz",
        "stanzas, SASL elements and all else on a stream",
    ),
    ("scram", "protocols/xmpp/fuzz", "messages of SCRAM"),
    ("configuration", "fuzz", "pollux.toml"),
];

/// What cargo-fuzz tells the compiler: count edges, follow comparisons.
const FLAGS: &[&str] = &[
    "--cfg fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
    "-Ccodegen-units=1",
];

pub fn run_target(arguments: &[&str]) -> anyhow::Result<()> {
    let (name, seconds) = match arguments {
        [] => {
            for (name, folder, what) in TARGETS {
                println!("{name:<14} {what} ({folder})");
            }
            return Ok(());
        }
        [name] => (*name, 60),
        [name, seconds] => (*name, seconds.parse::<u32>().context("read the seconds")?),
        _ => bail!("{}", help::of("fuzz").unwrap_or_default()),
    };
    let target = TARGETS.iter().find(|(known, ..)| *known == name);
    let Some((_, folder, _)) = target else {
        bail!("no target `{name}`; `cargo xtask fuzz` lists them");
    };
    let corpus = root().join("target/fuzz").join(name);
    fs::create_dir_all(&corpus).with_context(|| format!("make {}", corpus.display()))?;
    let host = host()?;
    // The compiler of this house is a stable one; a fuzzer needs the other.
    let mut fuzz = Command::new("cargo");
    fuzz.current_dir(root()).env("RUSTUP_TOOLCHAIN", "nightly");
    fuzz.env("RUSTFLAGS", FLAGS.join(" "));
    fuzz.args(["run", "--release", "--target", &host, "--manifest-path"]);
    fuzz.arg(root().join(folder).join("Cargo.toml"));
    fuzz.arg("--target-dir")
        .arg(root().join("target/fuzz/build"));
    fuzz.args(["--bin", name, "--"]).arg(&corpus);
    fuzz.arg(format!("-artifact_prefix={}/", corpus.display()));
    fuzz.arg(format!("-max_total_time={seconds}"));
    run(&mut fuzz)
}

/// Build scripts are for the host, and must not be built as a target is.
fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("run rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .context("find the host in what rustc says")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_is_in_its_package() {
        for (name, folder, _) in TARGETS {
            let folder = root().join(folder);
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            assert!(
                folder.join(format!("fuzz_targets/{name}.rs")).exists(),
                "{name}"
            );
        }
    }
}
