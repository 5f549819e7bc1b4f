//! How the measurements of a node went in the last hour: what is made of its samples, step by step,
//! for whoever looks without a system that collects them. Not for measuring, nor for pictures.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::metrics::{Histogram, Sample, Value};
use crate::perfmon::Slice;

/// So much time is between two points.
pub const STEP: Duration = Duration::from_secs(10);
/// Points of one line: an hour.
pub const POINTS_MAX: usize = 360;

/// How a point is made of the samples of one name.
#[derive(Debug, Clone, Copy)]
enum How {
    /// The value as it is, times that.
    Level(f64),
    /// How much it has grown in a second, times that.
    Rate(f64),
    /// Within which 99 of 100 measurements since the last point fell.
    Most,
}

/// One line: its title, its unit, the samples that it is made of.
struct Line {
    title: &'static str,
    unit: &'static str,
    sample: &'static str,
    /// Only those with this label.
    label: Option<(&'static str, &'static str)>,
    how: How,
}

const fn line(title: &'static str, unit: &'static str, sample: &'static str, how: How) -> Line {
    Line {
        title,
        unit,
        sample,
        label: None,
        how,
    }
}

const MIB: f64 = 1.0 / (1024.0 * 1024.0);

/// In the order in which a person looks at them.
const LINES: [Line; 12] = [
    line(
        "Sessions that a client carries",
        "",
        "pollux_sessions_attached",
        How::Level(1.0),
    ),
    line(
        "Stanzas of clients",
        "a second",
        "pollux_stanzas_total",
        How::Rate(1.0),
    ),
    line(
        "Sign-ins",
        "a second",
        "pollux_sign_ins_total",
        How::Rate(1.0),
    ),
    line(
        "Resumptions",
        "a second",
        "pollux_resumptions_total",
        How::Rate(1.0),
    ),
    Line {
        label: Some(("group", "subcluster")),
        ..line(
            "Entries of the subcluster's log",
            "a second",
            "pollux_raft_applied_index",
            How::Rate(1.0),
        )
    },
    Line {
        label: Some(("group", "subcluster")),
        ..line(
            "Disk: 99 of 100 flushes of the log within",
            "ms",
            "pollux_log_flush_ms",
            How::Most,
        )
    },
    line(
        "Stanzas that wait for acknowledgement",
        "",
        "pollux_slots",
        How::Level(1.0),
    ),
    line(
        "Messages in the offline store",
        "",
        "pollux_offline_messages",
        How::Level(1.0),
    ),
    line(
        "Lines that wait for other subclusters",
        "",
        "pollux_outbox_lines",
        How::Level(1.0),
    ),
    line(
        "Processor",
        "% of one core",
        "process_cpu_seconds_total",
        How::Rate(100.0),
    ),
    line(
        "Memory of the process",
        "MiB",
        "process_resident_memory_bytes",
        How::Level(MIB),
    ),
    line(
        "Free on the disk",
        "GiB",
        "pollux_disk_free_bytes",
        How::Level(MIB / 1024.0),
    ),
];

/// One line as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryRow {
    pub title: String,
    /// What a number is of: `ms`, `GiB`; empty for a count.
    pub unit: String,
    /// The oldest first, [`STEP`] between two; none where nothing was measured. With three places
    /// behind the point.
    pub points: Vec<Option<f64>>,
}

/// What one line was made of last.
#[derive(Debug, Clone)]
enum Known {
    Sum(f64),
    Histogram(Histogram),
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct History {
    points: [VecDeque<Option<f64>>; LINES.len()],
    last: [Option<Known>; LINES.len()],
    at: Option<Duration>,
    messages: Slice,
}

/// Of which the last minute is known exactly, too.
const MESSAGES: &str = "pollux_messages_total";

impl History {
    /// One step, at this time of a clock that only goes forward.
    pub fn note(&mut self, now: Duration, samples: &[Sample]) {
        let counts = samples.iter().filter_map(|sample| match sample.value {
            Value::Counter(count) if sample.name == MESSAGES => Some(count),
            _ => None,
        });
        self.messages.note(counts.sum());
        let since = self.at.replace(now).map(|at| now.saturating_sub(at));
        let seconds = since.unwrap_or_default().as_secs_f64();
        let lines = LINES.iter().zip(&mut self.points).zip(&mut self.last);
        for ((line, points), last) in lines {
            let known = gathered(line, samples);
            let point = point(line.how, known.as_ref(), last.as_ref(), seconds);
            *last = known;
            points.push_back(point.map(rounded));
            while POINTS_MAX < points.len() {
                points.pop_front();
            }
        }
    }

    /// Messages of clients in the last minute; none before the first is over.
    pub fn messages_in_last_slice(&self) -> Option<u64> {
        self.messages.grown()
    }

    /// The longest of the flushes of the last minute.
    pub fn flush_ms(&self) -> Option<f64> {
        let lines = LINES.iter().zip(&self.points);
        let mut lines = lines.filter(|(line, _)| matches!(line.how, How::Most));
        let (_, points) = lines.next()?;
        let minute = 60 / STEP.as_secs() as usize;
        let last = points.iter().rev().take(minute).flatten();
        last.copied().reduce(f64::max)
    }

    pub fn rows(&self) -> Vec<HistoryRow> {
        let rows = LINES.iter().zip(&self.points);
        let rows = rows.map(|(line, points)| HistoryRow {
            title: line.title.to_owned(),
            unit: line.unit.to_owned(),
            points: points.iter().copied().collect(),
        });
        rows.collect()
    }
}

/// All samples of one line added up; none where there are none.
fn gathered(line: &Line, samples: &[Sample]) -> Option<Known> {
    let is_of = |sample: &&Sample| {
        let is_labelled = |(label, value): (&str, &str)| {
            let mut labels = sample.labels.iter();
            labels.any(|(known, given)| *known == label && given == value)
        };
        sample.name == line.sample && line.label.is_none_or(is_labelled)
    };
    let mut all: Option<Known> = None;
    for sample in samples.iter().filter(is_of) {
        let more = match &sample.value {
            Value::Counter(count) => Known::Sum(*count as f64),
            Value::Total(level) | Value::Gauge(level) => Known::Sum(*level),
            Value::Histogram(histogram) => Known::Histogram(histogram.clone()),
        };
        all = Some(match (all, more) {
            (Some(Known::Sum(one)), Known::Sum(other)) => Known::Sum(one + other),
            // Histograms of one line have one group each: there is nothing to add.
            (_, more) => more,
        });
    }
    all
}

fn point(how: How, now: Option<&Known>, last: Option<&Known>, seconds: f64) -> Option<f64> {
    match (how, now?, last) {
        (How::Level(factor), Known::Sum(value), _) => Some(value * factor),
        (How::Rate(factor), Known::Sum(value), Some(Known::Sum(last))) if 0.0 < seconds => {
            // What counts from its beginning again was not measured meanwhile.
            let grown = value - last;
            (0.0 <= grown).then(|| grown * factor / seconds)
        }
        (How::Most, Known::Histogram(now), Some(Known::Histogram(last))) => {
            now.since(last).within(0.99)
        }
        _ => None,
    }
}

/// To three places: more are not seen, and a page of them stays short.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::{ENVELOPE_BYTES_MAX, Outcome};

    fn samples(stanzas: u64, sessions: f64, flushes: [u64; 2]) -> Vec<Sample> {
        let histogram = Histogram {
            buckets: vec![(1.0, flushes[0]), (5.0, flushes[1])],
            above: 0,
            sum: 0.0,
        };
        let other = Histogram {
            buckets: vec![(1.0, 0), (5.0, 1_000)],
            ..histogram.clone()
        };
        vec![
            Sample::counter("pollux_stanzas_total", "Stanzas.", stanzas),
            Sample::gauge("pollux_sessions_attached", "Sessions.", sessions),
            Sample::histogram("pollux_log_flush_ms", "Flushes.", histogram)
                .with("group", "subcluster"),
            Sample::histogram("pollux_log_flush_ms", "Flushes.", other)
                .with("group", "configuration"),
        ]
    }

    fn points(history: &History, title: &str) -> Vec<Option<f64>> {
        let rows = history.rows();
        let row = rows.iter().find(|row| row.title.starts_with(title));
        row.unwrap().points.clone()
    }

    #[test]
    fn levels_are_as_they_are_and_counters_grow_by_the_second() {
        let mut history = History::default();
        let at = |steps: u32| STEP * steps;
        history.note(at(1), &samples(100, 3.0, [10, 0]));
        history.note(at(2), &samples(150, 4.0, [110, 0]));
        // Nothing was flushed, and then one in fifty took longer.
        history.note(at(3), &samples(150, 4.0, [110, 0]));
        history.note(at(4), &samples(153, 4.0, [208, 2]));
        // It counts from its beginning again.
        history.note(at(5), &samples(2, 0.0, [1, 0]));
        assert_eq!(
            points(&history, "Sessions"),
            [3.0, 4.0, 4.0, 4.0, 0.0].map(Some)
        );
        let stanzas = [None, Some(5.0), Some(0.0), Some(0.3), None];
        assert_eq!(points(&history, "Stanzas of"), stanzas);
        let flushes = [None, Some(1.0), None, Some(5.0), Some(1.0)];
        assert_eq!(points(&history, "Disk"), flushes);
        assert_eq!(history.flush_ms(), Some(5.0));
        assert_eq!(points(&history, "Memory"), [None; 5]);
    }

    #[test]
    fn an_hour_is_kept_and_fits_a_response() {
        let mut history = History::default();
        let mut all: Vec<Sample> = Vec::new();
        for step in 0..1_000_u32 {
            all = LINES
                .iter()
                .map(|line| {
                    let value = f64::from(step) * 123_456.789_123 / line.title.len() as f64;
                    let sample = Sample::gauge(line.sample, "…", value * 1_048_576.0);
                    match line.label {
                        Some((label, value)) => sample.with(label, value),
                        None => sample,
                    }
                })
                .collect();
            history.note(STEP * step, &all);
        }
        let rows = history.rows();
        assert!(rows.iter().all(|row| row.points.len() == POINTS_MAX));
        assert_eq!(all.len(), LINES.len());
        let bytes = serde_json::to_vec(&Outcome::History(rows)).unwrap().len();
        assert!(bytes < ENVELOPE_BYTES_MAX - 1_024, "{bytes}");
    }
}
