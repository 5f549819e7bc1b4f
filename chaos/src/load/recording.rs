//! One recording by `perf`: where some processes spend CPU time, from a moment to another. Reads
//! nothing of what it has recorded.

use std::fs::{File, create_dir_all};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use tempfile::TempDir;

use crate::servers::{Process, wait_until};

/// How long perf may take to attach, or to write what it has.
const PATIENCE: Duration = Duration::from_secs(20);

/// Counts from its start until it is stopped. The order to begin and the order to end go through a
/// pipe and are acknowledged, so that attaching and writing are not in it.
pub struct Recording {
    perf: Process,
    orders: File,
    answers: File,
    // The pipes go when perf has ended.
    _folder: TempDir,
}

impl Recording {
    /// Returns when perf counts, so many times a second of each running thread.
    pub fn start(pids: &[u32], frequency: u32, file: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("recording-").tempdir();
        let folder = folder.context("make a folder for perf")?;
        let (orders_path, orders) = pipe(&folder, "orders")?;
        let (answers_path, answers) = pipe(&folder, "answers")?;
        create_dir_all(file.parent().unwrap_or(Path::new("."))).context("make a folder")?;
        let control = format!("fifo:{},{}", orders_path.display(), answers_path.display());
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        let mut command = Command::new("perf");
        command
            .args(["record", "--event", "cpu-clock"])
            .args(["--freq", &frequency.to_string()])
            .args(["--call-graph", "fp", "--delay", "-1", "--control", &control])
            .args(["--pid", &pids.join(",")])
            .arg("--output")
            .arg(file);
        let said = folder.path().join("said");
        let perf = Process::start(&mut command, &said);
        let mut recording = Recording {
            perf: perf.context("perf is needed: install linux-perf")?,
            orders,
            answers,
            _folder: folder,
        };
        recording.order("enable").context(
            "perf cannot record; it wants root, or 1 or less in \
             /proc/sys/kernel/perf_event_paranoid",
        )?;
        Ok(recording)
    }

    /// Counts no more from here on, and returns when the file is whole.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.order("disable").context("end the recording")?;
        self.orders.write_all(b"stop\n").context("end perf")?;
        match wait_until(PATIENCE, || Ok(self.perf.check().is_err()))? {
            true => Ok(()),
            false => bail!("perf did not end {PATIENCE:?} after it was told to"),
        }
    }

    fn order(&mut self, order: &str) -> anyhow::Result<()> {
        let line = format!("{order}\n");
        self.orders
            .write_all(line.as_bytes())
            .context("tell perf")?;
        let mut answer = Vec::new();
        let answered = wait_until(PATIENCE, || {
            self.perf.check()?;
            let mut some = [0; 16];
            match self.answers.read(&mut some) {
                Ok(read) => answer.extend_from_slice(&some[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("hear perf"),
            }
            Ok(answer.contains(&b'\n'))
        })?;
        if !answered {
            bail!("perf did not answer to `{order}` in {PATIENCE:?}");
        }
        Ok(())
    }
}

/// Open for both ways at once, so that nobody waits for the other side to open it too.
fn pipe(folder: &TempDir, name: &str) -> anyhow::Result<(PathBuf, File)> {
    let path = folder.path().join(name);
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, &path, FileType::Fifo, mode, 0).context("make a pipe for perf")?;
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).context("name a flag")?;
    let file = File::options()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(&path);
    Ok((path, file.context("open a pipe for perf")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tenth of a second of work is a hundred samples at most, and never less than half of that.
    /// The process is one of its own: this one runs other tests, in threads that come and go.
    #[test]
    fn what_a_process_does_is_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key/name.data");
        let mut turns = Command::new("sh");
        turns.args(["-c", "while :; do :; done"]);
        let turns = Process::start(&mut turns, &folder.path().join("said")).unwrap();
        let recording = Recording::start(&[turns.pid()], 997, &file).unwrap();
        let cpu = || crate::load::cpu_time(turns.pid()).unwrap();
        let before = cpu();
        let worked = wait_until(PATIENCE, || Ok(100.0 <= (cpu() - before).ms())).unwrap();
        assert!(worked);
        recording.stop().unwrap();
        let mut script = Command::new("perf");
        script.args(["script", "--fields", "tid", "--input"]);
        let printed = script.arg(&file).output().unwrap();
        let own = String::from_utf8(printed.stdout).unwrap();
        assert!(own.lines().count() >= 50, "{own}");
    }

    #[test]
    fn a_process_that_is_not_there_is_said_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let started = Recording::start(&[u32::MAX / 2], 997, &folder.path().join("a.data"));
        let error = format!("{:#}", started.err().unwrap());
        assert!(error.contains("perf cannot record"), "{error}");
        assert!(error.contains("ended with"), "{error}");
    }
}
