//! The steps of `verify`, which never writes, and of `fix`, which does. Not for the rules
//! themselves.

use crate::step::{Step, run, run_all};
use crate::workspace::cargo;
use crate::{arrows, generated, package, planted, testing, tidy, upgrade};

/// Cheap steps first: most mistakes are found within a second.
const VERIFY: &[Step] = &[
    Step {
        name: "format",
        advice: "cargo xtask fix",
        work: || run(cargo().args(["fmt", "--all", "--check"])),
    },
    Step {
        name: "tidy",
        advice: "see the list above",
        work: tidy::check,
    },
    Step {
        name: "arrows",
        advice: "turn the dependency round, or record a decision",
        work: arrows::check,
    },
    Step {
        name: "clippy",
        advice: "cargo xtask fix repairs some; clippy.toml names replacements",
        work: || {
            let arguments = [
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ];
            run(cargo().args(arguments))
        },
    },
    Step {
        name: "docs",
        advice: "cargo xtask docs",
        work: generated::check,
    },
    Step {
        name: "tests",
        advice: "cargo test --workspace --no-fail-fast",
        work: testing::check,
    },
    Step {
        name: "upgrade",
        advice: "cargo xtask upgrade",
        work: upgrade::check,
    },
    Step {
        name: "package",
        advice: "cargo xtask package --try",
        work: package::check,
    },
    Step {
        name: "planted",
        advice: "cargo xtask planted",
        work: planted::check,
    },
];

const FIX: &[Step] = &[
    Step {
        name: "clippy",
        advice: "what remains needs a person",
        work: || {
            let arguments = [
                "clippy",
                "--workspace",
                "--all-targets",
                "--fix",
                "--allow-dirty",
                "--allow-staged",
            ];
            run(cargo().args(arguments))
        },
    },
    Step {
        name: "comments",
        advice: "what remains needs a person",
        work: tidy::fix,
    },
    Step {
        name: "format",
        advice: "a file that does not parse cannot be formatted",
        work: || run(cargo().args(["fmt", "--all"])),
    },
    Step {
        name: "docs",
        advice: "the program must build first",
        work: generated::write,
    },
];

pub fn verify() -> anyhow::Result<()> {
    run_all(VERIFY)
}

pub fn fix() -> anyhow::Result<()> {
    run_all(FIX)
}
