//! What a process and its children cost, as the kernel counts it: CPU time and proportional memory.

use std::fs;
use std::iter::Sum;
use std::ops::Sub;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Children and their children that are looked at; a server with more is none that is known here.
const PROCESSES_MAX: usize = 1000;

/// CPU time of a process, its living children, and those that it has waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpuTime(Duration);

impl CpuTime {
    pub fn ms(self) -> f64 {
        self.0.as_secs_f64() * 1e3
    }
}

impl Sub for CpuTime {
    type Output = CpuTime;

    fn sub(self, earlier: CpuTime) -> CpuTime {
        CpuTime(self.0.saturating_sub(earlier.0))
    }
}

impl Sum for CpuTime {
    fn sum<I: Iterator<Item = CpuTime>>(times: I) -> CpuTime {
        CpuTime(times.map(|time| time.0).sum())
    }
}

pub fn cpu_time(pid: u32) -> anyhow::Result<CpuTime> {
    let mut ticks = 0;
    for pid in family(pid)? {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        ticks += ticks_of(&stat.with_context(|| format!("read the CPU time of {pid}"))?)?;
    }
    let seconds = ticks as f64 / clock_ticks_per_second() as f64;
    Ok(CpuTime(Duration::from_secs_f64(seconds)))
}

/// Proportional set size: memory shared by several processes counts in parts.
pub fn pss_kib(pid: u32) -> anyhow::Result<u64> {
    let mut total = 0;
    for pid in family(pid)? {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
        let rollup = rollup.with_context(|| format!("read the memory of {pid}"))?;
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib = pss.and_then(|pss| pss.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        total += kib.with_context(|| format!("find Pss in the memory of {pid}"))?;
    }
    Ok(total)
}

/// Raises the number of files that this process and its children may open as far as it goes.
pub fn open_files_most() -> anyhow::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .context("raise the limit of open files")?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// The process and all that descend from it.
pub fn family(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut family = vec![pid];
    let mut at = 0;
    while at < family.len() {
        // Each thread has children of its own. A process that ends meanwhile has none.
        if let Ok(threads) = fs::read_dir(format!("/proc/{}/task", family[at])) {
            for thread in threads.flatten() {
                let children = fs::read_to_string(thread.path().join("children"));
                let children = children.unwrap_or_default();
                family.extend(
                    children
                        .split_whitespace()
                        .filter_map(|pid| pid.parse::<u32>().ok()),
                );
            }
        }
        at += 1;
        if family.len() > PROCESSES_MAX {
            bail!("process {pid} has more than {PROCESSES_MAX} descendants");
        }
    }
    Ok(family)
}

/// utime, stime, cutime and cstime of `/proc/PID/stat`; the name before them may contain anything.
fn ticks_of(stat: &str) -> anyhow::Result<u64> {
    let (_, fields) = stat.rsplit_once(')').context("read /proc/PID/stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let times = fields
        .get(11..15)
        .context("find the CPU time in /proc/PID/stat")?;
    times.iter().try_fold(0, |sum, field| {
        Ok(sum
            + field
                .parse::<u64>()
                .context("read a CPU time of /proc/PID/stat")?)
    })
}

#[cfg(test)]
mod tests {
    use super::{cpu_time, pss_kib, ticks_of};

    #[test]
    fn reads_its_own_cost() {
        let pid = std::process::id();
        assert!(pss_kib(pid).unwrap() > 100);
        let before = cpu_time(pid).unwrap();
        let mut sum = 0_u64;
        while (cpu_time(pid).unwrap() - before).ms() < 20.0 {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(cpu_time(u32::MAX - 1).is_err());
    }

    #[test]
    fn a_name_with_brackets_moves_no_field() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1";
        assert_eq!(ticks_of(stat).unwrap(), 127);
        assert!(ticks_of("12 (a) S 1").is_err());
    }
}
