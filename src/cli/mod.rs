//! The command line: reads the arguments, does what they ask, says how it ended. Writes only
//! through `Output`, so that tests read what a person would.

mod administrators;
mod arguments;
mod certificates;
mod check;
mod ctl;
mod external;
mod history;
mod password;
mod service;
mod settings;
mod show;
mod table;
mod versions;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::config::{self, Config, ConfigError};
use crate::exit::{self, Exit};
use crate::{log, start, systemd};
use pollux_raft::configuration::Role;
use pollux_raft::version;

use crate::cluster::{self, Beginning};
use crate::demo::{self, Demo, DemoError};
use arguments::{Arguments, ClusterFiles, Command};

/// Where the program speaks: results on `out`, everything else on `err`.
pub struct Output<'a> {
    pub out: &'a mut dyn Write,
    pub err: &'a mut dyn Write,
}

/// Why a command ended early, and what was to be said of it.
pub struct Failure {
    pub exit: Exit,
    pub message: String,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::IoErr, format!("write the result: {error}"))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let exit = match &error {
            ConfigError::Unreadable { .. } => Exit::NoInput,
            ConfigError::Wrong { .. } => Exit::Usage,
        };
        Self::new(exit, error.to_string())
    }
}

pub fn run(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    output: &mut Output<'_>,
) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return clap_ends(&error, output),
    };
    match execute(arguments.command, output) {
        Ok(code) => code,
        Err(failure) => {
            // Nothing is left to tell it to when standard error is gone too.
            let _ = writeln!(output.err, "pollux: {}", failure.message);
            failure.exit.into()
        }
    }
}

/// Help and version are results; everything else that clap says is a wrong command line.
fn clap_ends(error: &clap::Error, output: &mut Output<'_>) -> ExitCode {
    let text = error.render();
    let (written, exit) = if error.use_stderr() {
        (write!(output.err, "{text}"), Exit::Usage)
    } else {
        (write!(output.out, "{text}"), Exit::Done)
    };
    if written.is_ok() {
        exit.into()
    } else {
        Exit::IoErr.into()
    }
}

fn execute(command: Command, output: &mut Output<'_>) -> Result<ExitCode, Failure> {
    match command {
        Command::Node {
            config,
            accept_loss,
        } => {
            let loss = if accept_loss {
                start::Loss::Accepted
            } else {
                start::Loss::Refused
            };
            return node(config.as_deref(), loss);
        }
        Command::Demo { port, folder } => {
            demo::run(&Demo { port, folder }).map_err(demo_failure)?;
            return Ok(Exit::Done.into());
        }
        Command::Witness { config } => return witness(&config),
        Command::Cluster(command) => cluster_files(command, output)?,
        Command::Ctl(ctl) => ctl::run(ctl, output)?,
        Command::Check(arguments) => return check::run(&arguments, output),
        Command::ExampleConfig { reference: false } => write!(output.out, "{}", config::example())?,
        Command::ExampleConfig { reference: true } => {
            write!(output.out, "{}", config::reference())?
        }
        Command::ExampleUnit { witness, program } => {
            write!(output.out, "{}", systemd::unit(witness, &program))?;
        }
        Command::Completions { shell } => {
            // It does not expect that writing fails.
            let (mut program, mut text) = (Arguments::command(), Vec::new());
            clap_complete::generate(shell, &mut program, "pollux", &mut text);
            output.out.write_all(&text)?;
        }
        Command::ExitCodes => write!(output.out, "{}", exit::reference())?,
        Command::Versions => write!(output.out, "{}", version::reference())?,
        Command::ClusterSettings => write!(output.out, "{}", settings::reference())?,
    }
    output.out.flush()?;
    Ok(Exit::Done.into())
}

fn node(path: Option<&Path>, loss: start::Loss) -> Result<ExitCode, Failure> {
    let config = Config::load(path)?;
    log::init(&config.log).map_err(|message| Failure::new(Exit::Usage, message))?;
    Ok(start::main_node(config, loss))
}

fn witness(path: &Path) -> Result<ExitCode, Failure> {
    let config = Config::load(Some(path))?;
    let found = cluster::read(&config.node.data_folder).map_err(cluster_failure)?;
    let is_witness = found.is_some_and(|found| found.membership.role == Role::Witness);
    if !is_witness {
        let folder = config.node.data_folder.display();
        let message = format!(
            "{folder} has not joined as a witness: `pollux ctl cluster invite --witness` makes a \
             token, `pollux cluster join` uses it"
        );
        return Err(Failure::new(Exit::NoInput, message));
    }
    log::init(&config.log).map_err(|message| Failure::new(Exit::Usage, message))?;
    Ok(start::main_node(config, start::Loss::Refused))
}

fn cluster_files(command: ClusterFiles, output: &mut Output<'_>) -> Result<(), Failure> {
    let (membership, what) = match command {
        ClusterFiles::Init { config } => {
            let config = Config::load(Some(&config))?;
            let membership = cluster::init(&config).map_err(cluster_failure)?;
            (membership, "is the first node of cluster")
        }
        ClusterFiles::Join {
            token,
            config,
            address,
            restore,
            without_backup,
        } => {
            let config = Config::load(Some(&config))?;
            let token = match token.as_str() {
                "-" => std::io::stdin()
                    .lines()
                    .next()
                    .transpose()?
                    .unwrap_or_default(),
                _ => token,
            };
            let beginning = match (&restore, without_backup) {
                (Some(path), _) => Beginning::Restored(path),
                (None, true) => Beginning::Empty,
                (None, false) => Beginning::Known,
            };
            let joined = cluster::join(&config, &token, address.as_deref(), beginning);
            let joined = joined.map_err(cluster_failure)?;
            if let Some(restored) = joined.restored {
                writeln!(output.out, "{restored}")?;
            }
            (joined.membership, "has joined cluster")
        }
        ClusterFiles::Restore { backup, config } => {
            let config = Config::load(Some(&config))?;
            let restored = cluster::restore(&config, &backup).map_err(cluster_failure)?;
            writeln!(output.out, "{}", restored.summary)?;
            (restored.membership, "is the first node of cluster")
        }
        ClusterFiles::ForceTakeover { config, yes } => {
            if !yes {
                let message = "what only the lost nodes had is lost with them; \
                               say --yes when they do not come back";
                return Err(Failure::new(Exit::Usage, message));
            }
            let config = Config::load(Some(&config))?;
            let forced = cluster::force_takeover(&config);
            (forced.map_err(cluster_failure)?, "goes on alone in cluster")
        }
    };
    let run = match membership.role {
        Role::Node => "node",
        Role::Witness => "witness",
    };
    writeln!(
        output.out,
        "node {} {what} {}; start it with `pollux {run} --config FILE`",
        membership.node, membership.cluster
    )?;
    Ok(())
}

fn demo_failure(error: DemoError) -> Failure {
    let exit = match &error {
        DemoError::PortTaken(_) => Exit::Unavailable,
        DemoError::Failed { .. } => Exit::Software,
    };
    Failure::new(exit, error.to_string())
}

fn cluster_failure(error: cluster::ClusterError) -> Failure {
    let exit = match &error {
        cluster::ClusterError::Already(_) | cluster::ClusterError::NotEmpty(_) => Exit::CantCreate,
        cluster::ClusterError::Alone
        | cluster::ClusterError::Newer { .. }
        | cluster::ClusterError::Backup { .. }
        | cluster::ClusterError::OtherDomain { .. }
        | cluster::ClusterError::OtherSubcluster { .. }
        | cluster::ClusterError::Membership { .. }
        | cluster::ClusterError::Format(_)
        | cluster::ClusterError::Certificate(_) => Exit::NoInput,
        cluster::ClusterError::NotLost(..) | cluster::ClusterError::Failed { .. } => {
            Exit::Unavailable
        }
    };
    Failure::new(exit, error.to_string())
}

#[cfg(test)]
#[path = "run_test.rs"]
mod tests;
