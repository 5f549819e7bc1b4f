//! What `pollux-load compare --json` writes, as the page reads it. Not for judging it: that is done
//! where it is measured.

use std::collections::BTreeSet;

use anyhow::Context;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
pub struct Figures {
    pub machine: Machine,
    pub quick: bool,
    pub runs: usize,
    pub disk: Option<Disk>,
    pub rows: Vec<Row>,
    pub growth: Vec<Growth>,
    pub failed: Vec<String>,
}

impl Figures {
    pub fn read(text: &str) -> anyhow::Result<Figures> {
        serde_json::from_str(text).context("these are no figures of `pollux-load compare --json`")
    }
}

/// Without the rows that were measured again later, and without what has no row left. They are in
/// the order in which they were measured.
pub fn newest(mut kept: Vec<Figures>) -> Vec<Figures> {
    let mut seen = BTreeSet::new();
    let mut is_new = |what: String| seen.insert(what);
    let mut measured = BTreeSet::new();
    for figures in kept.iter_mut().rev() {
        // What could not be measured then and was since is no news.
        let since = |words: &String| measured.iter().any(|what| words.contains(what));
        figures.failed.retain(|words| !since(words));
        measured.extend(
            figures
                .rows
                .iter()
                .map(|row| format!(": {}, run", row.what)),
        );
        figures.rows.retain(|row| is_new(row.key.clone()));
        let growth = &mut figures.growth;
        growth.retain(|one| is_new(format!("growth of {}", one.key)));
    }
    kept.retain(|figures| !figures.rows.is_empty() || !figures.growth.is_empty());
    kept
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub cores: usize,
    pub processor: String,
    pub kernel: String,
    pub date: String,
    pub commit: String,
    pub versions: Vec<String>,
    pub command: String,
}

impl Machine {
    /// When, of what and where it was measured: the beginning of a sentence.
    pub fn measured(&self, quick: bool) -> String {
        let small = match quick {
            true => "**Of small sizes: it shows that all of it works, and measures nothing.** ",
            false => "",
        };
        let Machine {
            cores,
            processor,
            kernel,
            date,
            commit,
            command,
            ..
        } = self;
        format!(
            "{small}Measured on {date} UTC at commit {commit} with `{command}`, on {cores} cores \
             of {processor}, {kernel}"
        )
    }
}

#[derive(Debug, Deserialize)]
pub struct Disk {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

#[derive(Debug, Deserialize)]
pub struct Row {
    pub key: String,
    pub what: String,
    pub unit: String,
    pub cells: Vec<Cell>,
    pub judged: Option<String>,
    pub better_peer: Option<String>,
    pub times_better: Option<f64>,
    pub over_ceilings: Vec<Over>,
    pub reach: Option<f64>,
    pub stretch: Option<f64>,
    pub verdict: String,
}

#[derive(Debug, Deserialize)]
pub struct Cell {
    pub name: String,
    pub rank: String,
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

#[derive(Debug, Deserialize)]
pub struct Over {
    pub ceiling: String,
    pub times: f64,
}

#[derive(Debug, Deserialize)]
pub struct Growth {
    pub key: String,
    pub what: String,
    pub unit: String,
    pub cells: Vec<Cell>,
    pub ratio: f64,
    pub holds: bool,
}

/// Three digits that say something.
pub fn number(value: f64) -> String {
    match value {
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ if value >= 1.0 => format!("{value:.2}"),
        _ if value >= 0.1 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

/// The median, with least and most behind it.
pub fn spread(cell: &Cell) -> String {
    let [median, min, max] = [cell.median, cell.min, cell.max].map(number);
    format!("{median} ({min}–{max})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_again_stands_where_it_was_measured_last() {
        let text = include_str!("golden/figures.json");
        let read = || Figures::read(text).unwrap();
        let all = read().rows.len();
        let mut later = read();
        later.rows.truncate(1);
        later.growth.clear();
        let kept = newest(vec![read(), later]);
        assert_eq!((kept[0].rows.len(), kept[0].growth.len()), (all - 1, 1));
        assert_eq!(kept[1].rows.len(), 1);
        assert_eq!(newest(vec![read(), read()]).len(), 1);
    }

    #[test]
    fn what_failed_and_was_measured_since_is_no_news() {
        let read = || Figures::read(include_str!("golden/figures.json")).unwrap();
        let mut earlier = read();
        let said = format!(
            "in memory: {}, run 1: it did not start",
            earlier.rows[0].what
        );
        earlier.failed = vec![said.clone(), "in memory: another, run 1: no".to_owned()];
        let mut later = read();
        later.rows.truncate(1);
        later.failed = vec![said.clone()];
        let kept = newest(vec![earlier, later]);
        assert_eq!(kept[0].failed, ["in memory: another, run 1: no"]);
        assert_eq!(kept[1].failed, [said], "it failed the last time");
    }
}
