//! The Debian packages and toolchain parts that the tests need, and how they get onto a fresh
//! machine. The product itself needs none of them.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::step::run;
use crate::workspace::cargo;

/// Package and why the tests need it.
const PACKAGES: &[(&str, &str)] = &[
    ("make", "builds the allocator of the program"),
    (
        "prosody",
        "the server that pollux-load measures beside ours, on the same loopback",
    ),
    (
        "ejabberd",
        "the other server that pollux-load measures beside ours, alone and as a cluster of two",
    ),
    (
        "profanity",
        "an unmodified terminal client that signs in and chats",
    ),
    ("tmux", "drives the terminal client and reads its screen"),
    (
        "pidgin",
        "an unmodified graphical client that signs in and chats in a window",
    ),
    ("xvfb", "a screen in memory for the graphical client"),
    ("xdotool", "presses the keys of the graphical client"),
    ("xclip", "takes out what the graphical client shows"),
    (
        "chromium",
        "an unmodified browser, which is shown the pages of administrators",
    ),
    ("chromium-driver", "presses the buttons of the browser"),
    (
        "python3-slixmpp",
        "an unmodified client library of other make",
    ),
    (
        "coturn",
        "a TURN server of other make, which takes the credentials that a node gives",
    ),
    ("procps", "reads what a process costs"),
    ("libfaketime", "shows a node a wall clock that jumps"),
    (
        "openssl",
        "a TLS of other make, which shakes hands with the port for direct TLS",
    ),
    (
        "dnsmasq-base",
        "a DNS server whose records `pollux check` is shown",
    ),
    (
        "iproute2",
        "network namespaces for the nodes of a pair whose wires are cut in a drill",
    ),
    (
        "fish",
        "a shell that completes the command line without a person",
    ),
    ("zsh", "another shell, which reads its completions"),
    ("systemd", "judges the unit that the program prints"),
    (
        "dpkg-dev",
        "finds the libraries that a package of the program needs",
    ),
    (
        "mmdebstrap",
        "a clean Debian into which that package is installed",
    ),
    ("systemd-container", "starts that Debian as a machine"),
    (
        "prometheus",
        "judges metrics and alert rules, by its promtool",
    ),
    ("nftables", "cuts those wires, one way or both"),
    ("linux-perf", "records where the CPU time of a server goes"),
    (
        "e2fsprogs",
        "a disk of its own for each node of a pair, for drills that freeze it",
    ),
    (
        "util-linux",
        "losetup, mount and fsfreeze for the disks of drills",
    ),
];

/// While this file stands and says no, Debian's packages start no service at their installation.
const POLICY_FILE: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing; does not touch apt when nothing is.
pub fn install() -> anyhow::Result<()> {
    install_toolchain_parts()?;
    let all: Vec<&str> = PACKAGES.iter().map(|(name, _)| *name).collect();
    install_these(&all)
}

/// Of the packages above, these.
pub fn install_these(wanted: &[&str]) -> anyhow::Result<()> {
    let missing: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|name| !is_installed(name))
        .collect();
    if missing.is_empty() {
        println!(
            "all {} Debian packages that are needed are installed",
            wanted.len()
        );
        return Ok(());
    }
    for (name, reason) in PACKAGES.iter().filter(|(name, _)| missing.contains(name)) {
        println!("installing {name}: {reason}");
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!(
            "apt-get is not here; install by your own means: {}",
            missing.join(" ")
        );
    }
    let policy = ServicesOff::new()?;
    let installed = run(as_root("apt-get").args(["-qq", "update"]))
        .and_then(|()| {
            let options = ["-qq", "--yes", "--no-install-recommends", "install"];
            run(as_root("apt-get").args(options).args(&missing))
        })
        .context("install the packages of the tests");
    policy.end()?;
    installed
}

/// rustup's minimal profile leaves out the formatter and clippy.
fn install_toolchain_parts() -> anyhow::Result<()> {
    for (part, command) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        let there = cargo()
            .args([command, "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !there {
            println!("adding {part} to the toolchain");
            run(Command::new("rustup").args(["component", "add", part]))?;
        }
    }
    Ok(())
}

fn is_installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success() && output.stdout == b"installed")
}

pub fn as_root(program: &str) -> Command {
    if is_root() {
        let mut command = Command::new(program);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        return command;
    }
    let mut command = Command::new("sudo");
    // sudo drops the environment, so the variable travels as an argument of env.
    command.args(["env", "DEBIAN_FRONTEND=noninteractive", program]);
    command
}

pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // The owner of our own process folder is our effective user: no library call is needed.
    std::fs::metadata("/proc/self").is_ok_and(|folder| folder.uid() == 0)
}

/// Keeps services off during an installation: a Prosody that starts by itself would hold port 5222.
struct ServicesOff {
    ours: bool,
}

impl ServicesOff {
    fn new() -> anyhow::Result<Self> {
        // A machine that has a policy of its own keeps it.
        if Path::new(POLICY_FILE).exists() {
            return Ok(Self { ours: false });
        }
        let script =
            format!("printf '#!/bin/sh\\nexit 101\\n' > {POLICY_FILE} && chmod 755 {POLICY_FILE}");
        run(as_root("sh").args(["-c", &script])).context("keep services off")?;
        Ok(Self { ours: true })
    }

    fn end(self) -> anyhow::Result<()> {
        if self.ours {
            run(as_root("rm").args(["-f", POLICY_FILE])).context("let services start again")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_is_named_once_and_with_a_reason() {
        for (index, (name, reason)) in PACKAGES.iter().enumerate() {
            assert!(reason.len() > 10, "{name} has no reason");
            assert!(
                PACKAGES[..index].iter().all(|(other, _)| other != name),
                "{name} twice"
            );
        }
    }

    #[test]
    fn a_package_that_does_not_exist_is_not_installed() {
        assert!(!is_installed("pollux-no-such-package"));
    }
}
