//! Counts durations in buckets that are never wider than a sixty-fourth of their value.

use std::time::Duration;

use serde::Serialize;

/// Buckets for each power of two.
const SUB_BITS: u32 = 6;
/// Nanoseconds up to 2^40 (18 minutes); what takes longer counts as that.
const VALUE_BITS: u32 = 40;
const BUCKETS: usize = ((VALUE_BITS - SUB_BITS + 1) << SUB_BITS) as usize;

#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    most: Duration,
}

/// What people ask of a histogram, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            counts: vec![0; BUCKETS],
            count: 0,
            most: Duration::ZERO,
        }
    }
}

impl Histogram {
    pub fn record(&mut self, value: Duration) {
        let nanos = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)] += 1;
        self.count += 1;
        self.most = self.most.max(value);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn clear(&mut self) {
        *self = Histogram::default();
    }

    /// The upper edge of the bucket in which the given share of all values is reached.
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(upper_edge(bucket)).min(self.most);
            }
        }
        self.most
    }

    pub fn latency(&self) -> Latency {
        let ms = |share| self.quantile(share).as_secs_f64() * 1e3;
        let max_ms = self.most.as_secs_f64() * 1e3;
        Latency {
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            p999_ms: ms(0.999),
            max_ms,
        }
    }
}

fn bucket(nanos: u64) -> usize {
    let nanos = nanos.min((1 << VALUE_BITS) - 1);
    let shift = (64 - nanos.leading_zeros()).saturating_sub(SUB_BITS + 1);
    ((u64::from(shift) << SUB_BITS) + (nanos >> shift)) as usize
}

fn upper_edge(bucket: usize) -> u64 {
    let shift = (bucket >> SUB_BITS).saturating_sub(1);
    let base = bucket as u64 - ((shift as u64) << SUB_BITS);
    ((base + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS, Duration, Histogram, bucket, upper_edge};

    #[test]
    fn every_value_lies_within_a_sixty_fourth_of_its_bucket() {
        let mut last = 0;
        for value in (0..2000).chain((11..40).flat_map(|bits| {
            let power = 1_u64 << bits;
            [power - 1, power, power + power / 3]
        })) {
            let edge = upper_edge(bucket(value));
            assert!(
                value <= edge && edge - value <= value / 64,
                "{value} in ..={edge}"
            );
            assert!(bucket(value) >= last && bucket(value) < BUCKETS, "{value}");
            last = bucket(value);
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut histogram = Histogram::default();
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }
        let latency = histogram.latency();
        assert!((500.0..508.0).contains(&latency.p50_ms), "{latency:?}");
        assert!((990.0..1000.1).contains(&latency.p99_ms), "{latency:?}");
        assert!((latency.max_ms - 1000.0).abs() < 1e-6, "{latency:?}");
        assert_eq!(Histogram::default().quantile(0.5), Duration::ZERO);
    }
}
