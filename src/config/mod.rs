//! The settings of this node: read from `pollux.toml`, checked as a whole, given to the parts as
//! their own types. Not for what an administrator changes while the cluster runs: that is
//! replicated.

mod check;
mod effective;
mod file;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod render;
mod settings;
pub mod values;

use std::fmt;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use check::Surroundings;
pub use effective::effective;
use file::File;
pub use render::{example, reference};
pub use values::{Config, LogConfig, LogFormat, Origin};

/// One wrong thing in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands, from 1; none when what is wrong is that something is missing.
    pub line: Option<usize>,
    /// `xmpp.listen`, or a section, or empty for the file as a whole.
    pub path: String,
    /// What is wrong and what to write instead.
    pub text: String,
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read at all.
    Unreadable {
        path: PathBuf,
        error: std::io::Error,
    },
    /// Everything that is wrong with it, in the order of its lines.
    Wrong {
        path: PathBuf,
        mistakes: Vec<Mistake>,
    },
}

/// Larger files are not configuration; reading stops before memory is spent on them.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

impl Config {
    /// Reads and checks a file. Without one, the embedded default: every setting as it is
    /// documented.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else {
            let config = Self::from_text("", Origin::EmbeddedDefault, Path::new(""));
            return config.map_err(|mistakes| ConfigError::Wrong {
                path: "the default".into(),
                mistakes,
            });
        };
        let unreadable = |error| ConfigError::Unreadable {
            path: path.to_owned(),
            error,
        };
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        if size > FILE_BYTES_MAX {
            let text = format!("{size} bytes; a configuration has at most {FILE_BYTES_MAX}");
            let mistakes = vec![Mistake {
                line: None,
                path: String::new(),
                text,
            }];
            return Err(ConfigError::Wrong {
                path: path.to_owned(),
                mistakes,
            });
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::from_text(&text, Origin::File(path.to_owned()), folder).map_err(|mistakes| {
            ConfigError::Wrong {
                path: path.to_owned(),
                mistakes,
            }
        })
    }

    fn from_text(text: &str, origin: Origin, folder: &Path) -> Result<Self, Vec<Mistake>> {
        let (file, mistakes) = File::parse(text);
        let cores = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        check::check(
            file,
            mistakes,
            &Surroundings {
                origin,
                folder,
                cores,
                readable: &readable,
            },
        )
    }
}

/// Whether a file that the configuration names can be opened by this process.
fn readable(path: &Path) -> Result<(), String> {
    std::fs::File::open(path)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, error } => {
                write!(f, "cannot read {}: {error}", path.display())
            }
            Self::Wrong { path, mistakes } => {
                let count = mistakes.len();
                let noun = if count == 1 { "mistake" } else { "mistakes" };
                write!(f, "{count} {noun} in {}", path.display())?;
                for mistake in mistakes {
                    write!(f, "\n  {}", path.display())?;
                    if let Some(line) = mistake.line {
                        write!(f, ":{line}")?;
                    }
                    if !mistake.path.is_empty() {
                        write!(f, ": {}", mistake.path)?;
                    }
                    write!(f, ": {}", mistake.text)?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_said_with_its_path() {
        let error = Config::load(Some(Path::new("/nonexistent/pollux.toml"))).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot read /nonexistent/pollux.toml: ")
        );
    }

    #[test]
    fn every_mistake_has_its_line_and_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pollux.toml");
        std::fs::write(
            &path,
            "[node]\nid = \"one\"\n[xmpp]\nlisten = \"nowhere\"\n",
        )
        .unwrap();
        let text = Config::load(Some(&path)).unwrap_err().to_string();
        assert!(text.starts_with("2 mistakes in "), "{text}");
        assert!(text.contains("pollux.toml:2: node.id: "), "{text}");
        assert!(text.contains("pollux.toml:4: xmpp.listen: "), "{text}");
    }

    /// RFC 6120 section 14.7 has the port.
    #[test]
    fn the_embedded_default_is_right() {
        let config = Config::load(None).unwrap();
        assert_eq!(config.origin, Origin::EmbeddedDefault);
        assert_eq!(config.xmpp.listen.to_string(), "127.0.0.1:5222");
        assert_eq!(config.control.socket, Path::new("pollux-data/control.sock"));
    }
}
