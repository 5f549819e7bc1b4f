//! Hosts that run containers: each a network namespace and a folder, with podman's things below the
//! folder of the trial. Nothing of it stays. Not for what is in the containers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::host::{Host, quiet, shell};
use super::wires::{Bridge, Wire};
use crate::step::run;

/// What podman is told of a machine whose limits it may not change, and that has no journal.
const SETTINGS: &str = "[containers]\ndefault_ulimits = []\n\n\
                        [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\n";
/// Where podman keeps what does not outlive the machine: it takes no path of over 50 characters,
/// and the project may lie deeper. One place is enough, as one trial has the machine's bridge.
const RUN: &str = "/run/pollux-trial";
/// On whose system the package is installed in the image.
const BASE: &str = "docker.io/library/debian:bookworm-slim";

/// Podman with storage of its own: all hosts share it, as if each had been given the image.
pub struct Engine(PathBuf);

impl Engine {
    /// Begins with the clean system in the folder `base` as the image that others are made from.
    pub fn start(folder: &Path, base: &Path) -> anyhow::Result<Self> {
        let folder = folder.join("containers");
        let engine = Engine(folder);
        engine.clear();
        fs::create_dir_all(engine.0.join("bin")).context("make a folder for containers")?;
        fs::write(engine.0.join("settings"), SETTINGS).context("write podman's settings")?;
        let wrapper = engine.0.join("bin/podman");
        let text = format!(
            "#!/bin/sh\nexport CONTAINERS_CONF={place}/settings\n\
             if [ \"$1\" = build ]; then shift; set -- build --isolation chroot \"$@\"; fi\n\
             set -- --runtime runc --root {place}/storage --runroot {RUN} \"$@\"\n\
             exec /usr/bin/podman \"$@\"\n",
            place = engine.0.display()
        );
        fs::write(&wrapper, text).context("write how podman is called")?;
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&wrapper, mode).context("write how podman is called")?;
        let mut import = Command::new("/bin/sh");
        let line = format!("tar --create --directory \"$1\" . | \"$0\" import --quiet - {BASE}");
        run(import.args(["-c", &line]).arg(&wrapper).arg(base))?;
        Ok(engine)
    }

    /// A host at the bridge.
    pub fn host(&self, name: &str, at: &Bridge) -> anyhow::Result<ContainerHost> {
        self.folder(name, Some(at.connect(name)?))
    }

    /// One with the network of this machine, where images are built, and what they are built of.
    pub fn builder(&self, package: &Path) -> anyhow::Result<ContainerHost> {
        let host = self.folder("build", None)?;
        let file = package.file_name().unwrap_or_default().to_string_lossy();
        host.give(package, &file)?;
        host.give(&package.with_file_name("Containerfile"), "Containerfile")?;
        Ok(host)
    }

    fn folder(&self, name: &str, wire: Option<Wire>) -> anyhow::Result<ContainerHost> {
        let folder = self.0.join("hosts").join(name);
        fs::create_dir_all(&folder).context("make a folder for a host")?;
        let bin = self.0.join("bin");
        Ok(ContainerHost {
            name: name.to_owned(),
            folder,
            wire,
            bin,
        })
    }

    fn clear(&self) {
        let podman = self.0.join("bin/podman");
        if podman.exists() {
            let all = ["rm", "--all", "--force", "--time", "0"];
            let _gone = quiet(Command::new(&podman).args(all));
            let _gone = quiet(Command::new(&podman).args(["system", "reset", "--force"]));
        }
        let _gone = fs::remove_dir_all(RUN);
        let _gone = fs::remove_dir_all(&self.0);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.clear();
    }
}

/// See the module.
pub struct ContainerHost {
    name: String,
    folder: PathBuf,
    wire: Option<Wire>,
    /// Where `podman` is found.
    bin: PathBuf,
}

impl Host for ContainerHost {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, line: &str) -> anyhow::Result<String> {
        let mut enter = match &self.wire {
            Some(wire) => {
                let mut enter = Command::new("nsenter");
                enter.arg(format!("--net={}", wire.path())).arg("--");
                enter.arg("/usr/bin/env");
                enter
            }
            None => Command::new("/usr/bin/env"),
        };
        enter.args(["-i", "HOME=/root", "LANG=C.UTF-8"]);
        let bin = self.bin.display();
        enter.arg(format!("PATH={bin}:/usr/sbin:/usr/bin:/sbin:/bin"));
        enter.current_dir(&self.folder);
        shell(enter, line)
    }

    fn give(&self, file: &Path, name: &str) -> anyhow::Result<()> {
        let place = self.folder.join(name);
        fs::copy(file, &place)
            .with_context(|| format!("copy {} to {}", file.display(), place.display()))?;
        Ok(())
    }

    fn ctl(&self) -> String {
        format!("podman exec --interactive {} pollux ctl", self.name)
    }

    fn journal(&self) -> String {
        let said = self.run(&format!("podman logs --tail 40 {} 2>&1", self.name));
        said.unwrap_or_else(|error| error.to_string())
    }
}
