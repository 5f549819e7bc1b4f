//! How long the flushes of a log take: counts that a writer raises and a monitor reads. Not for
//! measuring the time: the disk does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pollux_domain::metrics::Histogram;

/// Upper bounds in milliseconds: from a good disk to one that counts as stuck. A lease is 300.
const BOUNDS_MS: [f64; 11] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 100.0, 300.0, 1_000.0,
];

/// See the module.
#[derive(Debug, Default)]
pub struct FlushTimes {
    buckets: [AtomicU64; BOUNDS_MS.len()],
    above: AtomicU64,
    sum_us: AtomicU64,
}

impl FlushTimes {
    pub fn note(&self, took: Duration) {
        let ms = took.as_secs_f64() * 1_000.0;
        let bucket = BOUNDS_MS.iter().zip(&self.buckets);
        let bucket = bucket.into_iter().find(|(bound, _)| ms <= **bound);
        let bucket = bucket.map_or(&self.above, |(_, bucket)| bucket);
        bucket.fetch_add(1, Ordering::Relaxed);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// In milliseconds.
    pub fn histogram(&self) -> Histogram {
        let counts = self
            .buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed));
        Histogram {
            buckets: BOUNDS_MS.into_iter().zip(counts).collect(),
            above: self.above.load(Ordering::Relaxed),
            sum: self.sum_us.load(Ordering::Relaxed) as f64 / 1_000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flush_falls_under_its_bound() {
        let times = FlushTimes::default();
        for us in [90, 100, 101, 300_000, 1_000_001, 4_000_000] {
            times.note(Duration::from_micros(us));
        }
        let histogram = times.histogram();
        let counted: Vec<(f64, u64)> = histogram
            .buckets
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(counted, [(0.1, 2), (0.25, 1), (300.0, 1)]);
        assert_eq!(histogram.above, 2);
        assert!(
            (histogram.sum - 5_300.292).abs() < 1e-6,
            "{}",
            histogram.sum
        );
    }
}
