//! Takeovers as a table and as a picture: who has served the users of each node, and since when.
//! Not for asking for them.

use std::collections::BTreeMap;

use pollux_domain::figures;
use pollux_domain::operations::TakeoverRow;

/// The width of the picture in its own units.
const WIDTH: f64 = 600.0;
/// A part that is shorter is shown as long as this: each takeover is to be seen.
const WIDTH_MIN: f64 = 3.0;
/// A name is written into a part that is as long as this for each of its signs.
const WIDTH_OF_SIGN: f64 = 7.0;

/// How far the picture goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    Hour,
    Day,
    Month,
}

impl Span {
    pub(crate) const ALL: [Span; 3] = [Span::Hour, Span::Day, Span::Month];

    /// What an address says; a day, where it says something else.
    pub(crate) fn of(word: Option<&str>) -> Span {
        let mut all = Span::ALL.into_iter();
        let named = all.find(|span| word == Some(span.word()));
        named.unwrap_or(Span::Day)
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Span::Hour => "hour",
            Span::Day => "day",
            Span::Month => "month",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Span::Hour => "last hour",
            Span::Day => "last 24 hours",
            Span::Month => "last 30 days",
        }
    }

    fn ms(self) -> u64 {
        let hours = match self {
            Span::Hour => 1,
            Span::Day => 24,
            Span::Month => 30 * 24,
        };
        hours * 3_600_000
    }
}

/// One subcluster: its takeovers, the newest first, and a line of the picture for each home.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SubclusterHistory {
    pub(crate) number: u16,
    pub(crate) rows: Vec<MoveView>,
    pub(crate) lines: Vec<LineView>,
}

/// One takeover in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MoveView {
    pub(crate) at: String,
    pub(crate) home: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) reason: String,
    pub(crate) epoch: u64,
    pub(crate) is_failure: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LineView {
    pub(crate) home: String,
    pub(crate) parts: Vec<PartView>,
    /// The same for who does not see it.
    pub(crate) words: String,
}

/// A time in which one node served.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PartView {
    pub(crate) x: f64,
    pub(crate) width: f64,
    pub(crate) is_home: bool,
    /// Empty where there is no room for it.
    pub(crate) label: String,
    /// Shown when one points at it.
    pub(crate) title: String,
}

/// `rows`: the newest first. `now`: in milliseconds since 1970, as the rows have it.
pub(crate) fn subcluster_history(
    number: u16,
    rows: &[TakeoverRow],
    span: Span,
    now: u64,
    name: impl Fn(u16) -> String,
) -> SubclusterHistory {
    let mut homes: BTreeMap<u16, Vec<&TakeoverRow>> = BTreeMap::new();
    for row in rows.iter().rev() {
        homes.entry(row.home).or_default().push(row);
    }
    let lines = { homes.iter() }.map(|(home, rows)| line(*home, rows, span, now, &name));
    let moves = rows.iter().map(|row| MoveView {
        at: row.at.clone(),
        home: name(row.home),
        from: row.from.map_or("nobody".to_owned(), &name),
        to: name(row.to),
        reason: row.reason.clone(),
        epoch: row.epoch,
        is_failure: row.cause.is_failure(),
    });
    SubclusterHistory {
        number,
        rows: moves.collect(),
        lines: lines.collect(),
    }
}

/// `rows`: of one home, the oldest first.
fn line(
    home: u16,
    rows: &[&TakeoverRow],
    span: Span,
    now: u64,
    name: &impl Fn(u16) -> String,
) -> LineView {
    let begin = now.saturating_sub(span.ms());
    let place = |ms: u64| {
        let ms = ms.clamp(begin, now) - begin;
        WIDTH * ms as f64 / span.ms() as f64
    };
    let mut parts = Vec::new();
    // Before the first that is kept, who served until then.
    let before = rows
        .first()
        .and_then(|row| Some((row.from?, begin, row.wall_ms)));
    let kept = rows.iter().enumerate().map(|(index, row)| {
        let next = rows.get(index + 1).map_or(now, |next| next.wall_ms);
        (row.to, row.wall_ms, next)
    });
    for (node, from, until) in before.into_iter().chain(kept) {
        if until <= begin {
            continue;
        }
        let x = place(from).min(WIDTH - WIDTH_MIN);
        let width = (place(until) - x).max(WIDTH_MIN);
        let served = name(node);
        let fits = served.chars().count() as f64 * WIDTH_OF_SIGN <= width;
        parts.push(PartView {
            x,
            width,
            is_home: node == home,
            title: format!(
                "{served} for {}",
                lasting(until.saturating_sub(from.max(begin)))
            ),
            label: if fits { served } else { String::new() },
        });
    }
    let words: Vec<String> = parts.iter().map(|part| part.title.clone()).collect();
    // Drawn last: a short time away from home is not to be covered by the next.
    parts.sort_by_key(|part| !part.is_home);
    LineView {
        home: name(home),
        words: format!("Users of {}: {}.", name(home), words.join(", then ")),
        parts,
    }
}

/// A moment is not nothing.
fn lasting(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        _ => figures::lasting(ms / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use pollux_domain::takeovers::TakeoverCause;

    use super::*;

    const NOW: u64 = 1_764_446_400_000;
    const MINUTE: u64 = 60_000;

    fn row(home: u16, from: Option<u16>, to: u16, before_now: u64) -> TakeoverRow {
        let cause = match to == home {
            true => TakeoverCause::AutomaticFallback,
            false => TakeoverCause::Silent,
        };
        TakeoverRow {
            home,
            from,
            to,
            epoch: 1,
            cause,
            reason: cause.to_string(),
            at: String::new(),
            wall_ms: NOW - before_now,
            group_ms: 0,
        }
    }

    fn name(node: u16) -> String {
        ["", "castor", "pollux"][usize::from(node)].to_owned()
    }

    #[test]
    fn each_home_has_a_line_of_who_served_it() {
        // The newest first: Castor's users were away for ten minutes, half an hour ago.
        let rows = [
            row(1, Some(2), 1, 20 * MINUTE),
            row(1, Some(1), 2, 30 * MINUTE),
            row(2, None, 2, 90 * MINUTE),
        ];
        let history = subcluster_history(1, &rows, Span::Hour, NOW, name);
        let [castor, pollux] = &history.lines[..] else {
            panic!("{history:?}")
        };
        let parts: Vec<(i64, i64, bool, &str)> = { castor.parts.iter() }
            .map(|part| {
                let (x, width) = (part.x.round() as i64, part.width.round() as i64);
                (x, width, part.is_home, part.label.as_str())
            })
            .collect();
        assert_eq!(
            parts,
            [
                (0, 300, true, "castor"),
                (400, 200, true, "castor"),
                (300, 100, false, "pollux")
            ]
        );
        assert_eq!(
            castor.words,
            "Users of castor: castor for 30 min 0 s, then pollux for 10 min 0 s, then castor for \
             20 min 0 s."
        );
        assert_eq!(pollux.parts.len(), 1);
        assert_eq!(pollux.parts[0].title, "pollux for 1 h 0 min");
        let first = &history.rows[0];
        assert_eq!(
            (first.from.as_str(), first.to.as_str()),
            ("pollux", "castor")
        );
        assert!(!first.is_failure && history.rows[1].is_failure);
    }

    #[test]
    fn a_short_one_is_seen_all_the_same_and_one_of_this_moment_too() {
        let rows = [
            row(1, Some(1), 2, 0),
            row(1, Some(2), 1, 2 * 24 * 60 * MINUTE),
        ];
        let history = subcluster_history(1, &rows, Span::Month, NOW, name);
        let parts = &history.lines[0].parts;
        let last = parts.last().unwrap();
        assert!(WIDTH_MIN <= last.width && last.x + last.width <= WIDTH);
        assert_eq!(last.label, "", "it has no room for it");
        assert_eq!(last.title, "pollux for 0 ms");
    }

    #[test]
    fn a_leader_with_a_clock_ahead_breaks_nothing() {
        let mut ahead = row(1, Some(1), 2, 0);
        ahead.wall_ms = NOW + MINUTE;
        let history = subcluster_history(1, &[ahead], Span::Hour, NOW, name);
        for part in &history.lines[0].parts {
            assert!(0.0 <= part.x && part.x + part.width <= WIDTH + WIDTH_MIN);
        }
        assert_eq!(Span::of(Some("month")), Span::Month);
        assert_eq!(Span::of(Some("year")), Span::Day);
    }
}
