//! The command line of the ceilings, which the comparison starts by itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use pollux_chaos::ceilings::{self, Settings};
use pollux_chaos::servers::DOMAIN;

#[derive(Debug, Subcommand)]
pub enum CeilingArguments {
    /// Two connections that come after each other are a pair: what one sends the other gets
    Relay {
        /// Where to listen
        #[arg(long, value_name = "IP:PORT")]
        listen: SocketAddr,
    },
    /// An XMPP server that scans and routes, and keeps everything in memory, on one thread
    Memory(MemoryArguments),
}

#[derive(Debug, Args)]
pub struct MemoryArguments {
    /// Where to listen
    #[arg(long, value_name = "IP:PORT")]
    listen: SocketAddr,
    /// For STARTTLS, in PEM
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// The key of the certificate
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Who may sign in: on each line a name and the two keys of SCRAM-SHA-1 in base64. Read again
    /// when somebody comes who is not known
    #[arg(long, value_name = "FILE")]
    accounts: PathBuf,
}

impl CeilingArguments {
    /// Serves until the process is ended.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            CeilingArguments::Relay { listen } => ceilings::relay(listen),
            CeilingArguments::Memory(wanted) => ceilings::memory(&Settings {
                listen: wanted.listen,
                domain: DOMAIN.to_owned(),
                certificate: wanted.certificate,
                key: wanted.key,
                accounts: wanted.accounts,
            }),
        }
    }
}
