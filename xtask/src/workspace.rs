//! Where the workspace is and which files belong to it. Not for judging them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

/// The root of the workspace: xtask is a folder of it.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The cargo that runs us, so that a toolchain chosen with `cargo +name` stays chosen.
pub fn cargo() -> Command {
    prepared(Command::new(cargo_program()))
}

/// The same with what others leave of the cores.
pub fn nice_cargo() -> Command {
    let mut nice = Command::new("nice");
    nice.args(["-n", "19"]).arg(cargo_program());
    prepared(nice)
}

fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn prepared(mut command: Command) -> Command {
    command.current_dir(root());
    // What it has told us of ourselves: build scripts (of ring) would take it for a change, and
    // half of what there is would be built again.
    let told = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        let of_package = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
        ];
        of_package.iter().any(|prefix| name.starts_with(prefix))
    });
    for name in told {
        command.env_remove(name);
    }
    command
}

/// What cargo knows of the packages of the workspace.
pub fn metadata() -> anyhow::Result<Value> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .context("run cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    serde_json::from_slice(&output.stdout).context("read cargo metadata")
}

/// Where cargo builds to.
pub fn target_folder() -> PathBuf {
    let told = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(told.unwrap_or_else(|| PathBuf::from("target")))
}

/// A file of the workspace: its path from the root, and its text.
pub struct SourceFile {
    pub path: String,
    pub text: String,
}

/// All files that git keeps or would keep, whose name ends in one of `endings`.
pub fn files(endings: &[&str]) -> anyhow::Result<Vec<SourceFile>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "--deduplicate",
        ])
        .current_dir(root())
        .output()
        .context("run git ls-files")?;
    if !output.status.success() {
        bail!(
            "git ls-files failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let names = String::from_utf8(output.stdout).context("read the names of the files")?;
    let mut found = Vec::new();
    for path in names
        .split('\0')
        .filter(|name| endings.iter().any(|end| name.ends_with(end)))
    {
        let full = root().join(path);
        // A file that was removed but not yet committed is still listed.
        if !full.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&full).with_context(|| format!("read {path}"))?;
        found.push(SourceFile {
            path: path.to_owned(),
            text,
        });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}
