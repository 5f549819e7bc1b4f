//! `cargo xtask bench`: builds the release, measures it beside its peers, and makes the page of the
//! book anew from what was found. What is measured stands in `chaos`.

mod figures;
mod page;
mod picture;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::step::run;
use crate::workspace::{cargo, root};
use crate::{help, packages};
use figures::Figures;

/// The page, and the folder of its pictures and of the numbers that both are made of.
const PAGE: &str = "docs/performance.md";
const FOLDER: &str = "docs/performance";
const NUMBERS: &str = "docs/performance/figures.json";

pub fn bench(arguments: &[&str]) -> anyhow::Result<()> {
    match arguments {
        ["peers", rest @ ..] => peers(rest),
        ["page"] => page_from(&root().join(NUMBERS)),
        // A path is meant from where the command is typed.
        ["page", "--from", file] => page_from(Path::new(file)),
        _ => bail!("bench what?\n\n{}", help::of("bench").unwrap_or_default()),
    }
}

fn peers(arguments: &[&str]) -> anyhow::Result<()> {
    if arguments
        .iter()
        .any(|word| matches!(*word, "--help" | "-h"))
    {
        // Nobody waits for a release to read this.
        println!("{}", help::of("bench").unwrap_or_default());
        return Ok(());
    }
    packages::install_these(&["prosody", "ejabberd"])?;
    let mut build = cargo();
    build.args(["build", "--release", "-p", "pollux", "-p", "pollux-chaos"]);
    run(build.args(["--bin", "pollux", "--bin", "pollux-load"]))?;
    let programs = target_folder().join("release");
    let mut load = Command::new(programs.join("pollux-load"));
    load.arg("compare")
        .arg("--pollux")
        .arg(programs.join("pollux"));
    run(load.args(arguments))
}

/// Where cargo builds to.
fn target_folder() -> PathBuf {
    let told = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(told.unwrap_or_else(|| PathBuf::from("target")))
}

fn page_from(file: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| {
        format!(
            "read {}; `cargo xtask bench peers --json FILE` measures and writes one",
            file.display()
        )
    })?;
    let figures: Figures = serde_json::from_str(&text).context("read the figures")?;
    let page = root().join(PAGE);
    let old = std::fs::read_to_string(&page).with_context(|| format!("read {PAGE}"))?;
    let new = page::renew(&old, &figures)?;
    std::fs::create_dir_all(root().join(FOLDER)).with_context(|| format!("make {FOLDER}"))?;
    write(PAGE, &new)?;
    // The page can be made again from what lies beside it.
    write(NUMBERS, &text)?;
    for row in &figures.rows {
        write(&format!("{FOLDER}/{}.svg", row.key), &picture::bars(row))?;
    }
    Ok(())
}

fn write(path: &str, text: &str) -> anyhow::Result<()> {
    std::fs::write(root().join(path), text).with_context(|| format!("write {path}"))?;
    println!("{path} written");
    Ok(())
}
