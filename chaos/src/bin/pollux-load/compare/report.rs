//! What a comparison found, as people and the page read it: medians, ratios, verdicts. Does not
//! measure.

use pollux_chaos::load::Latency;
use serde::Serialize;

use super::SCALES;
use super::contestant::Contestant;
use super::machine::Machine;
use super::work::{Bound, Figure, Rank};

#[derive(Debug, Serialize)]
pub struct Comparison {
    pub machine: Machine,
    /// Of small sizes: shows that it works, and measures nothing.
    pub quick: bool,
    pub runs: usize,
    /// An empty commit to the disk, where it was asked for.
    pub disk: Option<Latency>,
    pub rows: Vec<Row>,
    /// Each work at several sizes, where it was asked for.
    pub growth: Vec<Growth>,
    /// What could not be measured, and why.
    pub failed: Vec<String>,
}

/// One figure of all contestants.
#[derive(Debug, Serialize)]
pub struct Row {
    pub key: &'static str,
    pub what: &'static str,
    pub unit: &'static str,
    pub cells: Vec<Cell>,
    /// Who of the cells is judged; none where it did not take part.
    pub judged: Option<&'static str>,
    pub better_peer: Option<&'static str>,
    /// So many times the cost of the judged one is the better peer's.
    pub times_better: Option<f64>,
    /// So many times the cost of each ceiling is the judged one's.
    pub over_ceilings: Vec<Over>,
    pub reach: Option<f64>,
    pub stretch: Option<f64>,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    pub name: &'static str,
    pub rank: Rank,
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub runs: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Over {
    pub ceiling: &'static str,
    pub times: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// There is no bound, or nobody who is judged.
    None,
    Stretch,
    Reach,
    /// It does not reach what it shall.
    Short,
}

/// One figure of Pollux at several sizes.
#[derive(Debug, Serialize)]
pub struct Growth {
    pub key: &'static str,
    pub what: &'static str,
    pub unit: &'static str,
    /// `1x`, `4x`, `16x`.
    pub cells: Vec<Cell>,
    /// The last one's cost divided by the first one's.
    pub ratio: f64,
    /// Whether that is within a fifth, and all sizes were measured.
    pub holds: bool,
}

/// How much dearer one may be at sixteen times the size.
const GROWTH_MAX: f64 = 1.2;

impl Cell {
    /// There is one run at the least.
    pub fn of(name: &'static str, rank: Rank, runs: Vec<f64>) -> Self {
        let mut sorted = runs.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        Cell {
            name,
            rank,
            median,
            min: sorted[0],
            max: sorted[sorted.len() - 1],
            runs,
        }
    }
}

impl Row {
    pub fn of(figure: &Figure, values: Vec<(Contestant, Vec<f64>)>, disk: Option<Latency>) -> Self {
        let cells = values
            .into_iter()
            .map(|(who, runs)| Cell::of(who.name(), who.rank(), runs));
        let cells: Vec<Cell> = cells.collect();
        let judged = cells.iter().find(|one| one.name == figure.judged.name());
        let peers = cells.iter().filter(|one| one.rank == Rank::Peer);
        let better = peers.min_by(|one, other| one.median.total_cmp(&other.median));
        let ceilings = cells.iter().filter(|one| one.rank == Rank::Ceiling);
        let over_ceilings = ceilings
            .filter_map(|ceiling| {
                let (ceiling, least) = (ceiling.name, ceiling.median);
                let times = judged?.median / least;
                times.is_finite().then_some(Over { ceiling, times })
            })
            .collect();
        let reach = figure.reach.and_then(|bound| bound.value(&cells, disk));
        let median = judged.map(|one| one.median);
        Row {
            key: figure.key,
            what: figure.what,
            unit: figure.unit,
            judged: judged.map(|one| one.name),
            better_peer: better.map(|one| one.name),
            times_better: better
                .zip(median)
                .map(|(peer, median)| peer.median / median)
                .filter(|times| times.is_finite()),
            over_ceilings,
            verdict: judge(median, reach, figure.stretch),
            reach,
            stretch: figure.stretch,
            cells,
        }
    }
}

impl Bound {
    fn value(self, cells: &[Cell], disk: Option<Latency>) -> Option<f64> {
        match self {
            Bound::Fixed(value) => Some(value),
            Bound::Disk { times, more } => disk.map(|disk| disk.p99_ms * times + more),
            Bound::PartOf(who, part) => {
                let cell = cells.iter().find(|one| one.name == who.name());
                cell.map(|cell| cell.median * part)
            }
        }
    }
}

fn judge(median: Option<f64>, reach: Option<f64>, stretch: Option<f64>) -> Verdict {
    let (Some(median), Some(reach)) = (median, reach) else {
        return Verdict::None;
    };
    match stretch {
        Some(stretch) if median <= stretch => Verdict::Stretch,
        _ if median <= reach => Verdict::Reach,
        _ => Verdict::Short,
    }
}

impl Growth {
    pub fn of(figure: &Figure, cells: Vec<Cell>) -> Self {
        let first = cells.first().map_or(0.0, |cell| cell.median);
        let last = cells.last().map_or(0.0, |cell| cell.median);
        let ratio = if first > 0.0 { last / first } else { 0.0 };
        Growth {
            key: figure.key,
            what: figure.what,
            unit: figure.unit,
            ratio,
            holds: ratio <= GROWTH_MAX && cells.len() == SCALES.len(),
            cells,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(reach: Option<Bound>, stretch: Option<f64>) -> Figure {
        Figure {
            key: "k",
            what: "w",
            unit: "u",
            judged: Contestant::Committed,
            reach,
            stretch,
        }
    }

    fn values() -> Vec<(Contestant, Vec<f64>)> {
        vec![
            (Contestant::Prosody, vec![9.0, 6.0, 8.0]),
            (Contestant::Ejabberd, vec![5.0, 6.0]),
            (Contestant::Committed, vec![2.0, 2.5, 1.0]),
            (Contestant::Memory, vec![0.5]),
        ]
    }

    #[test]
    fn the_better_peer_and_the_ceiling_are_compared_by_medians() {
        let row = Row::of(&figure(None, None), values(), None);
        assert_eq!(
            (row.better_peer, row.times_better),
            (Some("ejabberd"), Some(2.75))
        );
        let over = Over {
            ceiling: "in memory",
            times: 4.0,
        };
        assert_eq!(row.over_ceilings, [over]);
        let prosody = &row.cells[0];
        assert_eq!((prosody.median, prosody.min, prosody.max), (8.0, 6.0, 9.0));
        assert_eq!(row.verdict, Verdict::None);
    }

    #[track_caller]
    fn check(reach: Bound, stretch: Option<f64>, disk_p99: f64, expected: (f64, Verdict)) {
        let disk = Latency {
            p99_ms: disk_p99,
            ..Latency::default()
        };
        let row = Row::of(&figure(Some(reach), stretch), values(), Some(disk));
        assert_eq!((row.reach.unwrap(), row.verdict), expected);
    }

    #[test]
    fn what_is_judged_is_two_here() {
        check(Bound::Fixed(2.0), Some(2.0), 0.0, (2.0, Verdict::Stretch));
        check(Bound::Fixed(2.0), Some(1.9), 0.0, (2.0, Verdict::Reach));
        check(Bound::Fixed(1.9), None, 0.0, (1.9, Verdict::Short));
        let half = Bound::PartOf(Contestant::Prosody, 0.5);
        check(half, None, 0.0, (4.0, Verdict::Reach));
        let disk = Bound::Disk {
            times: 2.0,
            more: 1.0,
        };
        check(disk, None, 0.4, (1.8, Verdict::Short));
        check(disk, None, 0.5, (2.0, Verdict::Reach));
    }

    #[test]
    fn who_does_not_take_part_is_not_judged() {
        let mut values = values();
        values.remove(2);
        let row = Row::of(&figure(Some(Bound::Fixed(1.0)), None), values, None);
        assert_eq!((row.judged, row.verdict), (None, Verdict::None));
        assert!(row.over_ceilings.is_empty() && row.times_better.is_none());
    }

    #[test]
    fn growth_holds_within_a_fifth() {
        let growth = |costs: &[f64]| {
            let cells = SCALES.iter().zip(costs);
            let cells = cells.map(|((_, name), cost)| Cell::of(name, Rank::Pollux, vec![*cost]));
            Growth::of(&figure(None, None), cells.collect())
        };
        let holds = |last| growth(&[1.0, 1.0, last]).holds;
        assert!(holds(1.19) && holds(0.5) && !holds(1.21));
        assert!(!growth(&[1.0, 1.0]).holds, "the largest was not measured");
    }
}
