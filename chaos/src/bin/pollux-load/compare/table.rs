//! A comparison on a terminal: a table for each figure, and under it what follows from it.

use std::io::{Write, stdout};

use anyhow::Context;

use super::report::{Cell, Comparison, Growth, Row, Verdict};
use crate::show;

pub fn print(comparison: &Comparison) -> anyhow::Result<()> {
    let machine = &comparison.machine;
    let mut text = format!(
        "{} cores of {}, {}; {}; commit {}; medians of {} runs\n",
        machine.cores,
        machine.processor,
        machine.kernel,
        machine.versions.join(", "),
        machine.commit,
        comparison.runs
    );
    if comparison.quick {
        text.push_str("small sizes: not a measurement\n");
    }
    if let Some(disk) = comparison.disk {
        text.push_str(&format!(
            "an empty commit to the disk: p50 {:.3} ms, p99 {:.3} ms\n",
            disk.p50_ms, disk.p99_ms
        ));
    }
    say(&text)?;
    for row in &comparison.rows {
        say(&format!("\n{}, {}\n", row.what, row.unit))?;
        cells(&row.cells)?;
        say(&follows(row))?;
    }
    for growth in &comparison.growth {
        say(&format!(
            "\n{}, {}, as it grows\n",
            growth.what, growth.unit
        ))?;
        cells(&growth.cells)?;
        say(&grows(growth))?;
    }
    for words in &comparison.failed {
        say(&format!("\nnot measured: {words}\n"))?;
    }
    Ok(())
}

fn say(text: &str) -> anyhow::Result<()> {
    stdout()
        .write_all(text.as_bytes())
        .context("print the comparison")
}

fn cells(cells: &[Cell]) -> anyhow::Result<()> {
    let head = ["", "median", "min", "max"].map(str::to_owned).to_vec();
    let rows = cells.iter().map(|cell| {
        let numbers = [cell.median, cell.min, cell.max].map(number);
        let mut row = vec![format!("  {}", cell.name)];
        row.extend(numbers);
        row
    });
    show::table(&[head].into_iter().chain(rows).collect::<Vec<_>>())
}

/// Three digits that say something.
fn number(value: f64) -> String {
    match value {
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ if value >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn follows(row: &Row) -> String {
    let mut said = Vec::new();
    if let (Some(peer), Some(times)) = (row.better_peer, row.times_better) {
        said.push(match times {
            times if times < 1.0 => format!("{:.1} times worse than {peer}", times.recip()),
            times => format!("{times:.1} times better than {peer}"),
        });
    }
    for over in &row.over_ceilings {
        said.push(format!("{:.1} times {}", over.times, over.ceiling));
    }
    if let Some(reach) = row.reach {
        let verdict = match row.verdict {
            Verdict::Stretch => "holds, and more than was asked",
            Verdict::Reach => "holds",
            Verdict::Short => "FALLS SHORT",
            Verdict::None => "nobody to judge",
        };
        let stretch = row.stretch.map_or(String::new(), |stretch| {
            format!(" (stretch {})", number(stretch))
        });
        said.push(format!("at most {}{stretch}: {verdict}", number(reach)));
    }
    match said.is_empty() {
        true => String::new(),
        false => format!("  => {}\n", said.join("; ")),
    }
}

fn grows(growth: &Growth) -> String {
    let holds = if growth.holds { "holds" } else { "FALLS SHORT" };
    let ratio = growth.ratio;
    format!("  => {ratio:.2} times as much at sixteen times the size: {holds}\n")
}
