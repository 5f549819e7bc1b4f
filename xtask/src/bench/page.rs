//! The tables of docs/performance.md, each set between two markers: what stands around them is
//! written by hand and stays. The same figures always make the same text.

use anyhow::Context;

use super::figures::{Figures, Row, number, spread};

/// The lines between which a set of tables stands.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    begin: &'static str,
    end: &'static str,
}

pub const FIGURES: Place = Place {
    begin: "<!-- figures: written by `cargo xtask bench page`, not by hand -->\n",
    end: "<!-- end of the figures -->\n",
};
pub const PROFILE: Place = Place {
    begin: "<!-- profile: written by `cargo xtask bench page`, not by hand -->\n",
    end: "<!-- end of the profile -->\n",
};

/// The page with new tables at this place.
pub fn renew(page: &str, place: Place, tables: &str) -> anyhow::Result<String> {
    let Place { begin, end } = place;
    let (before, rest) = page
        .split_once(begin)
        .with_context(|| format!("the page has no line {}", begin.trim()))?;
    let (_, after) = rest
        .split_once(end)
        .with_context(|| format!("the page has no line {}", end.trim()))?;
    Ok(format!("{before}{begin}\n{tables}\n{end}{after}"))
}

/// The tables of all that is kept.
pub fn tables(figures: &[Figures]) -> String {
    let tables: Vec<String> = figures.iter().map(tables_of).collect();
    tables.join("\n")
}

fn tables_of(figures: &Figures) -> String {
    let mut text = head(figures);
    let (pairs, nodes): (Vec<&Row>, Vec<&Row>) = figures
        .rows
        .iter()
        .partition(|row| row.key.starts_with("pair"));
    for (title, rows) in [("One node", nodes), ("The pair's cost", pairs)] {
        if !rows.is_empty() {
            text.push_str(&format!("\n### {title}\n\n"));
            text.push_str(&measured(&rows));
            text.push('\n');
            text.push_str(&judged(&rows));
            text.push('\n');
            for row in rows {
                text.push_str(&format!("![{}](performance/{}.svg)\n", row.what, row.key));
            }
        }
    }
    if !figures.growth.is_empty() {
        text.push_str(&format!("\n### Growth\n\n{}", growth(figures)));
    }
    if !figures.failed.is_empty() {
        text.push_str("\nNot measured:\n\n");
    }
    for words in &figures.failed {
        text.push_str(&format!("- {words}\n"));
    }
    text
}

fn head(figures: &Figures) -> String {
    let machine = &figures.machine;
    let disk = figures.disk.as_ref().map_or(String::new(), |disk| {
        format!(
            " An empty commit to the disk took {} ms (p50) and {} ms (p99) in the same run.",
            number(disk.p50_ms),
            number(disk.p99_ms)
        )
    });
    format!(
        "{measured}: {versions}. Medians of {runs} runs in turns, with least and most.{disk}\n",
        measured = machine.measured(figures.quick),
        versions = machine.versions.join(", "),
        runs = figures.runs,
    )
}

/// A column for each that took part in any of the rows.
fn measured(rows: &[&Row]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for cell in rows.iter().flat_map(|row| &row.cells) {
        if !names.contains(&&*cell.name) {
            names.push(&cell.name);
        }
    }
    let mut text = line(&[&["figure", "unit"], &names[..]].concat());
    text.push_str(&line(&vec!["---"; names.len() + 2]));
    for row in rows {
        let mut cells = vec![row.what.clone(), row.unit.clone()];
        cells.extend(names.iter().map(|name| {
            let cell = row.cells.iter().find(|cell| cell.name == **name);
            cell.map_or("–".to_owned(), spread)
        }));
        text.push_str(&line(&cells));
    }
    text
}

fn judged(rows: &[&Row]) -> String {
    let head = ["figure", "judged", "to the better peer", "to the ceilings"];
    let mut text = line(&[&head[..], &["reach", "stretch", "verdict"]].concat());
    text.push_str(&line(&["---"; 7]));
    for row in rows {
        let none = || "–".to_owned();
        let peer = row.times_better.zip(row.better_peer.as_ref());
        let ceilings = row.over_ceilings.iter();
        let ceilings: Vec<String> = ceilings
            .map(|over| format!("{} times {}", number(over.times), over.ceiling))
            .collect();
        text.push_str(&line(&[
            row.what.clone(),
            row.judged.clone().unwrap_or_else(none),
            peer.map_or_else(none, |(times, peer)| match times {
                times if times < 1.0 => {
                    format!("{} times worse than {peer}", number(times.recip()))
                }
                times => format!("{} times better than {peer}", number(times)),
            }),
            if ceilings.is_empty() {
                none()
            } else {
                ceilings.join(", ")
            },
            row.reach
                .map_or_else(none, |reach| format!("≤ {}", number(reach))),
            row.stretch
                .map_or_else(none, |stretch| format!("≤ {}", number(stretch))),
            verdict(&row.verdict).to_owned(),
        ]));
    }
    text
}

fn verdict(verdict: &str) -> &str {
    match verdict {
        "stretch" => "holds, and the stretch too",
        "reach" => "holds",
        "short" => "**falls short**",
        _ => "–",
    }
}

fn growth(figures: &Figures) -> String {
    let first = figures.growth.first();
    let names: Vec<&str> = first
        .into_iter()
        .flat_map(|one| &one.cells)
        .map(|cell| &*cell.name)
        .collect();
    let mut text = line(&[&["figure", "unit"], &names[..], &["cost", "verdict"]].concat());
    text.push_str(&line(&vec!["---"; names.len() + 4]));
    for one in &figures.growth {
        let mut cells = vec![one.what.clone(), one.unit.clone()];
        cells.extend(one.cells.iter().map(spread));
        cells.push(format!("{} times", number(one.ratio)));
        cells.push(verdict(if one.holds { "reach" } else { "short" }).to_owned());
        text.push_str(&line(&cells));
    }
    text
}

pub fn line(cells: &[impl AsRef<str>]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |\n", cells.join(" | "))
        .replace("| --- ", "|---")
        .replace("--- |", "---|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::picture;

    const KEPT: &str = include_str!("golden/figures.json");

    fn figures() -> Figures {
        serde_json::from_str(KEPT).unwrap()
    }

    /// What is on the page is looked at by a person once, and does not change by itself after.
    #[test]
    fn the_page_and_its_pictures_are_the_golden_ones() {
        let Place { begin, end } = FIGURES;
        let old = format!("# Written\n\nby hand\n\n{begin}old\n{end}\nmore by hand\n");
        let tables = tables(&[figures()]);
        let page = renew(&old, FIGURES, &tables).unwrap();
        assert_eq!(page, include_str!("golden/page.txt"));
        let again = renew(&page, FIGURES, &tables).unwrap();
        assert_eq!(again, page, "a second time");
        let picture = picture::bars(&figures().rows[0]);
        assert_eq!(picture, include_str!("golden/messages.svg"));
    }

    #[test]
    fn a_page_without_markers_is_left_alone() {
        assert!(renew("# Written by hand\n", FIGURES, "").is_err());
        assert!(renew(&format!("{}old\n", FIGURES.begin), FIGURES, "").is_err());
        assert!(renew(&format!("{}{}", FIGURES.begin, FIGURES.end), PROFILE, "").is_err());
    }
}
