//! Measurements as pictures: lines in small SVG, made of numbers alone. Not for where they come
//! from.

use pollux_domain::figures::short;
use pollux_domain::history::{HistoryRow, POINTS_MAX, STEP};

/// The size of a picture in its own units; how large it is shown, the style sheet says.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 100.0;

/// One picture with its words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) unit: String,
    /// What is measured now; `not known` where nothing is.
    pub(crate) now: String,
    /// The top of the picture; its bottom is 0.
    pub(crate) top: String,
    /// Lowest, mean and highest, for who does not see the picture.
    pub(crate) words: String,
    /// The line, and the ground below it, as paths of SVG. Empty without measurements.
    pub(crate) line: String,
    pub(crate) ground: String,
    /// How much time the picture shows.
    pub(crate) minutes: u64,
}

pub(crate) fn charts(rows: &[HistoryRow]) -> Vec<Chart> {
    rows.iter().map(chart).collect()
}

fn chart(row: &HistoryRow) -> Chart {
    let known = || row.points.iter().flatten().copied();
    let highest = known().fold(0.0, f64::max);
    let top = round_up(highest);
    let with_unit = |value: f64| match row.unit.is_empty() {
        true => short(value),
        false => format!("{} {}", short(value), row.unit),
    };
    let (line, ground) = paths(&row.points, top);
    let count = known().count();
    let words = match count {
        0 => "Nothing was measured yet.".to_owned(),
        _ => format!(
            "Lowest {}, mean {}, highest {}.",
            with_unit(known().fold(f64::INFINITY, f64::min)),
            with_unit(known().sum::<f64>() / count as f64),
            with_unit(highest)
        ),
    };
    let now = row.points.last().copied().flatten();
    Chart {
        title: row.title.clone(),
        unit: row.unit.clone(),
        now: now.map_or("not known".to_owned(), with_unit),
        top: short(top),
        words,
        line,
        ground,
        minutes: POINTS_MAX as u64 * STEP.as_secs() / 60,
    }
}

/// The newest point stands at the right; where nothing was measured, the line has a gap.
fn paths(points: &[Option<f64>], top: f64) -> (String, String) {
    let step = WIDTH / (POINTS_MAX - 1) as f64;
    let first = POINTS_MAX.saturating_sub(points.len());
    let at = |index: usize, value: f64| {
        let x = (first + index) as f64 * step;
        let y = HEIGHT - HEIGHT * (value / top).clamp(0.0, 1.0);
        (x, y)
    };
    let (mut line, mut ground) = (String::new(), String::new());
    let mut index = 0;
    for run in points.split(|point| point.is_none()) {
        let values = run.iter().flatten().enumerate();
        let mut place = None;
        for (offset, value) in values {
            let (x, y) = at(index + offset, *value);
            let (verb, below) = match place {
                None => ("M", format!("M{x:.1} {HEIGHT:.0}L{x:.1} {y:.1}")),
                Some(_) => ("L", format!("L{x:.1} {y:.1}")),
            };
            line.push_str(&format!("{verb}{x:.1} {y:.1}"));
            ground.push_str(&below);
            place = Some(x);
        }
        if let Some(x) = place {
            ground.push_str(&format!("L{x:.1} {HEIGHT:.0}Z"));
        }
        index += run.len() + 1;
    }
    (line, ground)
}

/// The next number of the form 1, 2 or 5 with noughts, so that the top does not move with each
/// point.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let fits = steps.into_iter().find(|step| value <= *step);
    fits.unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(unit: &str, points: Vec<Option<f64>>) -> HistoryRow {
        HistoryRow {
            title: "Memory".to_owned(),
            unit: unit.to_owned(),
            points,
        }
    }

    #[test]
    fn a_line_ends_at_the_right_and_has_its_gaps() {
        let points = vec![Some(0.0), Some(10.0), None, Some(5.0), Some(7.5)];
        let chart = chart(&row("MiB", points));
        assert_eq!(chart.line, "M356.0 100.0L357.0 0.0M359.0 50.0L360.0 25.0");
        let ground = "M356.0 100L356.0 100.0L357.0 0.0L357.0 100Z\
                      M359.0 100L359.0 50.0L360.0 25.0L360.0 100Z";
        assert_eq!(chart.ground, ground);
        assert_eq!((chart.now.as_str(), chart.top.as_str()), ("7.50 MiB", "10"));
        let words = "Lowest 0 MiB, mean 5.62 MiB, highest 10 MiB.";
        assert_eq!(chart.words, words);
        assert_eq!(chart.minutes, 60);
    }

    #[test]
    fn nothing_measured_is_said_and_not_drawn() {
        for points in [vec![], vec![None, None]] {
            let chart = chart(&row("", points));
            assert_eq!(chart.line, "");
            assert_eq!(chart.now, "not known");
            assert_eq!(chart.words, "Nothing was measured yet.");
        }
    }

    #[test]
    fn the_top_is_a_round_number() {
        for (value, top) in [
            (0.0, 1.0),
            (0.03, 0.05),
            (1.0, 1.0),
            (1.1, 2.0),
            (2.5, 5.0),
            (99.0, 100.0),
            (101.0, 200.0),
            (7_000.0, 10_000.0),
        ] {
            let found = round_up(value);
            assert!((found - top).abs() < top * 1e-9, "{value}: {found}");
        }
    }

    #[test]
    fn an_hour_and_no_more_is_drawn() {
        let full = chart(&row("", vec![Some(1.0); POINTS_MAX]));
        assert!(full.line.starts_with("M0.0 0.0L1.0 0.0"), "{}", full.line);
        assert!(full.line.ends_with("L360.0 0.0"));
    }
}
