//! Sets up what the program writes about itself: text or JSON on standard error. Not for what is
//! logged: each part opens its own spans.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// The one setting that the environment may change, for a single run.
pub const FILTER_VARIABLE: &str = "POLLUX_LOG";

/// Fails on a wrong filter in the environment; that of the file is checked with the file.
pub fn init(config: &LogConfig) -> Result<(), String> {
    let filter = filter(
        std::env::var(FILTER_VARIABLE).ok().as_deref(),
        &config.filter,
    )?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Colours are for eyes, not for a file.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let done = match config.format {
        LogFormat::Text => builder.try_init(),
        // Spans are whole objects with their fields, so that a collector can follow a stanza.
        LogFormat::Json => builder
            .json()
            .with_current_span(false)
            .with_span_list(true)
            .try_init(),
    };
    done.map_err(|error| format!("set up the log: {error}"))
}

fn filter(variable: Option<&str>, setting: &str) -> Result<EnvFilter, String> {
    match variable {
        Some(text) => {
            EnvFilter::try_new(text).map_err(|error| format!("{FILTER_VARIABLE}: {error}"))
        }
        None => EnvFilter::try_new(setting).map_err(|error| format!("log.filter: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_goes_before_the_file() {
        assert_eq!(filter(None, "warn").unwrap().to_string(), "warn");
        assert_eq!(filter(Some("debug"), "warn").unwrap().to_string(), "debug");
        assert!(
            filter(Some("pollux=loud"), "warn")
                .unwrap_err()
                .starts_with("POLLUX_LOG: ")
        );
    }
}
