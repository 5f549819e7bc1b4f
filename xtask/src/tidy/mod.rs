//! The house rules that a machine can read. Holds which rule looks at which file; each rule is a
//! function from a text to its mistakes.

mod links;
mod mirror;
mod source;
mod wrap;

use anyhow::{Context, bail};

use crate::{coverage, workspace};

/// A broken rule, with the line (from 1) where a person looks.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    pub line: usize,
    pub text: String,
}

pub fn check() -> anyhow::Result<()> {
    let sources = workspace::files(&[".rs"])?;
    let pages = workspace::files(&[".md"])?;
    let mut broken = Vec::new();
    let mut note = |path: &str, mistakes: Vec<Mistake>| {
        for mistake in mistakes {
            broken.push(format!("{path}:{}: {}", mistake.line, mistake.text));
        }
    };
    for file in &sources {
        note(&file.path, source::mistakes(&file.text));
    }
    for file in workspace::files(&[".toml", ".sh"])? {
        note(&file.path, source::unfinished(&file.text));
    }
    for page in &pages {
        note(
            &page.path,
            links::mistakes(page, &pages, |path| workspace::root().join(path).exists()),
        );
    }
    mirror::show(&sources);
    if !broken.is_empty() {
        bail!(
            "{} broken house rules:\n  {}",
            broken.len(),
            broken.join("\n  ")
        );
    }
    coverage::check()?;
    println!(
        "tidy: {} sources and {} pages keep the house rules",
        sources.len(),
        pages.len()
    );
    Ok(())
}

/// Repairs what a machine can: wraps comments that are too wide.
pub fn fix() -> anyhow::Result<()> {
    for file in workspace::files(&[".rs"])? {
        if let Some(text) = wrap::wrapped(&file.text) {
            let path = workspace::root().join(&file.path);
            std::fs::write(path, text).with_context(|| format!("write {}", file.path))?;
            println!("{}: comments wrapped", file.path);
        }
    }
    Ok(())
}
