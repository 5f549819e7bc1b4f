//! `cargo xtask bench`: builds the release, measures it beside its peers, and makes the page of the
//! book anew from what was found. What is measured stands in `chaos`.

mod figures;
mod page;
mod picture;
mod profile;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::step::run;
use crate::workspace::{cargo, root, target_folder};
use crate::{help, packages};
use figures::Figures;
use profile::Profile;

/// The page, and the folder of its pictures and of the numbers that both are made of.
const PAGE: &str = "docs/performance.md";
const FOLDER: &str = "docs/performance";
/// Among those, where the CPU goes: the only file that holds no figures.
const PROFILE: &str = "profile";

pub fn bench(arguments: &[&str]) -> anyhow::Result<()> {
    if arguments.len() > 1 && asks_for_help(arguments) {
        // Nobody waits for a release to read this.
        println!("{}", help::of("bench").unwrap_or_default());
        return Ok(());
    }
    match arguments {
        ["peers", rest @ ..] => peers(rest),
        ["profile", rest @ ..] => profile::profile(rest),
        ["page"] => page(),
        ["page", "--from", files @ ..] if !files.is_empty() => {
            // A path is meant from where the command is typed.
            files.iter().try_for_each(|file| keep(Path::new(file)))?;
            page()
        }
        _ => bail!("bench what?\n\n{}", help::of("bench").unwrap_or_default()),
    }
}

fn asks_for_help(arguments: &[&str]) -> bool {
    let mut words = arguments.iter();
    words.any(|word| matches!(*word, "--help" | "-h"))
}

fn peers(arguments: &[&str]) -> anyhow::Result<()> {
    packages::install_these(&["prosody", "ejabberd"])?;
    let programs = load_tool(&target_folder(), &[])?;
    let mut load = Command::new(programs.join("pollux-load"));
    load.arg("compare")
        .arg("--pollux")
        .arg(programs.join("pollux"));
    run(load.args(arguments))
}

/// Builds the release of the program and of what drives it, and returns the folder that they are
/// in. `options` are cargo's.
fn load_tool(folder: &Path, options: &[&str]) -> anyhow::Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--release", "-p", "pollux", "-p", "pollux-chaos"]);
    build.args(["--bin", "pollux", "--bin", "pollux-load"]);
    run(build.arg("--target-dir").arg(folder).args(options))?;
    Ok(folder.join("release"))
}

/// Keeps what was measured, under the name of its file, in place of what had that name; of profiles
/// there is one.
fn keep(file: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| {
        format!(
            "read {}; `cargo xtask bench peers | profile --json FILE` measures and writes one",
            file.display()
        )
    })?;
    let name = if Profile::read(&text).is_ok() {
        PROFILE.into()
    } else {
        Figures::read(&text).with_context(|| format!("read {}", file.display()))?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        if name == PROFILE {
            bail!("the name {PROFILE}.json is that of a profile: give the figures another one");
        }
        name
    };
    std::fs::create_dir_all(root().join(FOLDER)).with_context(|| format!("make {FOLDER}"))?;
    write(&format!("{FOLDER}/{name}.json"), &text)
}

/// All that is kept, in the order in which it was measured.
fn kept() -> anyhow::Result<Vec<Figures>> {
    let mut kept = Vec::new();
    let folder = root().join(FOLDER);
    let files = std::fs::read_dir(&folder).into_iter().flatten();
    for file in files {
        let path = file.with_context(|| format!("read {FOLDER}"))?.path();
        let is_profile = path.file_stem().is_some_and(|name| name == PROFILE);
        let is_json = path
            .extension()
            .is_some_and(|extension| extension == "json");
        if is_json && !is_profile {
            let text = std::fs::read_to_string(&path);
            let text = text.with_context(|| format!("read {}", path.display()))?;
            kept.push(Figures::read(&text).with_context(|| format!("read {}", path.display()))?);
        }
    }
    kept.sort_by(|one, other| one.machine.date.cmp(&other.machine.date));
    Ok(kept)
}

/// The page and its pictures from what is kept.
fn page() -> anyhow::Result<()> {
    let kept = figures::newest(kept()?);
    if kept.is_empty() {
        bail!("nothing was measured yet: `cargo xtask bench peers --json FILE`, then --from FILE");
    }
    let old = std::fs::read_to_string(root().join(PAGE)).with_context(|| format!("read {PAGE}"))?;
    let mut new = page::renew(&old, page::FIGURES, &page::tables(&kept))?;
    let path = root().join(format!("{FOLDER}/{PROFILE}.json"));
    if path.exists() {
        let text = std::fs::read_to_string(&path).context("read the profile")?;
        let tables = profile::tables(&Profile::read(&text)?);
        new = page::renew(&new, page::PROFILE, &tables)?;
    }
    write(PAGE, &new)?;
    for row in kept.iter().flat_map(|figures| &figures.rows) {
        write(&format!("{FOLDER}/{}.svg", row.key), &picture::bars(row))?;
    }
    Ok(())
}

fn write(path: &str, text: &str) -> anyhow::Result<()> {
    std::fs::write(root().join(path), text).with_context(|| format!("write {path}"))?;
    println!("{path} written");
    Ok(())
}
