//! Starts every part of a node in order and stops it in order: the composition root. The maintainer
//! of `actors` owns this file; until the parts are joined here, a node says that it cannot serve.

use std::process::ExitCode;

use crate::config::Config;
use crate::exit::Exit;

/// Runs a node until it is told to stop. The log is set up, the configuration checked.
pub fn main_node(config: Config) -> ExitCode {
    tracing::error!(
        node_id = config.node.id.get(),
        "node cannot serve in this build"
    );
    Exit::Unavailable.into()
}
