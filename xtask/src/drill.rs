//! `cargo xtask drill`: builds the release, then runs the failover drills on it. What a drill is
//! stands in `chaos`.

use anyhow::bail;

use crate::help;
use crate::step::run;
use crate::upgrade::{Profile, build_next};
use crate::workspace::{cargo, root};

/// What is drilled, and what drills.
const PROGRAMS: &[&str] = &["pollux", "pollux-drill"];

pub fn run_drills(arguments: &[&str]) -> anyhow::Result<()> {
    if arguments.is_empty() {
        bail!("which drill?\n\n{}", help::of("drill").unwrap_or_default());
    }
    // Where all are drilled, those of upgrades are, too.
    if arguments
        .iter()
        .any(|name| *name == "all" || name.starts_with("rolling-"))
    {
        build_next(Profile::Release)?;
    }
    let mut build = cargo();
    build.args(["build", "--release", "-p", "pollux", "-p", "pollux-chaos"]);
    for program in PROGRAMS {
        build.args(["--bin", program]);
    }
    run(&mut build)?;
    let mut drill = cargo();
    let words = ["run", "--quiet", "--release", "-p", "pollux-chaos", "--bin"];
    drill.args(words).args(["pollux-drill", "--"]);
    // The drilled program lies beside the one that drills it.
    drill.current_dir(root()).args(arguments);
    run(&mut drill)
}
