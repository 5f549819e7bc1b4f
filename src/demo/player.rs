//! One process of the demo: its folder, its file of settings, its life. Not for what is done with
//! it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pollux_actors::system;
use pollux_domain::seams::Clock;

use super::DemoError;
use crate::config::Config;

/// Which one it is; the number is its place in the cast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Castor = 0,
    Pollux = 1,
    Witness = 2,
}

/// A node that was killed comes back after this long, so that its twin can be watched alone.
const ABSENCE: Duration = Duration::from_secs(10);

/// See the module.
pub struct Player {
    part: Part,
    folder: PathBuf,
    config: Config,
    child: Option<Child>,
    /// Since when it has been dead.
    gone: Option<Duration>,
}

impl Player {
    /// All three, none of them started.
    pub fn cast(folder: &Path, port: u16) -> Result<[Player; 3], DemoError> {
        Ok([
            Player::new(Part::Castor, folder, port)?,
            Player::new(Part::Pollux, folder, port)?,
            Player::new(Part::Witness, folder, port)?,
        ])
    }

    fn new(part: Part, folder: &Path, port: u16) -> Result<Player, DemoError> {
        let place = part as u16;
        let [clients, nodes, direct] = [0, 3, 6].map(|row| port.saturating_add(row + place));
        for port in [clients, nodes, direct] {
            is_free(port)?;
        }
        let name = name_of(part);
        let folder = folder.join(name);
        let path = folder.join("pollux.toml");
        let text = format!(
            "# Made by `pollux demo`.\n\
             [node]\ndata_folder = \"data\"\nthreads = 1\n\n\
             [xmpp]\ndomain = \"localhost\"\nlisten = \"127.0.0.1:{clients}\"\n\
             direct_tls_listen = \"127.0.0.1:{direct}\"\n\n\
             [cluster]\nlisten = \"127.0.0.1:{nodes}\"\nname = \"{name}\"\n\n\
             [metrics]\nlisten = \"off\"\n"
        );
        let failed = |error: std::io::Error| DemoError::failed("write the settings", error);
        fs::create_dir_all(&folder).map_err(failed)?;
        fs::write(&path, text).map_err(failed)?;
        let config = Config::load(Some(&path))
            .map_err(|error| DemoError::failed("read the settings", error))?;
        Ok(Player {
            part,
            folder,
            config,
            child: None,
            gone: None,
        })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn name(&self) -> &'static str {
        name_of(self.part)
    }

    pub fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub fn settings_path(&self) -> PathBuf {
        self.folder.join("pollux.toml")
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts the process; what it logs goes into a file.
    pub fn start(&mut self) -> Result<(), DemoError> {
        let failed = |error: std::io::Error| DemoError::failed("start a node", error);
        let program = std::env::current_exe().map_err(failed)?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .map_err(failed)?;
        let verb = match self.part {
            Part::Castor | Part::Pollux => "node",
            Part::Witness => "witness",
        };
        let child = Command::new(program)
            .arg(verb)
            .arg("--config")
            .arg(self.settings_path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        self.child = Some(child);
        self.gone = None;
        Ok(())
    }

    /// Notices a death, and starts the process again after a while. Returns what to say of it.
    pub fn look_after(&mut self) -> Result<Option<String>, DemoError> {
        let now = system::SystemClock.now();
        if let Some(child) = &mut self.child
            && child.try_wait().is_ok_and(|ended| ended.is_some())
        {
            self.child = None;
            self.gone = Some(now);
        }
        if self.gone.is_none_or(|gone| now < gone + ABSENCE) {
            return Ok(None);
        }
        self.start()?;
        let pid = self.pid().map_or("-".to_owned(), |pid| pid.to_string());
        Ok(Some(format!("{} is back: kill -9 {pid}", self.name())))
    }

    /// What to say of one that is dead.
    pub fn absence(&self) -> Option<String> {
        let left = (self.gone? + ABSENCE).saturating_sub(system::SystemClock.now());
        Some(format!("{} back in {} s", self.name(), left.as_secs() + 1))
    }

    /// Asks the process to end.
    pub fn ask_to_stop(&self) {
        if let Some(child) = &self.child {
            let pid = rustix::process::Pid::from_child(child);
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }

    /// Whether the process has ended, or was never there.
    pub fn has_stopped(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_none_or(|child| child.try_wait().is_ok_and(|ended| ended.is_some()))
    }
}

/// One that is dropped does not live on, whatever it was asked before.
impl Drop for Player {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _gone = child.kill();
            let _ended = child.wait();
        }
    }
}

fn name_of(part: Part) -> &'static str {
    match part {
        Part::Castor => "castor",
        Part::Pollux => "pollux",
        Part::Witness => "witness",
    }
}

#[expect(
    clippy::disallowed_types,
    reason = "looks whether a port is free before any node is started"
)]
fn is_free(port: u16) -> Result<(), DemoError> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    match std::net::TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(_) => Err(DemoError::PortTaken(port)),
    }
}

/// Eighty bits in letters that nobody confuses.
pub fn password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let random = system::ambient().rand.token();
    let letters = random
        .iter()
        .map(|byte| LETTERS[usize::from(byte % 32)] as char);
    letters.collect()
}
