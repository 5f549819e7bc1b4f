//! Keys of an account as other servers keep them: lines of RFC 5803, one for each hash, or the file
//! of an account of Prosody. Not for how they are kept here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::hash::ScramHash;
use super::keys::{DeriveError, ScramKeys};
use crate::sasl::Secret;

/// All that there are, at least one, and none twice.
pub fn read_keys(text: &str) -> Result<Vec<ScramKeys>, DeriveError> {
    let keys = match text.contains("stored_key") {
        true => vec![prosody(text)?],
        false => text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(line)
            .collect::<Result<Vec<ScramKeys>, DeriveError>>()?,
    };
    let is_first = |at: usize| keys[..at].iter().all(|one| one.hash() != keys[at].hash());
    match !keys.is_empty() && (0..keys.len()).all(is_first) {
        true => Ok(keys),
        false => Err(DeriveError::Form),
    }
}

/// `SCRAM-SHA-1$4096:salt$stored:server` (RFC 5803 section 2), the last three in base64.
fn line(text: &str) -> Result<ScramKeys, DeriveError> {
    let parts = || {
        let (mechanism, rest) = text.split_once('$')?;
        let (info, value) = rest.split_once('$')?;
        let (iterations, salt) = info.split_once(':')?;
        let (stored, server) = value.split_once(':')?;
        let octets = |text: &str| STANDARD.decode(text.trim()).ok();
        let mut all = ScramHash::ALL.into_iter();
        let hash = all.find(|hash| hash.mechanism() == mechanism.trim())?;
        let iterations = iterations.trim().parse().ok()?;
        let (stored, server) = (octets(stored)?, octets(server)?);
        Some((hash, octets(salt)?, iterations, stored, server))
    };
    let (hash, salt, iterations, stored, server) = parts().ok_or(DeriveError::Form)?;
    let (stored, server) = (Secret::new(stored), Secret::new(server));
    ScramKeys::from_parts(hash, salt, iterations, stored, server)
}

/// A table of Lua: keys in hexadecimal, which by their length say of which hash they are, and a
/// salt that is text.
fn prosody(text: &str) -> Result<ScramKeys, DeriveError> {
    let parts = || {
        let stored = octets(quoted(text, "stored_key")?)?;
        let server = octets(quoted(text, "server_key")?)?;
        let salt = quoted(text, "salt")?;
        let iterations = value(text, "iteration_count")?;
        let iterations = iterations.split([';', ',', '\n', '}']).next()?;
        let mut all = ScramHash::ALL.into_iter();
        let hash = all.find(|hash| hash.len() == stored.len())?;
        // What is escaped would be another salt.
        let salt = (!salt.contains('\\')).then(|| salt.as_bytes().to_vec())?;
        Some((hash, salt, iterations.trim().parse().ok()?, stored, server))
    };
    let (hash, salt, iterations, stored, server) = parts().ok_or(DeriveError::Form)?;
    let (stored, server) = (Secret::new(stored), Secret::new(server));
    ScramKeys::from_parts(hash, salt, iterations, stored, server)
}

/// What is assigned to this key of the table.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("[\"{key}\"]"))?;
    Some(rest.trim_start().strip_prefix('=')?.trim_start())
}

fn quoted<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let rest = value(text, key)?.strip_prefix('"')?;
    rest.split_once('"').map(|(quoted, _)| quoted)
}

fn octets(hexadecimal: &str) -> Option<Vec<u8>> {
    let text = hexadecimal.as_bytes();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let octet = |pair: &[u8]| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
    text.chunks_exact(2).map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 5802 section 5 has a password, a salt and a count.
    const SALT: &str = "QSXCR+Q6sek8bf92";
    const STORED: &str = "6dlGYMOdZcOPutkcNY8U2g7vK9Y=";
    const SERVER: &str = "D+CSWLOshSulAsxiupA+qs2/fTE=";

    fn of_the_rfc() -> ScramKeys {
        let salt = STANDARD.decode(SALT).unwrap();
        ScramKeys::derive(ScramHash::Sha1, "pencil", &salt, 4096).unwrap()
    }

    #[test]
    fn lines_of_rfc_5803() {
        let line = format!("SCRAM-SHA-1$4096:{SALT}${STORED}:{SERVER}");
        assert_eq!(read_keys(&line), Ok(vec![of_the_rfc()]));
        let commented = format!("# alice\n\n  {line}\n");
        assert_eq!(read_keys(&commented), Ok(vec![of_the_rfc()]));
        for wrong in [
            String::new(),
            "# nothing".to_owned(),
            "secret".to_owned(),
            format!("{line}\n{line}"),
            format!("SCRAM-MD5$4096:{SALT}${STORED}:{SERVER}"),
            format!("SCRAM-SHA-1$many:{SALT}${STORED}:{SERVER}"),
            format!("SCRAM-SHA-1$4096:!${STORED}:{SERVER}"),
            format!("SCRAM-SHA-1$4096:{SALT}${STORED}"),
        ] {
            assert_eq!(read_keys(&wrong), Err(DeriveError::Form), "{wrong}");
        }
        let short = format!("SCRAM-SHA-256$4096:{SALT}${STORED}:{SERVER}");
        assert_eq!(read_keys(&short), Err(DeriveError::Length));
        let none = format!("SCRAM-SHA-1$0:{SALT}${STORED}:{SERVER}");
        assert_eq!(read_keys(&none), Err(DeriveError::Iterations));
    }

    #[test]
    fn the_file_of_prosody() {
        let salt = "5b1b5d6e-0a4b-4f0c-9f2c-3a3f0a3d9c11";
        let keys = ScramKeys::derive(ScramHash::Sha1, "pencil", salt.as_bytes(), 10_000).unwrap();
        let hexadecimal = |key: &Secret| -> String {
            let octets = key.expose().iter();
            octets.map(|octet| format!("{octet:02x}")).collect()
        };
        let text = format!(
            "return {{\n\t[\"iteration_count\"] = 10000;\n\t[\"stored_key\"] = \"{}\";\n\
             \t[\"salt\"] = \"{salt}\";\n\t[\"server_key\"] = \"{}\";\n}};\n",
            hexadecimal(&keys.stored_key),
            hexadecimal(&keys.server_key)
        );
        assert_eq!(read_keys(&text), Ok(vec![keys]));
        for (part, other) in [
            ("iteration_count", "iterations"),
            ("10000", "many"),
            ("salt", "sugar"),
            ("5b1b", "\\n"),
            ("server_key\"] = \"", "server_key\"] = \"0"),
            ("stored_key\"] = \"", "stored_key\"] = \"zz"),
        ] {
            let wrong = text.replace(part, other);
            assert_eq!(read_keys(&wrong), Err(DeriveError::Form), "{part}");
        }
    }
}
