//! Writes and compares the files that the program's own tables produce. Does not know what is in
//! them.

use std::process::Command;

use anyhow::{Context, bail};

use crate::coverage;
use crate::step::run;
use crate::workspace::{cargo, root, target_folder};

/// A generated file and what makes it.
struct Generated {
    path: &'static str,
    maker: Maker,
}

enum Maker {
    /// The program, with these arguments.
    Program(&'static [&'static str]),
    /// This tool.
    Own(fn() -> anyhow::Result<String>),
}

const GENERATED: &[Generated] = &[
    Generated {
        path: "pollux.example.toml",
        maker: Maker::Program(&["example-config"]),
    },
    Generated {
        path: "docs/reference/config.md",
        maker: Maker::Program(&["example-config", "--reference"]),
    },
    Generated {
        path: "docs/reference/exit-codes.md",
        maker: Maker::Program(&["exit-codes"]),
    },
    Generated {
        path: "docs/reference/versions.md",
        maker: Maker::Program(&["versions"]),
    },
    Generated {
        path: "docs/reference/settings.md",
        maker: Maker::Program(&["cluster-settings"]),
    },
    Generated {
        path: "docs/reference/coverage.md",
        maker: Maker::Own(coverage::page),
    },
];

pub fn write() -> anyhow::Result<()> {
    build()?;
    for file in GENERATED {
        let text = produce(file)?;
        let path = root().join(file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("make {}", folder.display()))?;
        }
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            println!("{} is up to date", file.path);
            continue;
        }
        std::fs::write(&path, text).with_context(|| format!("write {}", file.path))?;
        println!("{} written", file.path);
    }
    Ok(())
}

pub fn check() -> anyhow::Result<()> {
    build()?;
    let mut stale = Vec::new();
    for file in GENERATED {
        let on_disk = std::fs::read_to_string(root().join(file.path)).unwrap_or_default();
        if on_disk != produce(file)? {
            stale.push(file.path);
        }
    }
    if !stale.is_empty() {
        bail!(
            "stale: {}; `cargo xtask docs` writes them afresh",
            stale.join(", ")
        );
    }
    Ok(())
}

/// The whole workspace is named, so that outside libraries are built with the features that the
/// tests want of them, and once.
fn build() -> anyhow::Result<()> {
    run(cargo().args(["build", "--quiet", "--workspace", "--bin", "pollux"]))
}

fn produce(file: &Generated) -> anyhow::Result<String> {
    let arguments = match file.maker {
        Maker::Program(arguments) => arguments,
        Maker::Own(make) => return make(),
    };
    let program = target_folder().join("debug/pollux");
    let output = Command::new(program)
        .current_dir(root())
        .args(arguments)
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("run pollux for {}", file.path))?;
    if !output.status.success() {
        bail!(
            "pollux {} ended with {}",
            arguments.join(" "),
            output.status
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("read what becomes {}", file.path))
}
