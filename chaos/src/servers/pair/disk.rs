//! A data folder's own disk: a file with an ext4 in it, mounted over a loop device. Can be frozen,
//! and taken as a power cut would leave it. Needs root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

const SIZE_BYTES: u64 = 512 * 1024 * 1024;
/// The file system writes by itself so rarely that what is on disk was flushed on purpose.
const OPTIONS: &str = "loop,noatime,commit=300";

#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    mount: PathBuf,
    is_frozen: bool,
    is_mounted: bool,
}

impl Disk {
    pub fn make(folder: &Path) -> anyhow::Result<Self> {
        let (image, mount) = (folder.join("disk.img"), folder.join("disk"));
        fs::create_dir_all(&mount).context("make a place for a disk")?;
        let file = fs::File::create(&image).context("make a disk")?;
        file.set_len(SIZE_BYTES).context("size a disk")?;
        run(Command::new("mkfs.ext4").arg("-qF").arg(&image))?;
        let mut disk = Disk {
            image,
            mount,
            is_frozen: false,
            is_mounted: false,
        };
        disk.mount()?;
        Ok(disk)
    }

    /// Where files are kept.
    pub fn folder(&self) -> &Path {
        &self.mount
    }

    /// Writes what waits to be written, so that a freeze, which does so first, takes no time.
    pub fn settle(&self) -> anyhow::Result<()> {
        run(Command::new("sync").arg("-f").arg(&self.mount))
    }

    /// From here on nothing written is flushed, and nobody who waits for it is told so.
    pub fn freeze(&mut self) -> anyhow::Result<()> {
        run(Command::new("fsfreeze").arg("-f").arg(&self.mount))?;
        self.is_frozen = true;
        Ok(())
    }

    pub fn thaw(&mut self) -> anyhow::Result<()> {
        self.is_frozen = false;
        run(Command::new("fsfreeze").arg("-u").arg(&self.mount))
    }

    /// Copies what has reached the disk; whoever writes to it stands still meanwhile.
    pub fn photograph(&self) -> anyhow::Result<()> {
        let mut copy = Command::new("cp");
        copy.arg("--sparse=always").arg(&self.image);
        run(copy.arg(self.photograph_path()))
    }

    /// The disk is from now on what was photographed. Nobody may use it at that moment.
    pub fn go_back(&mut self) -> anyhow::Result<()> {
        self.unmount()?;
        fs::rename(self.photograph_path(), &self.image).context("put the old disk in place")?;
        self.mount()
    }

    fn photograph_path(&self) -> PathBuf {
        self.image.with_extension("cut")
    }

    fn mount(&mut self) -> anyhow::Result<()> {
        let mut mount = Command::new("mount");
        mount.args(["-o", OPTIONS]).arg(&self.image);
        run(mount.arg(&self.mount))?;
        self.is_mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> anyhow::Result<()> {
        self.is_mounted = false;
        run(Command::new("umount").arg(&self.mount))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_frozen {
            let _ = self.thaw();
        }
        if self.is_mounted {
            // Lazily, in case somebody still holds a file of it.
            let _ = run(Command::new("umount").arg("-l").arg(&self.mount));
        }
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output();
    let output = output.with_context(|| format!("run {command:?} (as root)"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?}: {}", said.trim());
    }
    Ok(())
}
