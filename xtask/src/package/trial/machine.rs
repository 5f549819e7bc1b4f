//! A clean system that is started as a machine: systemd in a container, with a network namespace of
//! its own at a bridge. All of it goes at the end, also after a failure. Not for what runs in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

use super::host::{Host, pause, quiet, shell};
use super::wires::{Bridge, Wire};
use crate::step::run;

const SUITE: &str = "bookworm";
/// What a small Debian server has, and what the program needs of Debian.
const INCLUDED: &str = "systemd-sysv,dbus,adduser,libc6,libgcc-s1,procps";
const BOOT_SECONDS: u32 = 60;

/// A clean system that the three begin with.
pub fn base(folder: &Path) -> anyhow::Result<PathBuf> {
    let base = folder.join("base");
    if base.exists() {
        fs::remove_dir_all(&base).context("remove the system of the last trial")?;
    }
    let mut make = Command::new("mmdebstrap");
    make.args(["--quiet", "--variant=minbase", "--include", INCLUDED]);
    // From where this machine has its own packages.
    make.arg(SUITE).arg(&base).args(sources());
    run(&mut make).context("make a clean system")?;
    Ok(base)
}

/// The files that say where this machine's Debian comes from.
fn sources() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/etc/apt/sources.list")];
    let beside = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten();
    found.extend(beside.filter_map(|entry| Some(entry.ok()?.path())));
    let of_debian = |path: &PathBuf| {
        fs::read_to_string(path).is_ok_and(|text| text.contains("debian") && text.contains(SUITE))
    };
    found.retain(of_debian);
    found
}

/// See the module.
pub struct Machine {
    name: String,
    folder: PathBuf,
    wire: Wire,
    container: Option<Child>,
    /// The first process in the container, as this system counts.
    leader: u32,
}

impl Machine {
    pub fn start(
        folder: &Path,
        base: &Path,
        at: &Bridge,
        name: &str,
        package: &Path,
    ) -> anyhow::Result<Self> {
        let mut machine = Machine {
            name: name.to_owned(),
            folder: folder.join(name),
            wire: at.connect(name)?,
            container: None,
            leader: 0,
        };
        machine.clear();
        machine.mount(base)?;
        machine.give(package, "pollux.deb")?;
        machine.boot()?;
        Ok(machine)
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// The base, and above it what this machine writes.
    fn mount(&self, base: &Path) -> anyhow::Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).context("remove the machine of the last trial")?;
        }
        let (upper, work) = (self.folder.join("upper"), self.folder.join("work"));
        for folder in [&upper, &work, &self.root()] {
            fs::create_dir_all(folder).context("make a folder for a machine")?;
        }
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            base.display(),
            upper.display(),
            work.display()
        );
        let mut mount = Command::new("mount");
        mount.args(["-t", "overlay", "overlay", "-o", &layers]);
        run(mount.arg(self.root()))
    }

    fn boot(&mut self) -> anyhow::Result<()> {
        let log = fs::File::create(self.folder.join("console")).context("make a console")?;
        let errors = log.try_clone().context("make a console")?;
        // It ends with this process, however that ends.
        let mut boot = Command::new("setpriv");
        boot.args(["--pdeathsig", "KILL", "systemd-nspawn"]);
        boot.args(["--quiet", "--boot", "--register=no", "--keep-unit"]);
        boot.arg(format!("--machine={}", self.name));
        boot.arg(format!("--directory={}", self.root().display()));
        boot.arg(format!("--network-namespace-path={}", self.wire.path()));
        boot.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = boot.spawn().context("start a machine")?;
        let container = child.id();
        self.container = Some(child);
        for _ in 0..BOOT_SECONDS {
            pause();
            if self.leader == 0 {
                self.leader = first_child(container).unwrap_or_default();
            }
            // `degraded`: something of Debian's own found no hardware.
            let state = self.run("systemctl is-system-running || true");
            if state.is_ok_and(|state| ["running", "degraded"].contains(&state.trim())) {
                return Ok(());
            }
        }
        let console = fs::read_to_string(self.folder.join("console")).unwrap_or_default();
        bail!("{} has not started:\n{console}", self.name)
    }

    fn clear(&mut self) {
        if let Some(mut container) = self.container.take() {
            // With its first process everything in it ends, and then the container.
            match self.leader {
                0 => drop(container.kill()),
                leader => {
                    let _gone = quiet(Command::new("kill").args(["-KILL", &leader.to_string()]));
                }
            }
            let _gone = container.wait();
            self.leader = 0;
        }
        let _gone = quiet(Command::new("umount").arg("--lazy").arg(self.root()));
    }
}

impl Host for Machine {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, line: &str) -> anyhow::Result<String> {
        if self.leader == 0 {
            bail!("{} does not run", self.name);
        }
        let mut enter = Command::new("nsenter");
        enter.args(["--all", "--target", &self.leader.to_string()]);
        enter.args(["--", "/usr/bin/env", "-i", "HOME=/root", "LANG=C.UTF-8"]);
        enter.arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
        shell(enter, &format!("cd /root\n{line}"))
    }

    fn give(&self, file: &Path, name: &str) -> anyhow::Result<()> {
        let place = self.root().join("root").join(name);
        fs::copy(file, &place)
            .with_context(|| format!("copy {} to {}", file.display(), place.display()))?;
        Ok(())
    }

    fn ctl(&self) -> String {
        "pollux ctl".to_owned()
    }

    fn journal(&self) -> String {
        let said = self.run("journalctl --no-pager --lines 40 --unit 'pollux*'");
        said.unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.clear();
    }
}

fn first_child(of: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
