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
