//! The text format of Prometheus, version 0.0.4:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::BTreeMap;
use std::fmt::Write;

use pollux_domain::metrics::{Histogram, Sample, Value};

/// What `/metrics` is served as.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All samples; those of one name stand together, as the format wants it, in the order of names.
pub(crate) fn render(samples: &[Sample]) -> String {
    let mut families: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        families.entry(sample.name).or_default().push(sample);
    }
    let mut out = String::with_capacity(samples.len() * 128);
    for (name, family) in families {
        let first = family[0];
        let kind = kind(&first.value);
        let help = first.help.replace('\\', "\\\\").replace('\n', "\\n");
        line(&mut out, format_args!("# HELP {name} {help}"));
        line(&mut out, format_args!("# TYPE {name} {kind}"));
        for sample in family {
            write_sample(&mut out, sample);
        }
    }
    out
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Counter(_) | Value::Total(_) => "counter",
        Value::Gauge(_) => "gauge",
        Value::Histogram(_) => "histogram",
    }
}

fn write_sample(out: &mut String, sample: &Sample) {
    let (name, labels) = (sample.name, labels(sample, None));
    match &sample.value {
        Value::Counter(count) => line(out, format_args!("{name}{labels} {count}")),
        Value::Gauge(value) | Value::Total(value) => {
            line(out, format_args!("{name}{labels} {}", number(*value)))
        }
        Value::Histogram(histogram) => write_histogram(out, sample, histogram),
    }
}

fn write_histogram(out: &mut String, sample: &Sample, histogram: &Histogram) {
    let name = sample.name;
    let mut count = 0;
    for (bound, more) in &histogram.buckets {
        count += more;
        let labels = labels(sample, Some(&number(*bound)));
        line(out, format_args!("{name}_bucket{labels} {count}"));
    }
    count += histogram.above;
    line(
        out,
        format_args!("{name}_bucket{} {count}", labels(sample, Some("+Inf"))),
    );
    let labels = labels(sample, None);
    line(
        out,
        format_args!("{name}_sum{labels} {}", number(histogram.sum)),
    );
    line(out, format_args!("{name}_count{labels} {count}"));
}

/// `{a="1",le="5"}`, or nothing.
fn labels(sample: &Sample, bound: Option<&str>) -> String {
    let own = sample
        .labels
        .iter()
        .map(|(label, value)| (*label, value.as_str()));
    let all: Vec<String> = own
        .chain(bound.map(|bound| ("le", bound)))
        .map(|(label, value)| format!("{label}=\"{}\"", escape(value)))
        .collect();
    if all.is_empty() {
        return String::new();
    }
    format!("{{{}}}", all.join(","))
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        _ => value.to_string(),
    }
}

fn line(out: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _written = out.write_fmt(content);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(samples: &[Sample], want: &[&str]) {
        let text = render(samples);
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "the last line ends"
        );
        assert_eq!(text.lines().collect::<Vec<_>>(), want);
    }

    #[test]
    fn nothing_is_nothing() {
        check(&[], &[]);
    }

    #[test]
    fn samples_of_one_name_stand_together() {
        let stanzas = |way: &str, count| {
            Sample::counter("pollux_stanzas_total", "Stanzas.", count).with("way", way)
        };
        check(
            &[
                stanzas("in", 7),
                Sample::gauge("pollux_load", "Load.", 0.5),
                stanzas("out", 8),
            ],
            &[
                "# HELP pollux_load Load.",
                "# TYPE pollux_load gauge",
                "pollux_load 0.5",
                "# HELP pollux_stanzas_total Stanzas.",
                "# TYPE pollux_stanzas_total counter",
                "pollux_stanzas_total{way=\"in\"} 7",
                "pollux_stanzas_total{way=\"out\"} 8",
            ],
        );
    }

    #[test]
    fn buckets_are_summed_and_end_in_infinity() {
        let flush = Histogram {
            buckets: vec![(0.5, 3), (5.0, 2)],
            above: 1,
            sum: 12.25,
        };
        check(
            &[Sample::histogram("pollux_flush_ms", "Flushes.", flush).with("disk", "a")],
            &[
                "# HELP pollux_flush_ms Flushes.",
                "# TYPE pollux_flush_ms histogram",
                "pollux_flush_ms_bucket{disk=\"a\",le=\"0.5\"} 3",
                "pollux_flush_ms_bucket{disk=\"a\",le=\"5\"} 5",
                "pollux_flush_ms_bucket{disk=\"a\",le=\"+Inf\"} 6",
                "pollux_flush_ms_sum{disk=\"a\"} 12.25",
                "pollux_flush_ms_count{disk=\"a\"} 6",
            ],
        );
    }

    #[test]
    fn what_has_a_meaning_is_escaped() {
        let sample = Sample::gauge("g", "One\\\nline.", f64::NAN).with("l", "a\\b\"c\nd");
        check(
            &[sample],
            &[
                "# HELP g One\\\\\\nline.",
                "# TYPE g gauge",
                "g{l=\"a\\\\b\\\"c\\nd\"} NaN",
            ],
        );
    }
}
