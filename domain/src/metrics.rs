//! What a node measures of itself, as values. Not for how it is published: see admin-ui.

/// One published measurement. All samples of one name have one help text and one kind of value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// In the words of the glossary, unit last: `pollux_takeover_duration_ms`; a counter ends in
    /// `_total`.
    pub name: &'static str,
    /// One sentence for who reads the name for the first time.
    pub help: &'static str,
    /// What tells samples of one name apart. Never the name of a user.
    pub labels: Vec<(&'static str, String)>,
    pub value: Value,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Only grows while the process lives.
    Counter(u64),
    /// The same, of what has no smallest part, such as time.
    Total(f64),
    /// Goes up and down.
    Gauge(f64),
    Histogram(Histogram),
}

/// How often a measurement fell where.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    /// Upper bounds, growing, each with the count of measurements up to it that no lower bound has.
    pub buckets: Vec<(f64, u64)>,
    /// Measurements above the last bound.
    pub above: u64,
    /// Of all measurements.
    pub sum: f64,
}

impl Histogram {
    /// The lowest bound up to which this share of the measurements is; infinite above the last,
    /// none where nothing was measured.
    pub fn bound_of(&self, share: f64) -> Option<f64> {
        let all = self.above + self.buckets.iter().map(|(_, count)| count).sum::<u64>();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut counted = 0;
        for (bound, count) in &self.buckets {
            counted += count;
            if all > 0 && wanted <= counted {
                return Some(*bound);
            }
        }
        (all > 0).then_some(f64::INFINITY)
    }
}

impl Sample {
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Sample {
        Sample::new(name, help, Value::Counter(value))
    }

    pub fn total(name: &'static str, help: &'static str, value: f64) -> Sample {
        Sample::new(name, help, Value::Total(value))
    }

    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Sample {
        Sample::new(name, help, Value::Gauge(value))
    }

    pub fn histogram(name: &'static str, help: &'static str, value: Histogram) -> Sample {
        Sample::new(name, help, Value::Histogram(value))
    }

    fn new(name: &'static str, help: &'static str, value: Value) -> Sample {
        Sample {
            name,
            help,
            labels: Vec::new(),
            value,
        }
    }

    /// With one more label.
    #[must_use]
    pub fn with(mut self, label: &'static str, value: impl Into<String>) -> Sample {
        self.labels.push((label, value.into()));
        self
    }
}

impl Histogram {
    /// What was measured since `earlier`. Where that is of another life, everything.
    #[must_use]
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let is_earlier = earlier.buckets.len() == self.buckets.len()
            && earlier.above <= self.above
            && { earlier.buckets.iter().zip(&self.buckets) }
                .all(|((bound, was), (same, is))| bound == same && was <= is);
        if !is_earlier {
            return self.clone();
        }
        let buckets = self.buckets.iter().zip(&earlier.buckets);
        Histogram {
            buckets: buckets
                .map(|((bound, is), (_, was))| (*bound, is - was))
                .collect(),
            above: self.above - earlier.above,
            sum: self.sum - earlier.sum,
        }
    }

    /// The bound within which that share of all measurements lies; of what lies above all bounds,
    /// the last bound. None where nothing was measured.
    pub fn within(&self, share: f64) -> Option<f64> {
        let all: u64 = self.buckets.iter().map(|(_, count)| count).sum::<u64>() + self.above;
        if all == 0 {
            return None;
        }
        let wanted = share * all as f64;
        let mut seen = 0;
        for (bound, count) in &self.buckets {
            seen += count;
            if wanted <= seen as f64 {
                return Some(*bound);
            }
        }
        self.buckets.last().map(|(bound, _)| *bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(counts: [u64; 3]) -> Histogram {
        Histogram {
            buckets: vec![(1.0, counts[0]), (2.0, counts[1])],
            above: counts[2],
            sum: 0.0,
        }
    }

    #[test]
    fn the_bound_of_a_share() {
        for (counts, share, bound) in [
            ([0, 0, 0], 0.99, None),
            ([1, 0, 0], 0.99, Some(1.0)),
            ([99, 1, 0], 0.99, Some(1.0)),
            ([98, 2, 0], 0.99, Some(2.0)),
            ([1, 1, 98], 0.5, Some(2.0)),
        ] {
            assert_eq!(histogram(counts).within(share), bound, "{counts:?}");
        }
    }

    #[test]
    fn the_difference_of_two_times() {
        let later = histogram([5, 3, 1]);
        assert_eq!(later.since(&histogram([2, 3, 0])), histogram([3, 0, 1]));
        assert_eq!(later.since(&histogram([6, 0, 0])), later, "of another life");
    }
}
