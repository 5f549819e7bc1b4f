//! Results on standard output: a row a drill for people, or JSON for programs.

use std::io::{Write, stdout};
use std::path::Path;

use anyhow::Context;
use pollux_chaos::failover::{ComebackReport, Findings, Plan, Report, Spread, StormReport};
use serde::Serialize;

use crate::say;

const COLUMNS: [&str; 16] = [
    "drill",
    "runs",
    "acknowledged",
    "lost",
    "twice",
    "out of order",
    "false unavailable",
    "ghosts",
    "forgotten",
    "acts of an old epoch",
    "moves",
    "elections",
    "first resumed",
    "first message",
    "last back",
    "whole",
];

/// What one drill has found.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Found {
    Drill(Report),
    Storm(StormReport),
    Comeback(ComebackReport),
}

/// A row for each drill; times in ms are least/median/most of its runs.
pub fn all(found: &[Found], as_json: bool, file: Option<&Path>) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(found).context("write the report as JSON")?;
    if let Some(file) = file {
        std::fs::write(file, format!("{json}\n")).context("write the JSON file")?;
    }
    if as_json {
        return print(&format!("{json}\n"));
    }
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    let mut storms = String::new();
    for one in found {
        match one {
            Found::Drill(report) => rows.push(row(report)),
            Found::Storm(report) => storms.push_str(&storm(report)),
            Found::Comeback(report) => storms.push_str(&comeback(report)),
        }
    }
    if rows.len() > 1 {
        print(&table(&rows))?;
    }
    print(&storms)
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
        sum(|run| run.forgotten.len() as u64),
        sum(|run| run.late_acts),
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
         {} not resumed, {} false unavailable, {} ghosts, {} not seen, {} acts of an old epoch \
         in {} accounts, \
         {} moves, {} elections; \
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
        found.late_acts,
        found.accounts,
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
    for words in &found.forgotten {
        say(format_args!("forgotten: {words}"));
    }
    for words in found.faults.iter().chain(&found.remarks) {
        say(format_args!("remark: {words}"));
    }
}

fn storm(report: &StormReport) -> String {
    let cells = [
        ("drill", report.drill.to_owned()),
        ("sessions", report.sessions.to_string()),
        ("seconds", format!("{:.1}", report.seconds)),
        ("elections", report.elections.to_string()),
        ("moves", report.moves.to_string()),
        ("refused", report.refused.to_string()),
        ("snapshots", report.snapshots.to_string()),
        ("slowest sign-in", format!("{:.0}", report.slowest_ms)),
    ];
    let head = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
    let row = cells.iter().map(|(_, cell)| cell.clone()).collect();
    format!("\n{}", table(&[head, row]))
}

fn comeback(report: &ComebackReport) -> String {
    let ms = |value: f64| format!("{value:.0}");
    let cells = [
        ("drill", report.drill.to_owned()),
        ("sessions", report.sessions.to_string()),
        ("resumed", report.resumed.to_string()),
        ("signed in", report.signed_in.to_string()),
        ("not resumed", report.not_resumed.to_string()),
        ("never back", report.never_back.to_string()),
        ("turned away", report.turned_away.to_string()),
        ("last back", ms(report.last_back_ms)),
        ("resumption p99", ms(report.resumption.p99_ms)),
        ("sign-in p99", ms(report.sign_in.p99_ms)),
        ("chat p99 before", ms(report.chat_before.p99_ms)),
        ("chat p99", ms(report.chat.p99_ms)),
        ("acknowledged", report.acknowledged.to_string()),
        ("lost", report.lost.to_string()),
        ("twice", report.twice.to_string()),
        (
            "managed a second",
            report
                .managed_a_second
                .map_or("-".to_owned(), |rate| rate.to_string()),
        ),
    ];
    let head = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
    let row = cells.iter().map(|(_, cell)| cell.clone()).collect();
    format!("\n{}", table(&[head, row]))
}

/// In Markdown; the first row is the head.
fn table(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
        if number == 0 {
            text.push_str(&format!("|{}\n", "---|".repeat(row.len())));
        }
    }
    text
}

fn print(text: &str) -> anyhow::Result<()> {
    let printed = stdout().write_all(text.as_bytes());
    printed.context("print the report")
}
