//! Results on standard output: a head and a row for people, or JSON for programs.

use std::io::{Write, stdout};

use anyhow::Context;
use pollux_chaos::load::{DrillReport, IdleReport, Latency, MessagesReport, SignInReport};
use serde::Serialize;

/// Columns as wide as their widest cell, two spaces apart.
pub fn table(rows: &[Vec<String>]) -> anyhow::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|c| c.chars().count())
                .max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    stdout()
        .write_all(text.as_bytes())
        .context("print the table")
}

pub fn json(report: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(report).context("write the report as JSON")?;
    writeln!(stdout(), "{text}").context("print the report")
}

/// One run as a head and a row.
pub fn row(cells: &[(&str, String)]) -> anyhow::Result<()> {
    let head = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
    table(&[head, cells.iter().map(|(_, value)| value.clone()).collect()])
}

pub fn messages(report: &MessagesReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(report);
    }
    let verdict = &report.verdict;
    let mut cells = vec![
        ("pairs", report.pairs.to_string()),
        (
            "rate",
            report
                .rate
                .map_or("closed loop".to_owned(), |rate| format!("{rate}/s")),
        ),
        ("sm", on(report.stream_management)),
        ("tls", on(report.starttls)),
        ("messages/s", format!("{:.0}", report.per_second)),
        ("CPU ms/message", optional(report.cpu_ms_per_message, 4)),
    ];
    cells.extend(latency(&report.latency));
    cells.extend([
        ("sent", verdict.sent.to_string()),
        ("received", verdict.received.to_string()),
        ("lost", verdict.lost.to_string()),
        ("twice", verdict.twice.to_string()),
        ("out of order", verdict.out_of_order.to_string()),
        ("refused", verdict.refused.to_string()),
    ]);
    row(&cells)
}

pub fn sign_in(report: &SignInReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(report);
    }
    let mut cells = vec![
        ("sign-ins", report.count.to_string()),
        ("at once", report.concurrency.to_string()),
        ("sm", on(report.stream_management)),
        ("tls", on(report.starttls)),
        ("sign-ins/s", format!("{:.0}", report.per_second)),
        ("CPU ms/sign-in", optional(report.cpu_ms_per_sign_in, 3)),
    ];
    cells.extend(latency(&report.latency));
    row(&cells)
}

pub fn idle(report: &IdleReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(report);
    }
    row(&[
        ("sessions", report.sessions.to_string()),
        ("sm", on(report.stream_management)),
        ("tls", on(report.starttls)),
        (
            "PSS KiB/session",
            format!("{:.2}", report.pss_per_session_kib),
        ),
        ("before KiB", report.pss_before_kib.to_string()),
        ("after KiB", report.pss_after_kib.to_string()),
        ("signed in s", format!("{:.1}", report.sign_in_seconds)),
        ("settled s", format!("{:.1}", report.settle_seconds)),
    ])
}

pub fn drill(report: &DrillReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(report);
    }
    let verdict = &report.verdict;
    row(&[
        ("sent", verdict.sent.to_string()),
        ("acknowledged", verdict.acknowledged.to_string()),
        ("received", verdict.received.to_string()),
        ("lost", verdict.lost.to_string()),
        ("twice", verdict.twice.to_string()),
        ("out of order", verdict.out_of_order.to_string()),
        ("h backwards", verdict.h_backwards.to_string()),
        ("h ahead", verdict.h_ahead.to_string()),
        ("refused", verdict.refused.to_string()),
        (
            "in doubt",
            format!(
                "{} ({} missing)",
                verdict.in_doubt, verdict.in_doubt_missing
            ),
        ),
        ("resumed", verdict.resumptions.to_string()),
        ("bound anew", verdict.not_resumed.to_string()),
        (
            "recovery p50/max ms",
            pair(report.recovery.p50_ms, report.recovery.max_ms),
        ),
        (
            "latency p50/max ms",
            pair(report.latency.p50_ms, report.latency.max_ms),
        ),
    ])?;
    for (sender, number) in &report.lost {
        writeln!(stdout(), "lost: message {number} of sender {sender}").context("print a loss")?;
    }
    for fault in &report.faults {
        writeln!(stdout(), "fault: {fault}").context("print a fault")?;
    }
    Ok(())
}

pub fn latency(latency: &Latency) -> [(&'static str, String); 4] {
    [
        ("p50 ms", format!("{:.3}", latency.p50_ms)),
        ("p99 ms", format!("{:.3}", latency.p99_ms)),
        ("p99.9 ms", format!("{:.3}", latency.p999_ms)),
        ("max ms", format!("{:.3}", latency.max_ms)),
    ]
}

fn pair(one: f64, other: f64) -> String {
    format!("{one:.0} / {other:.0}")
}

pub fn on(is: bool) -> String {
    if is { "on" } else { "off" }.to_owned()
}

pub fn optional(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}
