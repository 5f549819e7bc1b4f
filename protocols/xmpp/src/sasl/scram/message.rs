//! Attributes of SCRAM messages (RFC 5802 sections 5.1 and 7). Not for the order of messages: see
//! `server`, `client`.

use crate::sasl::{SaslCondition, SaslFailure};

/// Octets of one message.
const MESSAGE_BYTES_MAX: usize = 3072;
/// Octets of a username or an authorization identity, as it is written.
const NAME_BYTES_MAX: usize = 1023;
/// Octets of a nonce, each side's part.
pub(super) const NONCE_BYTES_MAX: usize = 256;

/// The text of a message.
pub(super) fn text(octets: &[u8]) -> Result<&str, SaslFailure> {
    if octets.len() > MESSAGE_BYTES_MAX {
        return Err(SaslFailure::malformed("the message is too long"));
    }
    let text = std::str::from_utf8(octets);
    let text = text.map_err(|_| SaslFailure::malformed("the message is not UTF-8"))?;
    if text.contains('\0') {
        return Err(SaslFailure::malformed("the message has a zero octet"));
    }
    Ok(text)
}

/// Takes the attribute that must be next, up to the comma; what follows the comma is the rest, if
/// there was one.
pub(super) fn take<'a>(rest: &mut Option<&'a str>, name: &str) -> Result<&'a str, SaslFailure> {
    let all = rest.unwrap_or_default();
    let (attribute, after) = match all.split_once(',') {
        Some((attribute, after)) => (attribute, Some(after)),
        None => (all, None),
    };
    *rest = after;
    // "Its presence in a client or a server message MUST cause authentication failure."
    if attribute.starts_with("m=") {
        return Err(SaslFailure::malformed("extensions-not-supported"));
    }
    attribute
        .strip_prefix(name)
        .and_then(|value| value.strip_prefix('='))
        .filter(|value| !value.is_empty())
        .ok_or(SaslFailure::malformed(
            "an attribute is missing or not in its place",
        ))
}

/// What follows the known attributes is ignored, if it has the form of attributes and none is
/// mandatory.
pub(super) fn extensions(rest: Option<&str>) -> Result<(), SaslFailure> {
    let Some(rest) = rest else {
        return Ok(());
    };
    for extension in rest.split(',') {
        let mut chars = extension.chars();
        let name = chars.next();
        if name == Some('m') {
            return Err(SaslFailure::malformed("extensions-not-supported"));
        }
        let is_attribute =
            name.is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some('=');
        if !is_attribute || chars.next().is_none() {
            return Err(SaslFailure::malformed("an extension is malformed"));
        }
    }
    Ok(())
}

/// `saslname`: "=2C" is a comma, "=3D" an equals sign, and any other equals sign fails the
/// authentication.
pub(super) fn unescape_name(raw: &str) -> Result<String, SaslFailure> {
    if raw.is_empty() || raw.len() > NAME_BYTES_MAX {
        return Err(SaslFailure::malformed("a name is empty or too long"));
    }
    let mut name = String::with_capacity(raw.len());
    let mut pieces = raw.split('=');
    name.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (c, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(SaslFailure::malformed("a name is not escaped")),
        };
        name.push(c);
        name.push_str(rest);
    }
    Ok(name)
}

pub(super) fn escape_name(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// `printable`: ASCII that can be seen, less the comma.
pub(super) fn is_nonce(nonce: &str) -> bool {
    (1..=NONCE_BYTES_MAX).contains(&nonce.len())
        && nonce
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// SASLprep of a name (RFC 5802 section 5.1: the server prepares it, or aborts where that fails).
pub fn prepare_name(name: &str) -> Result<String, SaslFailure> {
    let prepared = stringprep::saslprep(name).map_err(|_| SaslCondition::NotAuthorized)?;
    if prepared.is_empty() {
        return Err(SaslCondition::NotAuthorized.into());
    }
    Ok(prepared.into_owned())
}
