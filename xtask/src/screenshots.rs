//! Pictures of every page, wide, narrow and dark, to be looked at: the test of the pages in a
//! browser takes them on its way.

use std::path::Path;

use anyhow::{Context, bail};

use crate::step::run;
use crate::workspace::cargo;

/// What the test looks at.
const FOLDER: &str = "POLLUX_SCREENSHOTS";

pub fn take(words: &[&str]) -> anyhow::Result<()> {
    let folder = match words {
        [] => "target/screenshots",
        [folder] => folder,
        _ => bail!("cargo xtask screenshots [FOLDER]"),
    };
    std::fs::create_dir_all(folder).context("make the folder")?;
    let folder = Path::new(folder)
        .canonicalize()
        .context("find the folder")?;
    let test = ["test", "--workspace", "--test", "cluster", "browser::"];
    run(cargo().args(test).env(FOLDER, &folder))?;
    println!("the pictures are in {}", folder.display());
    Ok(())
}
