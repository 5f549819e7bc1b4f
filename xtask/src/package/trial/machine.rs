//! A clean system that is started as a machine: systemd in a container, with a network namespace of
//! its own at a bridge. All of it goes at the end, also after a failure. Not for what runs in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::step::run;

const SUITE: &str = "bookworm";
/// What a small Debian server has, and what the program needs of Debian.
const INCLUDED: &str = "systemd-sysv,dbus,adduser,libc6,libgcc-s1,procps";
/// Addresses for documentation (RFC 5737): the book's own.
const NETWORK: &str = "203.0.113";
const BRIDGE: &str = "pollux-try";
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

/// Between the machines, and where clients are.
pub struct Bridge;

impl Bridge {
    pub fn make() -> anyhow::Result<Self> {
        let bridge = Bridge;
        bridge.remove();
        ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        let address = format!("{NETWORK}.254/24");
        ip(&["address", "add", &address, "dev", BRIDGE])?;
        ip(&["link", "set", BRIDGE, "up"])?;
        Ok(bridge)
    }

    fn remove(&self) {
        // What is not there is gone.
        let _gone = quiet(Command::new("ip").args(["link", "delete", BRIDGE]));
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.remove();
    }
}

/// See the module.
pub struct Machine {
    pub name: String,
    folder: PathBuf,
    container: Option<Child>,
    /// The first process in the container, as this system counts.
    leader: u32,
}

impl Machine {
    pub fn start(
        folder: &Path,
        base: &Path,
        _at: &Bridge,
        index: usize,
        name: &str,
        package: &Path,
    ) -> anyhow::Result<Self> {
        let mut machine = Machine {
            name: name.to_owned(),
            folder: folder.join(name),
            container: None,
            leader: 0,
        };
        machine.clear();
        machine.mount(base)?;
        machine.give(package, "root/pollux.deb")?;
        machine.connect(index)?;
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

    /// Copies a file of this system into the machine.
    pub fn give(&self, file: &Path, path: &str) -> anyhow::Result<()> {
        let place = self.root().join(path);
        fs::copy(file, &place)
            .with_context(|| format!("copy {} to {}", file.display(), place.display()))?;
        Ok(())
    }

    fn namespace(&self) -> String {
        format!("{BRIDGE}-{}", self.name)
    }

    fn connect(&self, index: usize) -> anyhow::Result<()> {
        let space = self.namespace();
        let inside = ["netns", "exec", &space, "ip"];
        let outer = format!("ptry{index}");
        ip(&["netns", "add", &space])?;
        let veth = [
            "link", "add", &outer, "type", "veth", "peer", "name", "host0",
        ];
        ip(&[&veth[..], &["netns", &space]].concat())?;
        ip(&["link", "set", &outer, "master", BRIDGE, "up"])?;
        let address = format!("{NETWORK}.{}/24", index + 1);
        ip(&[&inside[..], &["address", "add", &address, "dev", "host0"]].concat())?;
        ip(&[&inside[..], &["link", "set", "host0", "up"]].concat())?;
        ip(&[&inside[..], &["link", "set", "lo", "up"]].concat())
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
        boot.arg(format!(
            "--network-namespace-path=/run/netns/{}",
            self.namespace()
        ));
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

    /// Runs a line of a shell as root, and returns what it printed.
    pub fn run(&self, line: &str) -> anyhow::Result<String> {
        if self.leader == 0 {
            bail!("{} does not run", self.name);
        }
        let mut shell = Command::new("nsenter");
        shell.args(["--all", "--target", &self.leader.to_string()]);
        shell.args(["--", "/usr/bin/env", "-i", "HOME=/root", "LANG=C.UTF-8"]);
        shell.arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
        let line = format!("cd /root\n{line}");
        shell.args(["DEBIAN_FRONTEND=noninteractive", "/bin/sh", "-c", &line]);
        let output = shell.stdin(Stdio::null()).output();
        let output = output.context("run a command in a machine")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("{}: {said}{errors}", output.status);
        }
        Ok(said)
    }

    /// What the services of the machine have said.
    pub fn journal(&self) -> String {
        let said = self.run("journalctl --no-pager --lines 40 --unit 'pollux*'");
        said.unwrap_or_else(|error| error.to_string())
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
        let _gone = quiet(Command::new("ip").args(["netns", "delete", &self.namespace()]));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Before a machine is asked again.
#[expect(
    clippy::disallowed_methods,
    reason = "a tool for a terminal has nothing else to do"
)]
pub fn pause() {
    std::thread::sleep(Duration::from_secs(1));
}

fn first_child(of: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    run(Command::new("ip").args(arguments))
}

/// Whether it succeeded; what it says is not shown.
fn quiet(command: &mut Command) -> bool {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
