//! The shape of the command line and what `--help` teaches. No behaviour.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::exit;

const EXAMPLES: &str = "\
Examples:
  pollux node                                 a node on the embedded default, data in ./pollux-data
  pollux example-config > pollux.toml         a file to begin with; every key is explained
  pollux check-config pollux.toml             every mistake in it, or what will hold
  pollux node --config pollux.toml            a node as the file says
  pollux ctl user add alice                   a user with a generated password, printed once
  pollux ctl session list                     who is connected
";

const CTL_EXAMPLES: &str = "\
Examples:
  pollux ctl user add alice                        generates a password and prints it once
  pollux ctl user add bob --password-file bob.txt  takes the first line of a file
  pass show bob | pollux ctl user set-password bob --password-file -
  pollux ctl user list --json
  pollux ctl session list --user alice
  pollux ctl session end alice@localhost/phone
  pollux ctl status
  pollux ctl --config /etc/pollux/pollux.toml statistics
";

#[derive(Debug, Parser)]
#[command(
    name = "pollux",
    version,
    about = "A high-availability presence and instant-messaging node",
    after_help = format!("{EXAMPLES}\n{}", exit::help_table()),
    disable_help_subcommand = true
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node until it is told to stop
    ///
    /// Without a file the node runs on an embedded default: it listens on 127.0.0.1:5222 for the
    /// domain `localhost`, keeps its data in ./pollux-data, makes a certificate of its own and
    /// sample users, and prints their passwords once. The environment variable POLLUX_LOG (for
    /// example `info,pollux_actors=debug`) goes before the setting `log.filter`.
    Node {
        /// The settings; `pollux example-config` prints a file to begin with
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Go on with what is left after files were set aside as damaged; what was acknowledged
        /// since the last snapshot may be lost
        #[arg(long)]
        accept_loss: bool,
    },
    /// Ask a running node, over its local socket
    Ctl(Ctl),
    /// Check a configuration file and show what will hold
    ///
    /// Reports every mistake at once, with its line, its key and advice, and ends with 64. A right
    /// file is shown as the node will see it, defaults filled in.
    CheckConfig {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print a configuration file in which every key is explained
    ExampleConfig {
        /// The reference page of the book instead
        #[arg(long, hide = true)]
        reference: bool,
    },
    /// Print the reference page of the exit codes
    #[command(hide = true)]
    ExitCodes,
}

/// Ask a running node, over its local socket
#[derive(Debug, Args)]
#[command(after_help = CTL_EXAMPLES)]
pub struct Ctl {
    /// The node's control socket
    #[arg(long, value_name = "PATH", global = true, conflicts_with = "config")]
    pub socket: Option<PathBuf>,
    /// The node's configuration file, which names the socket; without either, the embedded default
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: CtlCommand,
}

#[derive(Debug, Subcommand)]
pub enum CtlCommand {
    /// Add, list and remove users, set passwords
    #[command(subcommand)]
    User(UserCommand),
    /// List and end sessions
    #[command(subcommand)]
    Session(SessionCommand),
    /// Show the counters and gauges of the node
    Statistics,
    /// Show what the node is and how it is
    Status,
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user; without --password-file the password is generated and printed once
    Add {
        /// `alice`, or `alice@` and the domain of the node
        name: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// List all users
    List,
    /// Remove a user with contact list and stored messages, and end the user's sessions
    Remove { name: String },
    /// Give a user a new password; open sessions stay
    SetPassword {
        name: String,
        #[command(flatten)]
        password: PasswordSource,
    },
}

#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List sessions, connected or waiting for their client to resume
    List {
        /// Only those of this user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// End a session; what its client has not acknowledged is stored or delivered elsewhere
    End {
        /// The session as `session list` shows it
        session: String,
    },
}

/// A password never stands on the command line, where every process of the machine could read it.
#[derive(Debug, Args)]
pub struct PasswordSource {
    /// Take the first line of this file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_shape_is_consistent() {
        Arguments::command().debug_assert();
    }
}
