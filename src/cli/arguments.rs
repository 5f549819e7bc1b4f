//! The shape of the command line and what `--help` teaches. No behaviour.

mod cluster;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use pollux_domain::operations::Role;

use crate::check::EXPIRY_DAYS;
use crate::exit;

pub use cluster::{ClusterCommand, NodeCommand, ServiceCommand, SubclusterCommand, WitnessCommand};

const EXAMPLES: &str = "\
Examples:
  pollux node                                 a node on the embedded default, data in ./pollux-data
  pollux example-config > pollux.toml         a file to begin with; every key is explained
  pollux check --config pollux.toml           what is wrong with the file and the machine
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
  pollux ctl status --at 2                         what another node says of itself
  pollux ctl --config /etc/pollux/pollux.toml statistics
";

const SETTINGS_EXAMPLES: &str = "\
Examples:
  pollux ctl settings list                          all settings, those that were changed with a *
  pollux ctl settings show sign-in.plain            what one does, and what may be written
  pollux ctl settings set client.bytes-a-second=unlimited sign-in.plain=on
  pollux ctl settings set contacts.max=200 contacts.max-watchers=200     as Cisco has it
  pollux ctl settings reset sign-in.plain
";

const EXTERNAL_EXAMPLES: &str = "\
Examples:
  pollux ctl settings set \"external.services=stun:turn.example.org turn:turn.example.org\"
  pollux ctl external set-secret                           prints what coturn is to be told
  pollux ctl external set-secret --secret-file secret.txt  takes what coturn has been told
";

const ADMINISTRATOR_EXAMPLES: &str = "\
A viewer sees how the cluster is. An operator keeps it running, too: moves users, ends sessions. An
administrator may do everything. An auditor sees everything, also who did what, and changes nothing.

Examples:
  pollux ctl administrator add ann --role administrator
  pollux ctl administrator set-role ann viewer
";

const TOKEN_EXAMPLES: &str = "\
Examples:
  pollux ctl token add monitoring --role viewer --days 365
  curl --request POST --header \"Authorization: Bearer TOKEN\" \\
       https://castor.example.org:9443/api/v1/operations/subcluster.status
";

const CLUSTER_EXAMPLES: &str = "\
A pair with its witness, on three machines:
  castor$  pollux cluster init --config castor.toml
  castor$  pollux node --config castor.toml &
  castor$  pollux ctl --config castor.toml cluster invite            prints a token
  pollux$  pollux cluster join TOKEN --config pollux.toml
  pollux$  pollux node --config pollux.toml &
  castor$  pollux ctl --config castor.toml cluster invite --witness  prints another
  third$   pollux cluster join TOKEN --config witness.toml
  third$   pollux witness --config witness.toml &
  castor$  pollux ctl --config castor.toml subcluster ha on
";

#[derive(Debug, Parser)]
#[command(
    name = "pollux",
    version = pollux_raft::version::BUILD,
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
    /// Try a pair: two nodes and their witness on this machine, with users, to talk over and to
    /// kill
    ///
    /// Makes a cluster of three processes in a folder of its own, turns high availability on,
    /// prints what to type into a client and how to kill a node, and shows who serves whom. Ctrl-C
    /// ends it and removes what it made.
    Demo {
        /// The first of nine free ports in a row on 127.0.0.1
        #[arg(long, default_value_t = 5222)]
        port: u16,
        /// Keep everything in this folder
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
    /// Run a witness until it is told to stop: it votes in its subcluster and serves nobody
    ///
    /// A pair of nodes cannot decide alone which of them is gone; the witness is the third vote.
    /// It needs a folder that has joined as a witness: see `pollux cluster --help`.
    Witness {
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Make a data folder part of a cluster
    #[command(subcommand, after_help = CLUSTER_EXAMPLES)]
    Cluster(ClusterFiles),
    /// Ask a running node, over its local socket
    Ctl(Ctl),
    /// Look at all that a node needs of its machine, and say how to mend what is wrong
    ///
    /// The configuration file with every mistake at once, the certificate and its key, the records
    /// of the DNS, the ports, the number of open files, the data folder, the clock. Before a node
    /// starts or while it runs; nothing is changed. Ends with 64 where the file has mistakes, with
    /// 78 where something else failed; a warning is no failure.
    Check(Check),
    /// Print a configuration file in which every key is explained
    ExampleConfig {
        /// The reference page of the book instead
        #[arg(long, hide = true)]
        reference: bool,
    },
    /// Print the unit with which systemd runs a node
    ///
    /// `pollux example-unit > /etc/systemd/system/pollux.service`. The node tells systemd when it
    /// is ready, when it stops, and that it moves.
    ExampleUnit {
        /// Of a witness instead
        #[arg(long)]
        witness: bool,
        /// Where the program lies
        #[arg(long, value_name = "PATH", default_value = "/usr/local/bin/pollux")]
        program: String,
    },
    /// Print what a shell needs to complete the command line
    ///
    /// bash: pollux completions bash > /etc/bash_completion.d/pollux
    /// zsh:  pollux completions zsh > /usr/local/share/zsh/site-functions/_pollux
    /// fish: pollux completions fish > /etc/fish/completions/pollux.fish
    #[command(verbatim_doc_comment)]
    Completions {
        #[arg(value_parser = PossibleValuesParser::new(["bash", "zsh", "fish"])
            .try_map(|name| name.parse::<Shell>()))]
        shell: Shell,
    },
    /// Print the reference page of the exit codes
    #[command(hide = true)]
    ExitCodes,
    /// Print the reference page of the versions that may share a cluster
    #[command(hide = true)]
    Versions,
    /// Print the reference page of the settings of the cluster
    #[command(hide = true)]
    ClusterSettings,
}

/// What to look at, and by what to judge.
#[derive(Debug, Args)]
pub struct Check {
    /// The node's configuration file; without, the embedded default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Look at the file alone, and show what will hold, defaults filled in
    #[arg(long)]
    pub settings: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// How many clients will be connected at once; else as many as the running node has users
    #[arg(long, value_name = "NUMBER")]
    pub clients: Option<u64>,
    /// Warn of a certificate that expires within so many days
    #[arg(long, value_name = "DAYS", default_value_t = EXPIRY_DAYS)]
    pub expiry_days: u32,
    /// Ask this DNS server instead of those in /etc/resolv.conf
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub dns_server: Option<SocketAddr>,
}

/// Work on the files of a node that does not run.
#[derive(Debug, Subcommand)]
pub enum ClusterFiles {
    /// Make a node the first of a new cluster; its users and their data stay
    Init {
        /// The node's configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Join a cluster with a one-time token, which `pollux ctl cluster invite` makes
    Join {
        /// The token; `-` reads it from standard input
        token: String,
        /// The configuration file of the node that joins
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Where to call, instead of the address in the token
        #[arg(long, value_name = "HOST:PORT")]
        address: Option<String>,
        /// Begin the subcluster, of which it is the first node, with what this backup holds: the
        /// file of that subcluster, made together with the one of which the cluster was restored
        #[arg(long, value_name = "FILE")]
        restore: Option<PathBuf>,
        /// Begin it with nothing of what its users had: the file is lost
        #[arg(long, conflicts_with = "restore")]
        without_backup: bool,
    },
    /// Make a node the first of a new cluster, with what a backup holds
    ///
    /// With an empty data folder, and the domain of the backup in the configuration file. Every
    /// part of the backup is looked at before anything is made. Clients sign in with their
    /// passwords. Others join by `pollux ctl cluster invite`: with `--replaces NODE` a node that
    /// the old cluster had, so that its users have their home again.
    Restore {
        /// The backup
        backup: PathBuf,
        /// The configuration file of the node
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Go on without the other nodes of the subcluster, which are lost for good
    ///
    /// For a pair without a witness whose other node does not come back: the node that is left
    /// serves nobody, since it cannot know that it is alone. Stop it, run this, start it again.
    /// Refused while another node of the cluster answers. What only the lost nodes had is lost;
    /// what was acknowledged is on this node, unless it was away when it was. The lost node comes
    /// back with an empty folder and a token of `pollux ctl cluster invite --replaces NODE`.
    ForceTakeover {
        /// The configuration file of the node that is left
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Yes, the others are lost
        #[arg(long)]
        yes: bool,
    },
}

/// Ask a running node, over its local socket
#[derive(Debug, Args)]
#[command(after_help = CTL_EXAMPLES)]
pub struct Ctl {
    /// The node's control socket
    #[arg(long, value_name = "PATH", global = true, conflicts_with = "config")]
    pub socket: Option<PathBuf>,
    /// The node's configuration file, which names the socket. Without either: a node of this
    /// folder, else that of /etc/pollux/pollux.toml
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub json: bool,
    /// Let another node of the cluster do it, by its number; the asked one passes it on
    #[arg(long, value_name = "NODE", global = true)]
    pub at: Option<u16>,
    #[command(subcommand)]
    pub command: CtlCommand,
}

#[derive(Debug, Subcommand)]
pub enum CtlCommand {
    /// Add, list, disable and remove users, set passwords
    #[command(subcommand)]
    User(UserCommand),
    /// List and end sessions
    #[command(subcommand)]
    Session(SessionCommand),
    /// Invite, list and remove the nodes of the cluster
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Show who serves whom, and change it
    #[command(subcommand)]
    Subcluster(SubclusterCommand),
    /// List, start and stop the services of a node: its ports, its store, its links
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Empty a node before work on its machine or before it goes for ever, and end that
    #[command(subcommand)]
    Node(NodeCommand),
    /// Show and change the settings of the cluster, while it runs
    #[command(subcommand, after_help = SETTINGS_EXAMPLES)]
    Settings(SettingsCommand),
    /// Show which servers clients are told of for calls, and set the secret that they share
    #[command(subcommand, after_help = EXTERNAL_EXAMPLES)]
    External(ExternalCommand),
    /// Add, list and remove administrators: who may use the pages, apart from the users
    #[command(subcommand, after_help = ADMINISTRATOR_EXAMPLES)]
    Administrator(AdministratorCommand),
    /// Make, list and remove tokens with which programs ask over REST
    #[command(subcommand, after_help = TOKEN_EXAMPLES)]
    Token(TokenCommand),
    /// Show who changed what, the newest first
    Audit {
        /// Begin before this line
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
    },
    /// Have a node look at itself and at the others: what is well, and what to mend
    SelfTest,
    /// Show the counters and gauges of the node
    Statistics,
    /// Show how the measurements of the node went in the last hour
    History,
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
    /// Add a user with what another server has kept of the password, so that nobody needs a new one
    ///
    /// The file has a line of RFC 5803 for each hash, SCRAM-SHA-1$4096:SALT$STOREDKEY:SERVERKEY in
    /// base64 (SHA-256 and SHA-512 likewise), or it is the file of an account of Prosody. Clients
    /// that can (XEP-0480) add the keys of stronger hashes when they sign in.
    Import {
        /// `alice`, or `alice@` and the domain of the node
        name: String,
        /// Take the keys from this file; `-` is standard input
        #[arg(long, value_name = "FILE")]
        keys_file: PathBuf,
    },
    /// List all users
    List,
    /// Remove a user with contact list and stored messages, and end the user's sessions
    Remove { name: String },
    /// Let nobody sign in as a user, and end the user's sessions; everything that is kept stays
    ///
    /// Contacts see the user as away, and messages wait. Who proves the password, or has a token
    /// or a certificate, is told `account-disabled`.
    Disable { name: String },
    /// Let a disabled user sign in again
    Enable { name: String },
    /// Show who may see a user and write to it, or set it: all that is given, or nothing if one is
    /// wrong
    ///
    /// `internal` is for users of the own domain: allow, ask, block, or default. `external` is for
    /// all others: ask, block, or default. `allowed` and `blocked` name accounts and domains, with
    /// commas between. Whoever is blocked sees the user as away and reaches nobody.
    Privacy {
        name: String,
        #[arg(value_name = "NAME=VALUE")]
        settings: Vec<String>,
    },
    /// Give a user a new password; open sessions stay
    SetPassword {
        name: String,
        #[command(flatten)]
        password: PasswordSource,
    },
}

#[derive(Debug, Subcommand)]
pub enum AdministratorCommand {
    /// Add an administrator; without --password-file the password is generated and printed once
    Add {
        /// a to z, 0 to 9, `.`, `-` and `_`
        name: String,
        #[arg(long, value_parser = Role::WORDS)]
        role: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// List the administrators
    List,
    /// Remove an administrator, and end its sessions on the pages
    Remove { name: String },
    /// Give an administrator a new password, and end its sessions on the pages
    SetPassword {
        name: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Give an administrator another role, at once
    SetRole {
        name: String,
        #[arg(value_parser = Role::WORDS)]
        role: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Print a token with which a program asks over REST; it is not kept and not shown again
    Add {
        /// What it is for: a to z, 0 to 9, `.`, `-` and `_`
        name: String,
        #[arg(long, value_parser = Role::WORDS)]
        role: String,
        /// For how many days it is good
        #[arg(long, value_name = "NUMBER", default_value_t = 90)]
        days: u16,
    },
    /// List the tokens, without what they are
    List,
    /// Remove a token: it is worth nothing any more
    Remove { name: String },
}

#[derive(Debug, Subcommand)]
pub enum SettingsCommand {
    /// List all settings with their values
    List,
    /// Explain one setting
    Show { name: String },
    /// Set one or several at once: all of them, or none if one is wrong
    Set {
        #[arg(required = true, value_name = "NAME=VALUE")]
        settings: Vec<String>,
    },
    /// Let settings be as they were at the beginning
    Reset {
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum ExternalCommand {
    /// Show the services, and whether their secret is known
    Show,
    /// Set the secret that TURN servers know too; without --secret-file one is made, and printed
    ///
    /// coturn knows it as `static-auth-secret`, beside `use-auth-secret`.
    SetSecret {
        /// Take the first line of this file; `-` is standard input
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Forget the secret: clients are given no credentials any more
    ForgetSecret,
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
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_shape_is_consistent() {
        Arguments::command().debug_assert();
    }

    /// What stands in code, in a line of its own or within one.
    fn commands(page: &str) -> Vec<String> {
        let mut is_block = false;
        let mut code = Vec::new();
        for line in page.lines() {
            match line.starts_with("```") {
                true => is_block = !is_block,
                false if is_block => code.push(line),
                false => code.extend(line.split('`').skip(1).step_by(2)),
            }
        }
        let of_line = |line: &&str| {
            let mut begins = line.match_indices("pollux ").map(|(at, _)| &line[at..]);
            let command = begins.find(|rest| {
                let word = rest.split_whitespace().nth(1).unwrap_or_default();
                Arguments::command().find_subcommand(word).is_some()
            })?;
            let ends = [" #", " &", " |", " >", "  "];
            let end = ends.iter().filter_map(|end| command.find(end)).min();
            Some(command[..end.unwrap_or(command.len())].to_owned())
        };
        code.iter().filter_map(of_line).collect()
    }

    #[test]
    fn the_book_speaks_of_commands_that_there_are() {
        let book = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let mut count = 0;
        for page in std::fs::read_dir(book).unwrap() {
            let path = page.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "md") {
                continue;
            }
            for command in commands(&std::fs::read_to_string(&path).unwrap()) {
                count += 1;
                let Err(error) = Arguments::try_parse_from(command.split_whitespace()) else {
                    continue;
                };
                // Values have names instead.
                let is_wrong = matches!(
                    error.kind(),
                    ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument
                );
                assert!(!is_wrong, "{}: {command}: {error}", path.display());
            }
        }
        assert!(100 < count, "{count}");
    }
}
