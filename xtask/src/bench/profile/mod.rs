//! `cargo xtask bench profile`: runs each work against Pollux and the ceilings, and says where the
//! CPU time of the measured part goes. What is run stands in `chaos`; what a sample is, in kinds.

mod account;
mod flame;
mod kinds;
mod stacks;
mod tables;

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::figures::{Cell, Figures, Row as Measured};
use super::load_tool;
use crate::packages;
use crate::step::run;
use crate::workspace::target_folder;
pub use account::Profile;
use account::{Account, Column, Row};
use flame::Folded;
pub use tables::of as tables;

/// With these a stack is walked without a table of how to.
const FRAME_POINTERS: &str = "build.rustflags=[\"-Cforce-frame-pointers=yes\"]";

/// What stands behind `profile`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted<'a> {
    flame: Option<&'a Path>,
    json: Option<&'a Path>,
    /// For `pollux-load compare`.
    rest: Vec<&'a str>,
}

impl<'a> Wanted<'a> {
    fn of(arguments: &[&'a str]) -> anyhow::Result<Self> {
        let mut wanted = Wanted::default();
        let mut words = arguments.iter().copied();
        while let Some(word) = words.next() {
            let place = match word {
                "--flame" => &mut wanted.flame,
                "--json" => &mut wanted.json,
                _ => {
                    wanted.rest.push(word);
                    continue;
                }
            };
            let path = words.next().map(Path::new);
            *place = Some(path.with_context(|| format!("what file or folder after {word}?"))?);
        }
        Ok(wanted)
    }
}

pub fn profile(arguments: &[&str]) -> anyhow::Result<()> {
    let wanted = Wanted::of(arguments)?;
    packages::install_these(&["linux-perf"])?;
    // A folder of its own: other flags would throw the usual build away.
    let folder = target_folder().join("profiling");
    let programs = load_tool(&folder, &["--config", FRAME_POINTERS])?;
    let recordings = folder.join("recordings");
    if recordings.exists() {
        std::fs::remove_dir_all(&recordings).context("remove the recordings of the last time")?;
    }
    std::fs::create_dir_all(&recordings).context("make a folder for recordings")?;
    let figures = recordings.join("figures.json");
    let mut load = Command::new(programs.join("pollux-load"));
    load.arg("compare").arg("--record").arg(&recordings);
    load.arg("--pollux").arg(programs.join("pollux"));
    load.arg("--json").arg(&figures);
    run(load.args(&wanted.rest))?;
    let text = std::fs::read_to_string(&figures).context("read what was measured")?;
    let profile = digest(Figures::read(&text)?, &recordings, wanted.flame)?;
    println!("\n{}", tables(&profile));
    if let Some(path) = wanted.json {
        let text = serde_json::to_string_pretty(&profile).context("write JSON")?;
        let written = std::fs::write(path, text + "\n");
        written.with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// What was measured, with what was recorded meanwhile.
fn digest(figures: Figures, recordings: &Path, flame: Option<&Path>) -> anyhow::Result<Profile> {
    if let Some(folder) = flame {
        let made = std::fs::create_dir_all(folder);
        made.with_context(|| format!("make {}", folder.display()))?;
    }
    let mut profiled = Vec::new();
    for mut row in figures.rows {
        // The judged one first: the others stand beside it.
        row.cells
            .sort_by_key(|cell| row.judged.as_ref() != Some(&cell.name));
        let columns = row.cells.iter().map(|cell| {
            println!("reading what perf recorded: {}: {}", cell.name, row.what);
            let column = column(&row, cell, recordings, flame);
            column.with_context(|| format!("{}: {}", cell.name, row.what))
        });
        profiled.push(Row {
            columns: columns.collect::<anyhow::Result<_>>()?,
            key: row.key.clone(),
            what: row.what.clone(),
        });
    }
    Ok(Profile {
        machine: figures.machine,
        quick: figures.quick,
        profiled,
    })
}

fn column(
    row: &Measured,
    cell: &Cell,
    recordings: &Path,
    flame: Option<&Path>,
) -> anyhow::Result<Column> {
    let (mut account, mut folded) = (Account::default(), Folded::default());
    let recording = recordings
        .join(&row.key)
        .join(format!("{}.data", cell.name));
    script(&recording, |sample| {
        account.add(sample);
        if flame.is_some() {
            folded.add(sample);
        }
    })?;
    if account.samples() == 0 {
        println!("  a run too short for a sample: its column stays empty");
    }
    if let Some(folder) = flame {
        let title = format!("{}: {}", cell.name, row.what);
        let name = cell.name.replace([' ', ','], "-");
        let path: PathBuf = folder.join(format!("{}.{name}.svg", row.key));
        folded.draw(&title, &path)?;
        println!("{} written", path.display());
    }
    // Milliseconds of the comparison, microseconds here.
    Ok(account.column(&cell.name, &cell.rank, cell.median * 1e3))
}

/// Each sample of a recording, as perf prints it.
fn script(recording: &Path, mut each: impl FnMut(&stacks::Sample)) -> anyhow::Result<()> {
    let mut perf = Command::new("perf");
    perf.args([
        "script",
        "--no-inline",
        "--fields",
        "comm,pid,tid,ip,sym,dso",
    ]);
    perf.arg("--input").arg(recording);
    // It complains of every library without a table of lines, which nobody needs here.
    perf.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut perf = perf.spawn().context("run perf script")?;
    let printed = perf.stdout.take().context("read what perf prints")?;
    stacks::read(BufReader::new(printed), &mut each)?;
    let ended = perf.wait().context("wait for perf script")?;
    if !ended.success() {
        bail!("perf script cannot read {}: {ended}", recording.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_its_own_goes_to_the_load_tool() {
        let words = [
            "--figures",
            "storm",
            "--flame",
            "f",
            "--seconds",
            "5",
            "--json",
            "p.json",
        ];
        let wanted = Wanted::of(&words).unwrap();
        assert_eq!(wanted.rest, ["--figures", "storm", "--seconds", "5"]);
        assert_eq!(
            (wanted.flame, wanted.json),
            (Some(Path::new("f")), Some(Path::new("p.json")))
        );
        assert!(Wanted::of(&["--flame"]).is_err());
    }
}
