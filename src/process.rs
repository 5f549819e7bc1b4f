//! What the kernel says of this process and of the disk below its folder, as measurements. Their
//! names are those that every program gives to Prometheus. Not for what the node does.

use std::fs;
use std::path::Path;

use pollux_domain::metrics::Sample;
use rustix::param::{clock_ticks_per_second, page_size};

use crate::descriptors;

/// What cannot be read is left out: no monitor is told a number that nobody has measured.
pub fn samples(data_folder: &Path) -> Vec<Sample> {
    let mut samples = Vec::new();
    if let Some(stat) = Stat::read() {
        samples.extend(stat.samples());
    }
    let gauge = |name, help, value: u64| Sample::gauge(name, help, value as f64);
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The reading itself has one open.
        let open = open.count().saturating_sub(1) as u64;
        let help = "Files and sockets that the process has open.";
        samples.push(gauge("process_open_fds", help, open));
    }
    if let (Some(most), _) = descriptors::limits() {
        let help = "Files and sockets that the process may have open.";
        samples.push(gauge("process_max_fds", help, most));
    }
    if let Ok(disk) = rustix::fs::statvfs(data_folder) {
        let of = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        let help = "What is free of the disk of the data folder, for who is not root.";
        samples.push(gauge("pollux_disk_free_bytes", help, of(disk.f_bavail)));
        let help = "The size of that disk.";
        samples.push(gauge("pollux_disk_size_bytes", help, of(disk.f_blocks)));
    }
    samples
}

/// Of proc(5), `/proc/self/stat`.
#[derive(Debug, PartialEq)]
struct Stat {
    user_ticks: u64,
    system_ticks: u64,
    /// Since the machine has been up.
    start_ticks: u64,
    resident_pages: u64,
}

impl Stat {
    fn read() -> Option<Stat> {
        Stat::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// Fields are counted from behind the name, in which anything may stand, brackets too.
    fn parse(text: &str) -> Option<Stat> {
        let (_, behind) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = behind.split_ascii_whitespace().collect();
        // The first field here is the third of the page.
        let field = |number: usize| fields.get(number - 3)?.parse().ok();
        Some(Stat {
            user_ticks: field(14)?,
            system_ticks: field(15)?,
            start_ticks: field(22)?,
            resident_pages: field(24)?,
        })
    }

    fn samples(&self) -> Vec<Sample> {
        let ticks = clock_ticks_per_second().max(1) as f64;
        let busy = (self.user_ticks + self.system_ticks) as f64 / ticks;
        let resident = self.resident_pages.saturating_mul(page_size() as u64);
        let mut samples = vec![
            Sample::total(
                "process_cpu_seconds_total",
                "CPU time that the process has taken, in seconds.",
                busy,
            ),
            Sample::gauge(
                "process_resident_memory_bytes",
                "Memory of the process that is in use.",
                resident as f64,
            ),
        ];
        if let Some(up) = boot_seconds() {
            let at = up + self.start_ticks as f64 / ticks;
            let help = "When the process was started, in seconds since 1970.";
            samples.push(Sample::gauge("process_start_time_seconds", help, at));
        }
        samples
    }
}

/// When the machine was started, in seconds since 1970, as the kernel says it.
fn boot_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_moves_no_field() {
        let line = "7 (a ) R 1) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 4711 9000000 \
                    321 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0";
        let stat = Stat {
            user_ticks: 250,
            system_ticks: 50,
            start_ticks: 4_711,
            resident_pages: 321,
        };
        assert_eq!(Stat::parse(line), Some(stat));
        for broken in [
            "",
            "7 (pollux)",
            "7 (pollux) S 1 2",
            "7 (pollux) S x x x x x x",
        ] {
            assert_eq!(Stat::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn the_process_that_asks_is_measured() {
        let samples = samples(Path::new("/"));
        let names: Vec<&str> = samples.iter().map(|sample| sample.name).collect();
        let expected = [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_start_time_seconds",
            "process_open_fds",
            "process_max_fds",
            "pollux_disk_free_bytes",
            "pollux_disk_size_bytes",
        ];
        assert_eq!(names, expected);
    }
}
