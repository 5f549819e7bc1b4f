//! The command line, whose help is the manual.

mod ceiling;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use pollux_chaos::servers::Mode;

pub use ceiling::CeilingArguments;

use crate::compare::CompareArguments;
use crate::workloads::{
    AvailabilityArguments, CommandsArguments, ContactListsArguments, DevicesArguments,
    HostileArguments, OfflineArguments, StormArguments, TakeoverArguments,
};

/// Drive, measure and drill an XMPP server
///
/// Every stanza is counted. At a rate, a message counts from the moment at which it was meant to
/// go, so that a server which stalls cannot hide it. What a message, a sign-in or a session costs
/// is read from the kernel, of the server's process and its children. A run prints one row for
/// people, or `--json`.
///
/// Start a server for the run:   pollux-load messages --start prosody --pairs 100
/// Use one that runs already:    pollux-load messages --address 127.0.0.1:5222 --pid 4711 \
///                                 --password-file FILE
/// Compare with its peers:       pollux-load compare --pollux target/release/pollux
/// Kill it twenty times:         pollux-load drill --start pollux --kills 20
#[derive(Debug, Parser)]
#[command(name = "pollux-load", version, verbatim_doc_comment)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Messages between pairs: CPU a message, rate, latency
    ///
    /// Without --rate in a closed loop: whoever gets a message answers it with the next. Ends with
    /// 1 if a message was lost, came twice or out of order.
    Messages(MessagesArguments),
    /// Deliveries a second that a group of three voters in this process commits, with a real flush
    /// for each batch
    ///
    /// No network and no clients: beside the same batcher with a state machine that does nothing,
    /// it shows what the database itself costs. Needs about 1 GiB in the folder for temporary
    /// files.
    Commands(CommandsArguments),
    /// A pair of which one node is killed: memory of one session on both, and how soon all are back
    ///
    /// Starts a pair with its witness. All sessions are at one node, idle, with stream management;
    /// after `kill -9` each client goes to the twin and resumes. Ends with 1 if a session was not
    /// resumed.
    Takeover(TakeoverArguments),
    /// Sign-ins: CPU and latency of one, from the connection to the closed stream
    SignIn {
        #[command(flatten)]
        site: SiteArguments,
        /// How many
        #[arg(long, default_value_t = 1000)]
        count: usize,
        /// How many at the same time
        #[arg(long, default_value_t = 8)]
        concurrency: usize,
        /// Also turn stream management on
        #[arg(long)]
        stream_management: bool,
    },
    /// Sessions that do nothing: memory of one
    ///
    /// Each is a user's own and has asked for its contact list and announced itself. Memory is read
    /// before and after, when it has stopped moving.
    Idle {
        #[command(flatten)]
        site: SiteArguments,
        /// How many
        #[arg(long, default_value_t = 5000)]
        sessions: usize,
        /// Also turn stream management on, with resumption
        #[arg(long)]
        stream_management: bool,
    },
    /// Messages to users who are away: CPU of one kept, and of one handed out
    ///
    /// First some users send to others who are not signed in; then these sign in, all of them, and
    /// say that they are there. Sign-ins are in neither figure. Ends with an error if a message was
    /// refused, is missing, or came twice or out of order.
    ///
    /// Growth: --senders 100, 400, 1600.
    #[command(verbatim_doc_comment)]
    Offline(OfflineArguments),
    /// A sign-in storm: everybody wants in when the listener is back
    ///
    /// Starts the server, lets every user sign in once (so that no client has keys to derive
    /// later), stops it, and lets all clients try every 50 ms. Then starts it again and counts from
    /// the open listener to the last session. Needs --start.
    ///
    /// Growth: --sessions 5000, 20000.
    #[command(verbatim_doc_comment)]
    Storm(StormArguments),
    /// Changes of availability: CPU and latency of one delivery
    ///
    /// Users stand in a ring, and those next to each other are contacts: the subscriptions that are
    /// missing are made first, contacts of an earlier run among these users are removed. Then users
    /// change their availability in turn. Ends with an error if a contact was shown a wrong user or
    /// an older change after a newer one, or has not got the last change of each.
    ///
    /// Growth: --users 500, 2000, 8000; or --contacts 20, 80, 320.
    #[command(verbatim_doc_comment)]
    Availability(AvailabilityArguments),
    /// Messages to users with several devices: CPU and latency of one delivery
    ///
    /// Half of the users write to the other half, each to one, in a closed loop; every device of a
    /// receiver is to get every message. Without --carbons messages go to the user, and the server
    /// forks them; with it to one device, and the others get copies. Ends with an error if a device
    /// got a message twice, or not at all.
    ///
    /// Growth: --devices 2, 5, 10; or --receivers 20, 80, 320.
    #[command(verbatim_doc_comment)]
    Devices(DevicesArguments),
    /// Contact lists: CPU and latency of a sign-in with a long one
    ///
    /// Makes the lists first, then signs one user in after the other: each asks for the list and,
    /// with --kind sign-in, says that it is available and hears of every second contact. Needs a
    /// server without lists.
    ///
    /// Growth: --contacts 100, 400, 1000.
    #[command(verbatim_doc_comment)]
    ContactLists(ContactListsArguments),
    /// Hostile neighbours: what others notice of them, and whether memory returns
    ///
    /// Pairs talk at a rate; their latency is measured before, while hostile neighbours act, and
    /// after they have gone. Ends with 1 if the 99th percentile more than doubled, if a message was
    /// lost, came twice or out of order, or if within a minute memory did not return to what it was
    /// and 16 MiB, or a quarter of what the neighbours took if that is more.
    #[command(verbatim_doc_comment)]
    Hostile(HostileArguments),
    /// Talk through restarts of the server and keep the account of every promise
    ///
    /// Pairs talk with stream management; when the server goes, clients come back and resume. Runs
    /// for --seconds, or over --kills, or until a line comes on standard input; then waits until
    /// all that was acknowledged has arrived. Ends with 1 if a message was lost, came twice or out
    /// of order, or an acknowledgement ran backwards or ahead.
    Drill(DrillArguments),
    /// Measure Prosody and ejabberd from Debian, Pollux and two ceilings side by side
    ///
    /// All get equal settings: SCRAM-SHA-1 with 4,096 iterations and one salt, an ECDSA P-256
    /// certificate, no shapers; Prosody the epoll backend and a collector threshold of 200,
    /// ejabberd caches that hold everybody. Needs `apt-get install prosody ejabberd`. Shows medians
    /// with least and most of several runs, how many times better Pollux is than the better peer,
    /// how far it is from the ceilings, and whether that is what was asked for.
    ///
    /// `cargo xtask bench peers` builds what is needed, installs the peers, and runs this.
    Compare(CompareArguments),
    /// Serve as a ceiling: what the work costs a server that promises nothing
    ///
    /// The comparison starts these two by itself and measures them beside the others. They are for
    /// measurements on loopback only.
    #[command(subcommand)]
    Ceiling(CeilingArguments),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Make {
    Prosody,
    Ejabberd,
    Pollux,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scram {
    Sha1,
    Sha256,
}

/// Which server, and who signs in.
#[derive(Debug, Args)]
pub struct SiteArguments {
    /// Start this server for the run, with users of its own, and stop it after
    #[arg(long, value_name = "SERVER", conflicts_with = "address")]
    pub start: Option<Make>,
    /// The program to start with `--start pollux`
    #[arg(long, value_name = "PATH", default_value = "target/release/pollux")]
    pub pollux: PathBuf,
    #[command(flatten)]
    pub mode: Mode,
    /// A server that runs already
    #[arg(long, value_name = "IP:PORT", required_unless_present = "start")]
    pub address: Option<SocketAddr>,
    /// Its process, to measure it
    #[arg(long, requires = "address")]
    pub pid: Option<u32>,
    /// Its domain
    #[arg(long, default_value = "localhost")]
    pub domain: String,
    /// Its users are this word and a number, from 0
    #[arg(long, default_value = "load")]
    pub user_prefix: String,
    /// The first line is the password of all its users
    #[arg(long, value_name = "FILE", required_unless_present = "start")]
    pub password_file: Option<PathBuf>,
    /// Use STARTTLS, with a full handshake each time. Any certificate of a server that was not
    /// started here is believed
    #[arg(long)]
    pub starttls: bool,
    /// The only SASL mechanism to use
    #[arg(long, default_value = "sha1")]
    pub scram: Scram,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// No progress on standard error
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct MessagesArguments {
    #[command(flatten)]
    pub site: SiteArguments,
    /// How many pairs of clients; each client is a user of its own
    #[arg(long, default_value_t = 100)]
    pub pairs: usize,
    /// Messages a second in all, sent on time whatever the server does; without it a closed loop
    #[arg(long)]
    pub rate: Option<f64>,
    /// Messages of a pair under way at the same time, in a closed loop
    #[arg(long, default_value_t = 1)]
    pub window: usize,
    /// Use stream management
    #[arg(long)]
    pub stream_management: bool,
    /// Ask for an acknowledgement after this many stanzas
    #[arg(long, default_value_t = 1)]
    pub request_every: u32,
    /// Send to bare addresses; else to full ones
    #[arg(long)]
    pub bare: bool,
    /// Length of the text of a message
    #[arg(long, default_value_t = 64)]
    pub body_bytes: usize,
    /// Not measured, at the beginning
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    pub warm_up: f64,
    /// Measured
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
}

#[derive(Debug, Args)]
pub struct DrillArguments {
    #[command(flatten)]
    pub site: SiteArguments,
    /// How many pairs of clients
    #[arg(long, default_value_t = 50)]
    pub pairs: usize,
    /// Messages a second in all
    #[arg(long, default_value_t = 500.0)]
    pub rate: f64,
    /// Ends by itself after this time; without it, and without --kills, at a line on standard input
    #[arg(long)]
    pub seconds: Option<f64>,
    /// Kill the server (SIGKILL) this many times at moments that the seed decides, 2 to 4 seconds
    /// apart, and start it again
    #[arg(long, requires = "start", conflicts_with = "seconds")]
    pub kills: Option<usize>,
    /// Decides every moment that is left to chance
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Send to bare addresses; else to full ones
    #[arg(long)]
    pub bare: bool,
    /// At the end, what is missing counts as lost when nothing has moved for this time
    #[arg(long, value_name = "SECONDS", default_value_t = 15.0)]
    pub patience: f64,
}
