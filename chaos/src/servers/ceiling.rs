//! The two ceilings of the comparison as servers under test: `pollux-load ceiling …` in a process
//! of its own, so that it is measured as the others are.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use tempfile::TempDir;

use super::certificate::Certificate;
use super::free_port::free_port;
use super::process::Process;
use super::{DOMAIN, ITERATIONS, SALT, Server, Users};
use crate::ceilings;
use crate::client::{Keys, Mechanism};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CeilingKind {
    /// Passes bytes on; speaks no XMPP.
    Relay,
    /// Scans and routes in memory; has no stream management.
    Memory,
}

pub struct Ceiling {
    kind: CeilingKind,
    program: PathBuf,
    certificate: Certificate,
    address: SocketAddr,
    // The process ends before its folder goes.
    process: Option<Process>,
    folder: TempDir,
}

impl Ceiling {
    /// `program` is the built `pollux-load`.
    pub fn new(kind: CeilingKind, program: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("ceiling-").tempdir();
        let folder = folder.context("make a folder for a ceiling")?;
        fs::write(folder.path().join("accounts"), "").context("make the file of accounts")?;
        Ok(Ceiling {
            kind,
            program: program.to_owned(),
            certificate: Certificate::make(folder.path(), DOMAIN)?,
            address: free_port()?,
            process: None,
            folder,
        })
    }

    fn accounts(&self) -> PathBuf {
        self.folder.path().join("accounts")
    }
}

impl Server for Ceiling {
    fn name(&self) -> &'static str {
        match self.kind {
            CeilingKind::Relay => "relay",
            CeilingKind::Memory => "memory",
        }
    }

    fn start(&mut self) -> anyhow::Result<()> {
        if self.process.is_some() {
            bail!("the ceiling runs already");
        }
        let mut command = Command::new(&self.program);
        command.args([
            "ceiling",
            self.name(),
            "--listen",
            &self.address.to_string(),
        ]);
        if self.kind == CeilingKind::Memory {
            command
                .arg("--certificate")
                .arg(&self.certificate.certificate_path);
            command.arg("--key").arg(&self.certificate.key_path);
            command.arg("--accounts").arg(self.accounts());
        }
        let mut process = Process::start(&mut command, &self.folder.path().join("output"))?;
        match self.kind {
            // Whoever looks whether it answers is half of a pair: the other half goes with it.
            CeilingKind::Relay => {
                process.wait_for(self.address).context("start the relay")?;
                process.wait_for(self.address).context("start the relay")?;
            }
            CeilingKind::Memory => process.wait_for(self.address).context("start the server")?,
        }
        self.process = Some(process);
        Ok(())
    }

    fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The server reads the file when somebody signs in whom it does not know.
    fn add_users(&mut self, users: &Users) -> anyhow::Result<()> {
        let keys = Keys::derive(
            Mechanism::ScramSha1,
            &users.password,
            SALT.as_bytes(),
            ITERATIONS,
        );
        let keys = keys.context("derive the keys of the accounts")?;
        let lines: String = users
            .names()
            .map(|name| ceilings::account_line(&name, &keys))
            .collect();
        let file = fs::File::options().append(true).open(self.accounts());
        let written = file.and_then(|mut file| file.write_all(lines.as_bytes()));
        written.context("write the file of accounts")
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        let process = self.process.take();
        process
            .map_or(Ok(()), Process::stop)
            .context("stop the ceiling")
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        let process = self.process.take();
        process
            .map_or(Ok(()), Process::kill)
            .context("kill the ceiling")
    }
}
