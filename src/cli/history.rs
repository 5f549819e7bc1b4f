//! How the last hour of a node looks in a terminal: a row for each measurement.

use pollux_domain::figures::short;
use pollux_domain::history::HistoryRow;

use super::table::render;

pub(super) fn text(rows: &[HistoryRow]) -> String {
    let rows = rows.iter().map(|row| {
        let known = || row.points.iter().flatten().copied();
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), short);
        let mean = match known().count() {
            0 => None,
            count => Some(known().sum::<f64>() / count as f64),
        };
        vec![
            row.title.clone(),
            shown(row.points.last().copied().flatten()),
            shown(known().reduce(f64::min)),
            shown(mean),
            shown(known().reduce(f64::max)),
            row.unit.clone(),
        ]
    });
    let head = ["MEASUREMENT", "NOW", "LOWEST", "MEAN", "HIGHEST", "UNIT"];
    render(&head, rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_each_measurement() {
        let row = |title: &str, unit: &str, points: &[Option<f64>]| HistoryRow {
            title: title.to_owned(),
            unit: unit.to_owned(),
            points: points.to_vec(),
        };
        let rows = [
            row("Stanzas", "a second", &[None, Some(1.0), Some(2.255)]),
            row("Memory", "MiB", &[Some(100.4), Some(12.34), None]),
            row("Sign-ins", "a second", &[]),
        ];
        let expected = "\
MEASUREMENT  NOW   LOWEST  MEAN  HIGHEST  UNIT
Stanzas      2.25  1       1.63  2.25     a second
Memory       -     12.3    56.4  100      MiB
Sign-ins     -     -       -     -        a second
";
        assert_eq!(text(&rows), expected);
    }
}
