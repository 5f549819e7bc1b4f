//! Prosody as Debian packages it, with the settings that make a comparison fair.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};
use tempfile::TempDir;

use super::certificate::Certificate;
use super::free_port::free_port;
use super::process::Process;
use super::{DOMAIN, ITERATIONS, SALT, Server, Users};
use crate::client::{Keys, Mechanism};

const PROGRAM: &str = "prosody";

/// With which hash the accounts are stored, and so which SCRAM is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordHash {
    Sha1,
    Sha256,
}

pub struct Prosody {
    folder: TempDir,
    certificate: Certificate,
    address: SocketAddr,
    hash: PasswordHash,
    process: Option<Process>,
}

impl Prosody {
    /// The version that is installed, or a word on how to install one.
    pub fn version() -> anyhow::Result<String> {
        let output = Command::new("prosodyctl").arg("about").output();
        let output = output.context("prosody is not installed: apt-get install -y prosody")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("Prosody "));
        let version = lines.find(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        Ok(format!(
            "Prosody {}",
            version.unwrap_or("of unknown version")
        ))
    }

    pub fn new(hash: PasswordHash) -> anyhow::Result<Self> {
        Self::version()?;
        let folder = tempfile::Builder::new().prefix("prosody-").tempdir();
        let folder = folder.context("make a folder for Prosody")?;
        let certificate = Certificate::make(folder.path(), DOMAIN)?;
        let prosody = Prosody {
            folder,
            certificate,
            address: free_port()?,
            hash,
            process: None,
        };
        fs::create_dir_all(prosody.accounts()).context("make the folder of accounts")?;
        fs::write(prosody.configuration_path(), prosody.configuration())
            .context("write Prosody's configuration")?;
        Ok(prosody)
    }

    fn configuration_path(&self) -> PathBuf {
        self.folder.path().join("prosody.cfg.lua")
    }

    /// The folder that mod_storage_internal reads accounts from.
    fn accounts(&self) -> PathBuf {
        self.folder
            .path()
            .join("data")
            .join(DOMAIN)
            .join("accounts")
    }

    /// No shapers (`limits` is not loaded), the epoll backend, packets sent at once, and a
    /// collector that waits until memory has doubled. Its defaults cost Prosody several times the
    /// work and, with stream management, up to 40 ms a message.
    fn configuration(&self) -> String {
        let folder = self.folder.path().display();
        let hash = match self.hash {
            PasswordHash::Sha1 => "SHA-1",
            PasswordHash::Sha256 => "SHA-256",
        };
        format!(
            r#"run_as_root = true
data_path = "{folder}/data"
pidfile = "{folder}/prosody.pid"
log = {{ warn = "{folder}/prosody.log" }}
network_backend = "epoll"
network_settings = {{ nagle = false }}
gc = {{ mode = "incremental"; threshold = 200 }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{ }}
s2s_ports = {{ }}
s2s_direct_tls_ports = {{ }}
http_ports = {{ }}
https_ports = {{ }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "presence", "message", "iq", "offline",
  "ping", "smacks", "carbons", "posix" }}
modules_disabled = {{ "s2s", "limits" }}
c2s_require_encryption = false
authentication = "internal_hashed"
password_hash = "{hash}"
storage = "internal"
ssl = {{ certificate = "{cert}"; key = "{key}" }}
VirtualHost "{DOMAIN}"
"#,
            port = self.address.port(),
            cert = self.certificate.certificate_path.display(),
            key = self.certificate.key_path.display(),
        )
    }

    /// What mod_auth_internal_hashed keeps for one account.
    fn account(&self, password: &str) -> anyhow::Result<String> {
        let mechanism = match self.hash {
            PasswordHash::Sha1 => Mechanism::ScramSha1,
            PasswordHash::Sha256 => Mechanism::ScramSha256,
        };
        let keys = Keys::derive(mechanism, password, SALT.as_bytes(), ITERATIONS)
            .context("derive the keys of the accounts")?;
        Ok(format!(
            "return {{\n[\"iteration_count\"] = {ITERATIONS};\n[\"salt\"] = \"{SALT}\";\n\
             [\"stored_key\"] = \"{}\";\n[\"server_key\"] = \"{}\";\n}};\n",
            hex(&keys.stored_key),
            hex(&keys.server_key)
        ))
    }
}

impl Server for Prosody {
    fn name(&self) -> &'static str {
        "prosody"
    }

    fn start(&mut self) -> anyhow::Result<()> {
        if self.process.is_some() {
            bail!("Prosody runs already");
        }
        let mut command = Command::new(PROGRAM);
        command
            .arg("-F")
            .arg("--config")
            .arg(self.configuration_path());
        let mut process = Process::start(&mut command, &self.folder.path().join("output"))?;
        process.wait_for(self.address).context("start Prosody")?;
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

    /// Writes account files, as `prosodyctl adduser` would one process at a time.
    fn add_users(&mut self, users: &Users) -> anyhow::Result<()> {
        let account = self.account(&users.password)?;
        let folder = self.accounts();
        for name in users.names() {
            if !name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            {
                bail!("{name}: account names here are of a to z and digits");
            }
            fs::write(folder.join(format!("{name}.dat")), &account).context("write an account")?;
        }
        Ok(())
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        self.process
            .take()
            .map_or(Ok(()), Process::stop)
            .context("stop Prosody")
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        self.process
            .take()
            .map_or(Ok(()), Process::kill)
            .context("kill Prosody")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
