//! The command line of the comparison.

use std::path::PathBuf;

use clap::Args;

use super::work::Work;

#[derive(Debug, Args)]
pub struct CompareArguments {
    /// The built program; without it the others are measured alone
    #[arg(long, value_name = "PATH")]
    pub pollux: Option<PathBuf>,
    /// Which work; all where nothing is said
    #[arg(long, value_delimiter = ',', value_name = "WORK,…")]
    pub figures: Vec<Work>,
    /// How often each is measured; the servers take turns
    #[arg(long, default_value_t = 3)]
    pub runs: usize,
    /// Small sizes and one run: shows that all of it works, and measures nothing
    #[arg(long)]
    pub quick: bool,
    /// Only Pollux, each work at one, four and sixteen times its size: whether the cost of one
    /// stays the same
    #[arg(long, requires = "pollux")]
    pub growth: bool,
    /// Pairs of clients
    #[arg(long, default_value_t = 100)]
    pub pairs: usize,
    /// Measured time of messages
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Sign-ins of one run
    #[arg(long, default_value_t = 1000)]
    pub sign_ins: usize,
    /// Idle sessions of one run
    #[arg(long, default_value_t = 10_000)]
    pub sessions: usize,
    /// People who want in at once when the listener is back
    #[arg(long, default_value_t = 5000)]
    pub storm: usize,
    /// Also write everything as JSON, from which `cargo xtask bench page` makes the page
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Only Pollux and the ceilings, each work once: also record with perf where the measured part
    /// spends CPU time, in DIR/FIGURE/SERVER.data. `cargo xtask bench profile` reads them
    #[arg(
        long,
        value_name = "DIR",
        requires = "pollux",
        conflicts_with = "growth"
    )]
    pub record: Option<PathBuf>,
    /// No progress on standard error
    #[arg(long)]
    pub quiet: bool,
}
