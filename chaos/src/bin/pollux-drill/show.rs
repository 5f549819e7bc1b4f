//! Results on standard output: a row a drill for people, or JSON for programs.

use std::io::{Write, stdout};

use anyhow::Context;
use pollux_chaos::failover::{Findings, Plan, Report, Spread, StormReport};
use serde::Serialize;

use crate::say;

const COLUMNS: [&str; 14] = [
    "drill",
    "runs",
    "acknowledged",
    "lost",
    "twice",
    "out of order",
    "false unavailable",
    "ghosts",
    "moves",
    "elections",
    "first resumed ms",
    "first message ms",
    "last back ms",
    "whole ms",
];

/// A row for each drill; times are least/median/most of its runs.
pub fn reports(reports: &[Report], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(&reports);
    }
    if reports.is_empty() {
        return Ok(());
    }
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    rows.extend(reports.iter().map(row));
    table(&rows)
}

fn row(report: &Report) -> Vec<String> {
    let sum = |of: fn(&Findings) -> u64| report.sum(of).to_string();
    let time = |of: fn(&Findings) -> Option<f64>| spread(report.spread(of));
    vec![
        report.drill.to_owned(),
        report.runs.len().to_string(),
        sum(|run| run.verdict.acknowledged),
        sum(|run| run.verdict.lost),
        sum(|run| run.verdict.twice),
        sum(|run| run.verdict.out_of_order),
        sum(|run| run.false_unavailable),
        sum(|run| run.ghosts),
        sum(|run| run.epochs),
        sum(|run| run.terms),
        time(|run| run.recovery.first_resumed_ms),
        time(|run| run.recovery.first_message_ms),
        time(|run| run.recovery.last_back_ms),
        time(|run| run.whole_ms),
    ]
}

fn spread(spread: Option<Spread>) -> String {
    spread.map_or("-".to_owned(), |spread| {
        format!(
            "{:.0}/{:.0}/{:.0}",
            spread.least, spread.median, spread.most
        )
    })
}

/// One run, for whoever waits.
pub fn run(plan: &Plan, number: usize, found: &Findings) {
    let recovery = &found.recovery;
    let ms = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.0}"));
    say(format_args!(
        "{} run {number}: {} acknowledged, {} received, {} lost, {} twice, {} out of order, \
         {} not resumed, {} false unavailable, {} ghosts, {} not seen, {} moves, {} elections; \
         first resumed {}, first message {}, last back {} ms, {} returns, longest wait {:.0} ms, \
         whole {} ms",
        plan.name,
        found.verdict.acknowledged,
        found.verdict.received,
        found.verdict.lost,
        found.verdict.twice,
        found.verdict.out_of_order,
        found.verdict.not_resumed,
        found.false_unavailable,
        found.ghosts,
        found.unseen,
        found.epochs,
        found.terms,
        ms(recovery.first_resumed_ms),
        ms(recovery.first_message_ms),
        ms(recovery.last_back_ms),
        recovery.returns,
        recovery.longest_wait_ms,
        ms(found.whole_ms),
    ));
    for (sender, message) in &found.lost {
        say(format_args!("lost: message {message} of sender {sender}"));
    }
    for words in found.faults.iter().chain(&found.remarks) {
        say(format_args!("remark: {words}"));
    }
}

pub fn storm(report: &StormReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(report);
    }
    let cells = [
        ("sessions", report.sessions.to_string()),
        ("seconds", format!("{:.1}", report.seconds)),
        ("elections", report.elections.to_string()),
        ("moves", report.moves.to_string()),
        ("refused", report.refused.to_string()),
        ("slowest sign-in ms", format!("{:.0}", report.slowest_ms)),
    ];
    let head = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
    table(&[head, cells.iter().map(|(_, cell)| cell.clone()).collect()])
}

fn json(report: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(report).context("write the report as JSON")?;
    writeln!(stdout(), "{text}").context("print the report")
}

/// Columns as wide as their widest cell, two spaces apart.
fn table(rows: &[Vec<String>]) -> anyhow::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(move |row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate();
        let cells: Vec<String> = cells
            .map(|(column, cell)| format!("{cell:<width$}", width = width(column)))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    stdout()
        .write_all(text.as_bytes())
        .context("print the table")
}
