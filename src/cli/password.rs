//! Where a password comes from: the first line of a file, or chance; or the keys of one: a file.
//! Never the command line, which every process of the machine can read.

use std::io::Read;
use std::path::Path;

use pollux_domain::operations::{KEYS_BYTES_MAX, KeysText, PASSWORD_BYTES_MAX, Secret};

use super::Failure;
use crate::exit::Exit;

/// A password and whether its user has seen it.
pub enum Password {
    Given(Secret),
    Generated(Secret),
}

/// 32 signs that nobody confuses when they read them aloud: no l, no o, no 0, no 1.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// 20 of 32 signs are 100 bits.
const GENERATED_LENGTH: usize = 20;

impl Password {
    pub fn secret(&self) -> &Secret {
        match self {
            Self::Given(secret) | Self::Generated(secret) => secret,
        }
    }
}

pub fn take(file: Option<&Path>) -> Result<Password, Failure> {
    match file {
        Some(path) => read(path).map(Password::Given),
        None => generate().map(Password::Generated),
    }
}

/// What another server has kept of a password.
pub fn keys(path: &Path) -> Result<KeysText, Failure> {
    // One byte more than is allowed tells too many from as many as there may be.
    let text = read_text("keys", path, KEYS_BYTES_MAX as u64 + 1)?;
    Ok(KeysText::new(text)?)
}

fn read(path: &Path) -> Result<Secret, Failure> {
    // One byte more than is allowed, and a newline, tell a long password from a right one.
    let text = read_text("password", path, PASSWORD_BYTES_MAX as u64 + 2)?;
    let line = text.lines().next().unwrap_or_default();
    Ok(Secret::new(line.to_owned())?)
}

fn read_text(what: &str, path: &Path, limit: u64) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        let path = path.display();
        let message = format!("read the {what} from {path}: {error}");
        Failure::new(Exit::NoInput, message)
    };
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(limit)
            .read_to_string(&mut text)
            .map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(limit).read_to_string(&mut text).map_err(failed)?;
    }
    Ok(text)
}

fn generate() -> Result<Secret, Failure> {
    let mut bytes = [0; GENERATED_LENGTH];
    random(&mut bytes)
        .map_err(|error| Failure::new(Exit::Software, format!("generate a password: {error}")))?;
    let text = bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect();
    Ok(Secret::new(text)?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line is outside of any simulated node"
)]
fn random(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    getrandom::fill(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_passwords_are_long_and_differ() {
        let (one, two) = (generate().ok().unwrap(), generate().ok().unwrap());
        assert_eq!(one.expose_secret().len(), GENERATED_LENGTH);
        assert_ne!(one, two);
    }

    #[test]
    fn a_file_gives_its_first_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        for (content, expected) in [
            ("word", Some("word")),
            ("word\n", Some("word")),
            ("two words\r\nx", Some("two words")),
        ] {
            std::fs::write(&path, content).unwrap();
            let secret = read(&path).ok();
            assert_eq!(
                secret.as_ref().map(Secret::expose_secret),
                expected,
                "{content:?}"
            );
        }
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(read(&path).err().unwrap().exit, Exit::DataErr);
        std::fs::write(&path, "x".repeat(PASSWORD_BYTES_MAX + 1)).unwrap();
        assert_eq!(read(&path).err().unwrap().exit, Exit::DataErr);
        assert_eq!(
            read(&folder.path().join("none")).err().unwrap().exit,
            Exit::NoInput
        );
    }
}
