//! The rows of offline, storm, availability and hostile; how a row is printed is in `show`.

use pollux_chaos::load::{
    AvailabilityReport, CommandsReport, ContactListsReport, DevicesReport, HostileReport, Latency,
    OfflineReport, StormReport, TakeoverReport,
};

use crate::show::{json, latency, on, optional, row, table};

pub fn offline(report: &OfflineReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(report);
    }
    row(&[
        ("senders", report.senders.to_string()),
        ("sm", on(report.stream_management)),
        ("tls", on(report.starttls)),
        ("stored", report.stored.to_string()),
        ("stored/s", format!("{:.0}", report.store_per_second)),
        ("CPU ms/stored", optional(report.cpu_ms_per_stored, 4)),
        ("delivered", report.delivered.to_string()),
        ("delivered/s", format!("{:.0}", report.deliver_per_second)),
        ("CPU ms/delivered", optional(report.cpu_ms_per_delivered, 4)),
    ])
}

pub fn commands(reports: &[CommandsReport], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(&reports);
    }
    let head = ["writers", "deliveries/s", "empty machine/s", "ratio"];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    lines.extend(reports.iter().map(|report| {
        vec![
            report.writers.to_string(),
            format!("{:.0}", report.deliveries_per_second),
            format!("{:.0}", report.empty_per_second),
            format!("{:.2}", report.ratio),
        ]
    }));
    table(&lines)
}

pub fn takeover(report: &TakeoverReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(report);
    }
    let mut cells = vec![
        ("sessions", report.sessions.to_string()),
        ("serving KiB", format!("{:.1}", report.serving_kib)),
        ("twin KiB", format!("{:.1}", report.backup_kib)),
        ("witness KiB", format!("{:.1}", report.witness_kib)),
        ("taken over s", format!("{:.2}", report.taken_over_seconds)),
        ("first back s", format!("{:.2}", report.first_seconds)),
        ("last back s", format!("{:.2}", report.last_seconds)),
        (
            "CPU ms/session",
            format!("{:.3}", report.cpu_ms_per_session),
        ),
        ("not resumed", report.lost_sessions.to_string()),
        ("turned away", report.turned_away.to_string()),
    ];
    cells.extend(latency(&report.resumption));
    row(&cells)
}

pub fn storm(report: &StormReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(report);
    }
    let mut cells = vec![
        ("sessions", report.sessions.to_string()),
        ("tls", on(report.starttls)),
        ("all in s", format!("{:.2}", report.seconds)),
        ("first in s", format!("{:.3}", report.first_seconds)),
        ("turned away", report.turned_away.to_string()),
        ("CPU ms/session", optional(report.cpu_ms_per_session, 3)),
    ];
    cells.extend(latency(&report.sign_in_latency));
    row(&cells)
}

pub fn availability(report: &AvailabilityReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(report);
    }
    let rate = report.rate;
    let mut cells = vec![
        ("users", report.users.to_string()),
        ("contacts", report.contacts.to_string()),
        (
            "rate",
            rate.map_or("closed loop".to_owned(), |rate| format!("{rate}/s")),
        ),
        ("tls", on(report.starttls)),
        ("changes", report.changes.to_string()),
        ("deliveries", report.deliveries.to_string()),
        (
            "deliveries/s",
            format!("{:.0}", report.deliveries_per_second),
        ),
        ("CPU ms/delivery", optional(report.cpu_ms_per_delivery, 4)),
    ];
    cells.extend(latency(&report.latency));
    cells.push(("superseded", report.superseded.to_string()));
    row(&cells)
}

pub fn devices(report: &DevicesReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(report);
    }
    let mut cells = vec![
        ("receivers", report.receivers.to_string()),
        ("devices", report.devices.to_string()),
        ("carbons", on(report.carbons)),
        ("sm", on(report.stream_management)),
        ("deliveries", report.deliveries.to_string()),
        (
            "deliveries/s",
            format!("{:.0}", report.deliveries_per_second),
        ),
        ("CPU ms/delivery", optional(report.cpu_ms_per_delivery, 4)),
    ];
    cells.extend(latency(&report.latency));
    row(&cells)
}

pub fn contact_lists(report: &ContactListsReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(report);
    }
    let mut cells = vec![
        ("users", report.users.to_string()),
        ("contacts", report.contacts.to_string()),
        ("sm", on(report.stream_management)),
        ("sign-ins", report.count.to_string()),
        ("CPU ms/sign-in", optional(report.cpu_ms, 3)),
    ];
    cells.extend(latency(&report.latency));
    row(&cells)
}

/// A row for each of the three times, and what they come to.
pub fn hostile(report: &HostileReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(report);
    }
    let times = [
        ("before", &report.before, report.pss_before_kib),
        ("during", &report.during, report.pss_during_kib),
        ("after", &report.after, report.pss_after_kib),
    ];
    let mut rows = vec![head(&report.before)];
    for (name, figures, pss) in times {
        let mut cells = vec![name.to_owned()];
        cells.extend(latency(figures).map(|(_, value)| value));
        cells.push(pss.to_string());
        rows.push(cells);
    }
    table(&rows)?;
    row(&[
        ("neighbours", report.count.to_string()),
        ("pairs", report.pairs.to_string()),
        ("rate", format!("{}/s", report.rate)),
        ("tls", on(report.starttls)),
        ("received", report.received.to_string()),
        ("wrong", report.wrong.to_string()),
        ("hostile bytes", report.hostile_bytes.to_string()),
        ("thrown out", report.ended.to_string()),
        ("p99 at most doubled", yes(report.latency_holds)),
        ("memory returned", yes(report.memory_returns)),
        ("after s", format!("{:.1}", report.return_seconds)),
    ])
}

fn head(any: &Latency) -> Vec<String> {
    let columns = latency(any).map(|(name, _)| name);
    let names = ["time"].into_iter().chain(columns).chain(["PSS KiB"]);
    names.map(str::to_owned).collect()
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}
