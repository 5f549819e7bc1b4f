//! The program `pollux`: command line, configuration, start everything in order, stop everything in
//! order. Not for how any part works: each has its crate.

mod administration;
mod check;
mod cli;
mod cluster;
mod config;
mod control;
mod demo;
mod descriptors;
mod examine;
mod exit;
mod groups;
mod hosted;
mod links;
mod log;
mod ports;
mod process;
mod rotation;
mod sample;
mod start;
mod systemd;
mod vitals;

use std::process::ExitCode;

/// Threads hand messages to each other all the time, and what strangers and floods took is given
/// back (decision 0035).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    let mut err = std::io::stderr();
    cli::run(
        std::env::args_os(),
        &mut cli::Output {
            out: &mut out,
            err: &mut err,
        },
    )
}
