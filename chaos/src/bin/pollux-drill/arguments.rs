//! The command line, whose help is the manual.

use std::path::PathBuf;

use clap::Parser;
use pollux_chaos::servers::Mode;

/// Break a real pair while people chat, heal it, and tell what they noticed
///
/// Makes a pair with its witness by the product's own commands, signs clients in, lets them chat,
/// breaks something, heals it, and closes the account. Ends with 1 if a message was lost, came
/// twice (counted only with `--deliver early`) or out of order, somebody was shown gone who was
/// here, a ghost stayed, or a bound of time was missed. Some drills need root: they make network
/// namespaces or disks, and remove them.
///
///   pollux-drill --list
///   pollux-drill kill-active --runs 3
///   pollux-drill all
#[derive(Debug, Parser)]
#[command(name = "pollux-drill", version, verbatim_doc_comment)]
pub struct Arguments {
    /// Names of drills, or `all`
    pub drills: Vec<String>,
    /// Show the drills and end
    #[arg(long)]
    pub list: bool,
    /// How often; each drill has its own number
    #[arg(long)]
    pub runs: Option<usize>,
    /// Pairs of clients, where the drill is not about their number
    #[arg(long, default_value_t = 100)]
    pub pairs: usize,
    /// Messages a second in all
    #[arg(long, default_value_t = 200.0)]
    pub rate: f64,
    /// Half of the users are at home on each node; without, all on the first
    #[arg(long)]
    pub balanced: bool,
    /// Clients use STARTTLS, with a full handshake each time
    #[arg(long)]
    pub starttls: bool,
    #[command(flatten)]
    pub mode: Mode,
    /// For how long a client bears a silent server
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    pub patience_ms: u64,
    /// The program to drill; without, the one that lies beside this one
    #[arg(long, value_name = "PATH")]
    pub pollux: Option<PathBuf>,
    /// The program of the next version, for `rolling-upgrade` and `rolling-downgrade`; without, the
    /// one that lies beside this one as `pollux-next`
    #[arg(long, value_name = "PATH")]
    pub pollux_next: Option<PathBuf>,
    /// Judge promises only, not times: for machines that are busy with other things
    #[arg(long)]
    pub no_bounds: bool,
    /// Users of `election-storm`; half as many, with twice the sessions, of `storm-after-takeover`
    #[arg(long, default_value_t = 1000)]
    pub storm_users: usize,
    /// Sessions of each of them
    #[arg(long, default_value_t = 5)]
    pub storm_sessions: usize,
    /// Keep the folders of the nodes, also when all went well
    #[arg(long)]
    pub keep: bool,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
    /// Write JSON to this file, besides
    #[arg(long, value_name = "PATH")]
    pub json_file: Option<PathBuf>,
    /// Say nothing on the way
    #[arg(long)]
    pub quiet: bool,
}
