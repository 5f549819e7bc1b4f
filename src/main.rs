//! The program `pollux`: command line, configuration, start everything in order, stop everything in
//! order. Not for how any part works: each has its crate.

mod cli;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "start.rs reads the parts once they are joined")
)]
mod config;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "start.rs serves the socket once parts are joined"
    )
)]
mod control;
mod exit;
mod log;
mod start;

use std::process::ExitCode;

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
