//! A profile as tables of the page: for each row what one unit costs, by kind of work, and what of
//! it the ceiling does not have. The same profile always makes the same text.

use std::fmt::Write;

use super::account::{Column, Profile, Row};
use crate::bench::figures::number;
use crate::bench::page::line;

/// Kinds with less than this in every column are told together.
const SHOWN_MIN: f64 = 0.01;
const TOGETHER: &str = "less than 1 % each";

pub fn of(profile: &Profile) -> String {
    let mut text = format!(
        "{measured}, in a build with frame pointers; one run each. Microseconds of CPU for one \
         unit, and in brackets the share of the column.\n",
        measured = profile.machine.measured(profile.quick),
    );
    text.push_str(&threads(&profile.profiled));
    for row in &profile.profiled {
        let _ = write!(text, "\n### Of {}\n\n{}", row.what, kinds(row));
    }
    text
}

/// Which threads of Pollux do the work: a line for each row.
fn threads(rows: &[Row]) -> String {
    let ours: Vec<(&Row, &Column)> = rows
        .iter()
        .flat_map(|row| row.columns.iter().map(move |column| (row, column)))
        .filter(|(_, column)| column.rank == "pollux")
        .collect();
    let mut roles: Vec<&str> = Vec::new();
    for share in ours.iter().flat_map(|(_, column)| &column.threads) {
        if share.part >= SHOWN_MIN && !roles.contains(&&*share.what) {
            roles.push(&share.what);
        }
    }
    roles.sort_by_key(|role| *role == "others");
    if ours.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n");
    text.push_str(&line(&[&["by thread", "of"], &roles[..]].concat()));
    text.push_str(&line(&vec!["---"; roles.len() + 2]));
    for (row, column) in ours {
        let mut cells = vec![row.what.clone(), column.name.clone()];
        cells.extend(roles.iter().map(|role| {
            let share = column.threads.iter().find(|share| share.what == **role);
            share.map_or("–".to_owned(), |share| percent(share.part))
        }));
        text.push_str(&line(&cells));
    }
    text
}

/// What stands between the first column and the last comes first.
fn kinds(row: &Row) -> String {
    // Below the first stands what it is measured against, the nearest last.
    let ours = row.columns.first();
    let base = row.columns.get(1..).and_then(<[Column]>::last);
    let names = row.columns.iter().map(|column| column.name.clone());
    let mut head = vec!["µs of CPU".to_owned()];
    head.extend(names);
    head.extend(base.map(|base| format!("more than {}", base.name)));
    let mut text = line(&head) + &line(&vec!["---"; head.len()]);
    let more = |what: &str| {
        let ours = ours.and_then(|column| column.of(what)).unwrap_or_default();
        let theirs = base.and_then(|column| column.of(what));
        ours - theirs.unwrap_or_default()
    };
    let (mut shown, hidden) = sorted(row);
    shown.sort_by(|one, other| more(other).total_cmp(&more(one)));
    let whole = row.columns.iter().map(|one| one.cost);
    let mut all = vec!["**all**".to_owned()];
    all.extend(whole.map(|cost| match cost {
        cost if cost <= 0.0 => "**too little to count**".to_owned(),
        cost => format!("**{}**", number(cost)),
    }));
    let whole = ours.zip(base).map(|(ours, base)| ours.cost - base.cost);
    all.extend(whole.map(|more| format!("**{}**", signed(more))));
    text.push_str(&line(&all));
    for what in shown {
        let mut cells = vec![what.to_owned()];
        cells.extend(row.columns.iter().map(|column| cell(column, &[what])));
        cells.extend(base.map(|_| signed(more(what))));
        text.push_str(&line(&cells));
    }
    if !hidden.is_empty() {
        let mut cells = vec![TOGETHER.to_owned()];
        cells.extend(row.columns.iter().map(|column| cell(column, &hidden)));
        let sum: f64 = hidden.iter().map(|what| more(what)).sum();
        cells.extend(base.map(|_| signed(sum)));
        text.push_str(&line(&cells));
    }
    let mut samples = vec!["samples".to_owned()];
    let counts = row.columns.iter().map(|one| one.samples.to_string());
    samples.extend(counts.chain(base.map(|_| String::new())));
    text + &line(&samples)
}

/// What a table shows, and what it tells together.
fn sorted(row: &Row) -> (Vec<&str>, Vec<&str>) {
    let mut all: Vec<&str> = Vec::new();
    for share in row.columns.iter().flat_map(|column| &column.kinds) {
        if !all.contains(&&*share.what) {
            all.push(&share.what);
        }
    }
    all.into_iter().partition(|what| {
        let shares = row.columns.iter().flat_map(|column| &column.kinds);
        shares
            .filter(|share| share.what == **what)
            .any(|share| share.part >= SHOWN_MIN)
    })
}

fn cell(column: &Column, whats: &[&str]) -> String {
    let shares = column.kinds.iter();
    let part: f64 = shares
        .filter(|share| whats.contains(&&*share.what))
        .map(|share| share.part)
        .sum();
    match part {
        // Less than is worth a number.
        part if part < 0.0005 => "–".to_owned(),
        // The kernel counts in hundredths of a second: a cheap ceiling may have used none.
        part if column.cost <= 0.0 => percent(part),
        part => format!("{} ({})", number(part * column.cost), percent(part)),
    }
}

fn percent(part: f64) -> String {
    match part * 100.0 {
        percent if percent < 0.95 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

fn signed(value: f64) -> String {
    match value {
        value if value < 0.0 => format!("−{}", number(-value)),
        value => number(value),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::account::Account;
    use super::super::stacks::read;
    use super::*;
    use crate::bench::figures::Machine;

    /// A column of samples that perf could have printed: so often each symbol.
    fn column(name: &str, rank: &str, cost: f64, stacks: &[(&str, &str, usize)]) -> Column {
        let mut account = Account::default();
        for (thread, symbol, times) in stacks {
            let one = format!("{thread} 1/2\n\tff {symbol} (/p)\n\n");
            let text = Cursor::new(one.repeat(*times));
            read(text, |sample| account.add(sample)).unwrap();
        }
        account.column(name, rank, cost)
    }

    fn profile() -> Profile {
        let ours = [
            ("arbiter-0", "tokio::a", 100),
            ("arbiter-1", "pollux_actors::a", 60),
            ("groups", "redb::a", 39),
            ("groups", "sled::a", 1),
        ];
        let theirs = [
            ("pollux-load", "tokio::a", 30),
            ("pollux-load", "pollux_chaos::a", 10),
        ];
        let row = Row {
            key: "messages".to_owned(),
            what: "a message".to_owned(),
            columns: vec![
                column("Pollux", "pollux", 20.0, &ours),
                column("in memory", "ceiling", 4.0, &theirs),
            ],
        };
        let machine = Machine {
            cores: 2,
            processor: "a processor".to_owned(),
            kernel: "Linux 6".to_owned(),
            date: "2026-11-28 12:00".to_owned(),
            commit: "abc".to_owned(),
            versions: Vec::new(),
            command: "cargo xtask bench profile".to_owned(),
        };
        Profile {
            machine,
            quick: false,
            profiled: vec![row],
        }
    }

    #[test]
    fn what_the_ceiling_does_not_have_stands_first() {
        let text = of(&profile());
        let (_, tables) = text.split_once("\n\n").unwrap();
        assert_eq!(
            tables,
            "| by thread | of | arbiters | groups |\n\
             |---|---|---|---|\n\
             | a message | Pollux | 80 % | 20 % |\n\
             \n### Of a message\n\n\
             | µs of CPU | Pollux | in memory | more than in memory |\n\
             |---|---|---|---|\n\
             | **all** | **20.0** | **4.00** | **16.0** |\n\
             | runtime (tokio, actix) | 10.0 (50 %) | 3.00 (75 %) | 7.00 |\n\
             | `pollux_actors` | 6.00 (30 %) | – | 6.00 |\n\
             | redb | 3.90 (20 %) | – | 3.90 |\n\
             | the ceiling's own code | – | 1.00 (25 %) | −1.00 |\n\
             | less than 1 % each | 0.100 (0.5 %) | – | 0.100 |\n\
             | samples | 200 | 40 |  |\n"
        );
    }

    #[test]
    fn of_what_was_too_cheap_to_count_only_shares_are_told() {
        let mut profile = profile();
        profile.profiled[0].columns[1].cost = 0.0;
        let text = of(&profile);
        let lines = [
            "| **all** | **20.0** | **too little to count** | **20.0** |",
            "| runtime (tokio, actix) | 10.0 (50 %) | 75 % | 10.0 |",
        ];
        for line in lines {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_profile_is_read_as_it_was_written() {
        let written = serde_json::to_string(&profile()).unwrap();
        assert_eq!(Profile::read(&written).unwrap(), profile());
        assert!(Profile::read("{\"rows\": []}").is_err());
    }
}
