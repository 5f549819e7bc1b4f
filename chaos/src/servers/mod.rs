//! Servers that a test or a measurement starts, breaks and stops: real processes on loopback, each
//! in a folder of its own, with equal settings. Installs nothing.

mod ceiling;
mod certificate;
mod ejabberd;
mod free_port;
mod mode;
pub mod pair;
mod pair_server;
mod pollux;
mod process;
mod prosody;

use std::net::SocketAddr;

use crate::client::{Account, Error as ClientError};

pub use ceiling::{Ceiling, CeilingKind};
pub use certificate::Certificate;
pub use ejabberd::Ejabberd;
pub use free_port::wait_until;
pub use mode::{Deliver, Durability, Mode};
pub use pair_server::PairServer;
pub use pollux::Pollux;
pub use process::Process;
pub use prosody::{PasswordHash, Prosody};

/// The domain that every server under test serves.
pub const DOMAIN: &str = "localhost";

/// Of SCRAM, with every server.
pub(crate) const ITERATIONS: u32 = 4096;
/// One salt for all accounts: clients then derive their keys once, and the server cannot tell.
pub(crate) const SALT: &str = "c29tZS1zYWx0LWZvci1hbGw";

/// One server under test. All methods block; whoever drives clients calls them from another thread.
pub trait Server: Send {
    /// What tables call it.
    fn name(&self) -> &'static str;

    /// Starts the process and returns when it answers on its port.
    fn start(&mut self) -> anyhow::Result<()>;

    /// The process, while there is one.
    fn pid(&self) -> Option<u32>;

    /// The processes that do the work together with it, where a server is several.
    fn other_pids(&self) -> Vec<u32> {
        Vec::new()
    }

    /// All processes to measure, while there are some.
    fn pids(&self) -> Vec<u32> {
        self.pid().into_iter().chain(self.other_pids()).collect()
    }

    /// Where clients connect; the same across restarts.
    fn address(&self) -> SocketAddr;

    /// Every place where clients may connect: each pair of clients goes to one, in turn.
    fn addresses(&self) -> Vec<SocketAddr> {
        vec![self.address()]
    }

    /// The certificate that clients should see after STARTTLS.
    fn certificate(&self) -> &Certificate;

    /// Adds accounts with one password. The server must be running.
    fn add_users(&mut self, users: &Users) -> anyhow::Result<()>;

    /// Ends the process in order and waits for its end.
    fn stop(&mut self) -> anyhow::Result<()>;

    /// Ends the process as a crash would (SIGKILL) and waits for its end.
    fn kill(&mut self) -> anyhow::Result<()>;

    fn restart(&mut self) -> anyhow::Result<()> {
        if self.pid().is_some() {
            self.stop()?;
        }
        self.start()
    }
}

/// Accounts by number, so that every tool names the same ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users {
    pub count: usize,
    pub prefix: String,
    pub password: String,
    pub domain: String,
}

impl Users {
    pub fn new(count: usize) -> Self {
        let (prefix, password) = ("load".to_owned(), "correct-horse-battery".to_owned());
        Users {
            count,
            prefix,
            password,
            domain: DOMAIN.to_owned(),
        }
    }

    pub fn name(&self, index: usize) -> String {
        format!("{}{index}", self.prefix)
    }

    pub fn names(&self) -> impl Iterator<Item = String> {
        (0..self.count).map(|index| self.name(index))
    }

    pub fn account(&self, index: usize, resource: &str) -> Result<Account, ClientError> {
        if index >= self.count {
            return Err(ClientError::Unsendable("a user that was not added"));
        }
        Ok(Account {
            user: self.name(index),
            domain: self.domain.clone(),
            password: self.password.clone(),
            resource: resource.to_owned(),
        })
    }
}
