//! `cargo xtask upgrade`: builds this version and the one that would come after it, and drills an
//! upgrade between them, and back. What the drills do stands in `chaos`.

use std::fs;
use std::process::Command;

use anyhow::Context;

use crate::step::run;
use crate::workspace::{cargo, root, target_folder};

/// What makes the next version: see `raft/src/version.rs`.
const FEATURES: &str = "pollux/next-format";
/// The packages that know of the feature. Where only promises are drilled, they are built in a
/// hurry: it takes a third of the time.
const PACKAGES: [&str; 4] = ["pollux-raft", "pollux-actors", "pollux-admin-ui", "pollux"];
/// Where drills look for it, beside `pollux`.
const NEXT: &str = "pollux-next";
const DRILLS: [&str; 2] = ["rolling-upgrade", "rolling-downgrade"];

/// A profile of cargo, and the folder of what it makes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Debug,
    Release,
}

/// Builds the next version, and then this one, which takes the name back: cargo knows one name. The
/// packages are those that the tests, or the other drills, name: outside libraries are built once.
pub fn build_next(profile: Profile) -> anyhow::Result<()> {
    let (folder, packages): (_, &[&str]) = match profile {
        Profile::Debug => ("debug", &["--workspace"]),
        Profile::Release => (
            "release",
            &["--release", "-p", "pollux", "-p", "pollux-chaos"],
        ),
    };
    let build = |more: &[String]| {
        let mut build = cargo();
        build.args(["build", "--quiet", "--bin", "pollux"]);
        run(build.args(packages).args(more))
    };
    let mut next = vec!["--features".to_owned(), FEATURES.to_owned()];
    if profile == Profile::Debug {
        let hurry = PACKAGES.map(|package| {
            let settings = [("opt-level", "0"), ("debug", "false")];
            settings.map(|(name, value)| format!("profile.dev.package.{package}.{name}={value}"))
        });
        let hurry = hurry.into_iter().flatten();
        next.extend(hurry.flat_map(|setting| ["--config".to_owned(), setting]));
    }
    build(&next)?;
    let folder = target_folder().join(folder);
    fs::copy(folder.join("pollux"), folder.join(NEXT)).context("keep the next version")?;
    build(&["--bin".to_owned(), "pollux-drill".to_owned()])
}

/// Both drills, on the builds of the tests: promises, and no times.
pub fn check() -> anyhow::Result<()> {
    build_next(Profile::Debug)?;
    let mut drill = Command::new(target_folder().join("debug/pollux-drill"));
    drill
        .current_dir(root())
        .args(DRILLS)
        .args(["--no-bounds", "--patience-ms", "2000"]);
    run(&mut drill)
}
