//! The command line: reads the arguments, does what they ask, says how it ended. Writes only
//! through `Output`, so that tests read what a person would.

mod arguments;
mod ctl;
mod password;
mod show;
mod table;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::config::{self, Config, ConfigError};
use crate::exit::{self, Exit};
use crate::{log, start};
use arguments::{Arguments, Command};

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
        Command::Ctl(ctl) => ctl::run(ctl, output)?,
        Command::CheckConfig { file } => {
            let config = Config::load(Some(&file))?;
            let rows = config::effective(&config);
            let rows = rows
                .into_iter()
                .map(|(key, value)| vec![key.to_owned(), value]);
            write!(
                output.out,
                "{}",
                table::render(&["KEY", "VALUE"], rows.collect())
            )?;
        }
        Command::ExampleConfig { reference: false } => write!(output.out, "{}", config::example())?,
        Command::ExampleConfig { reference: true } => {
            write!(output.out, "{}", config::reference())?
        }
        Command::ExitCodes => write!(output.out, "{}", exit::reference())?,
    }
    output.out.flush()?;
    Ok(Exit::Done.into())
}

fn node(path: Option<&Path>, loss: start::Loss) -> Result<ExitCode, Failure> {
    let config = Config::load(path)?;
    log::init(&config.log).map_err(|message| Failure::new(Exit::Usage, message))?;
    Ok(start::main_node(config, loss))
}

#[cfg(test)]
#[path = "run_test.rs"]
mod tests;
