//! Preparation and enforcement of the three parts of an address (RFC 7622 section 3). Not for
//! splitting: see `Jid`.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use precis_profiles::precis_core::profile::Profile;
use precis_profiles::{OpaqueString, UsernameCaseMapped};

use super::{JidError, PART_BYTES_MAX};

/// Octets of raw input that are looked at; preparation seldom shortens, and never from beyond this.
const RAW_BYTES_MAX: usize = 4 * PART_BYTES_MAX;

/// Octets of a label (RFC 1034 section 3.1).
const LABEL_BYTES_MAX: usize = 63;

/// What separates labels: the ideographic full stop does too, and the width forms map to the two
/// (RFC 5895 section 2).
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{FF0E}', '\u{FF61}'];

/// RFC 8264 section 7: a profile's rules are applied again until nothing changes, at most three
/// more times.
const PASSES_MAX: usize = 4;

/// Localpart: UsernameCaseMapped (RFC 7622 section 3.3) less the characters of section 3.3.1.
pub(super) fn local(raw: &str) -> Result<Cow<'_, str>, JidError> {
    if raw.is_empty() {
        return Err(JidError::LocalEmpty);
    }
    if raw.len() > RAW_BYTES_MAX {
        return Err(JidError::LocalTooLong);
    }
    let prepared = if raw.is_ascii() {
        lower_ascii(raw)
    } else {
        let profile = UsernameCaseMapped::new();
        Cow::Owned(
            until_stable(raw, |text| {
                profile.enforce(text.to_owned()).ok().map(Cow::into_owned)
            })
            .ok_or(JidError::LocalForbidden)?,
        )
    };
    // The check follows the mappings: a full-width commercial at becomes a plain one.
    if !prepared.chars().all(is_local_char) {
        return Err(JidError::LocalForbidden);
    }
    within(prepared, JidError::LocalTooLong)
}

/// The ASCII part of the IdentifierClass (RFC 8264 section 4.2.1: U+0021 to U+007E) less RFC 7622
/// section 3.3.1.
fn is_local_char(c: char) -> bool {
    !c.is_ascii()
        || (c.is_ascii_graphic() && !matches!(c, '"' | '&' | '\'' | '/' | ':' | '<' | '>' | '@'))
}

/// Resourcepart: OpaqueString (RFC 7622 section 3.4). A leading space is refused as in example 18
/// of section 3.5.
pub(super) fn resource(raw: &str) -> Result<Cow<'_, str>, JidError> {
    if raw.is_empty() {
        return Err(JidError::ResourceEmpty);
    }
    if raw.len() > RAW_BYTES_MAX {
        return Err(JidError::ResourceTooLong);
    }
    let prepared = if raw.is_ascii() {
        Cow::Borrowed(raw)
    } else {
        let profile = OpaqueString::new();
        Cow::Owned(
            until_stable(raw, |text| {
                profile.enforce(text.to_owned()).ok().map(Cow::into_owned)
            })
            .ok_or(JidError::ResourceForbidden)?,
        )
    };
    if prepared.starts_with(' ') || prepared.bytes().any(|b| b.is_ascii_control()) {
        return Err(JidError::ResourceForbidden);
    }
    within(prepared, JidError::ResourceTooLong)
}

/// Domainpart: a domain name of NR-LDH labels and U-labels, an IPv4 address, or an IPv6 address in
/// brackets (RFC 7622 section 3.2). One final dot is stripped before anything else.
pub(super) fn domain(raw: &str) -> Result<Cow<'_, str>, JidError> {
    let raw = raw.strip_suffix(DOTS).unwrap_or(raw);
    if raw.is_empty() {
        return Err(JidError::DomainEmpty);
    }
    if raw.len() > RAW_BYTES_MAX {
        return Err(JidError::DomainTooLong);
    }
    if let Some(address) = raw
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let address: Ipv6Addr = address.parse().map_err(|_| JidError::DomainForbidden)?;
        return Ok(Cow::Owned(format!("[{address}]")));
    }
    if raw.split('.').all(is_plain_label) {
        return within(Cow::Borrowed(raw), JidError::DomainTooLong);
    }
    let labels: Option<Vec<String>> = raw.split(DOTS).map(label).collect();
    let prepared = labels.ok_or(JidError::DomainForbidden)?.join(".");
    within(Cow::Owned(prepared), JidError::DomainTooLong)
}

/// A label that is what it will be: lower-case letters, digits, inner hyphens, and no A-label.
fn is_plain_label(label: &str) -> bool {
    is_ldh(label) && !label.starts_with("xn--") && !label.bytes().any(|b| b.is_ascii_uppercase())
}

/// Letters, digits, inner hyphens (RFC 1034 section 3.5, RFC 1123 section 2.1), at most 63 octets.
fn is_ldh(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// One label in its final form: lower-cased ASCII, or the U-label; an A-label becomes its U-label
/// (section 3.2.1).
fn label(raw: &str) -> Option<String> {
    if !raw.is_ascii() {
        return u_label(raw);
    }
    let lower = raw.to_ascii_lowercase();
    if !is_ldh(&lower) {
        return None;
    }
    let Some(encoded) = lower.strip_prefix("xn--") else {
        return Some(lower);
    };
    // RFC 5891 section 5.4: an A-label that does not decode to a U-label in its final form is not
    // an A-label.
    let decoded = decode_punycode(encoded)?;
    (!decoded.is_ascii() && u_label(&decoded)? == decoded).then_some(decoded)
}

/// The mapped U-label. The mappings of RFC 5895 (case, width, NFC) and the code points of RFC 5892
/// are those of the IdentifierClass for all that is not ASCII; of ASCII only letters, digits and
/// hyphens belong here.
fn u_label(raw: &str) -> Option<String> {
    let profile = UsernameCaseMapped::new();
    let text = until_stable(raw, |text| {
        profile.enforce(text.to_owned()).ok().map(Cow::into_owned)
    })?;
    if text.is_ascii() {
        return is_plain_label(&text).then_some(text);
    }
    let hyphens_wrong = text.starts_with('-')
        || text.ends_with('-')
        || text.chars().skip(2).take(2).eq("--".chars());
    // "xn--" takes 4 octets of the 63, and each character of the U-label at least one.
    let too_long = text.chars().count() > LABEL_BYTES_MAX - 4;
    let ascii_right = text
        .chars()
        .all(|c| !c.is_ascii() || c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    (ascii_right && !hyphens_wrong && !too_long).then_some(text)
}

/// The decoder of RFC 3492 section 6.2, with every overflow an answer of `None`.
fn decode_punycode(encoded: &str) -> Option<String> {
    const BASE: u32 = 36;
    const T_MIN: u32 = 1;
    const T_MAX: u32 = 26;
    let (basic, extended) = encoded.rsplit_once('-').unwrap_or(("", encoded));
    let mut output: Vec<char> = basic.chars().collect();
    let (mut code, mut index, mut bias) = (128u32, 0u32, 72u32);
    let mut digits = extended.bytes().peekable();
    while digits.peek().is_some() {
        let before = index;
        let mut weight = 1u32;
        let mut position = BASE;
        loop {
            let digit = match digits.next()? {
                letter @ b'a'..=b'z' => u32::from(letter - b'a'),
                figure @ b'0'..=b'9' => u32::from(figure - b'0') + 26,
                _ => return None,
            };
            index = index.checked_add(digit.checked_mul(weight)?)?;
            let threshold = position.saturating_sub(bias).clamp(T_MIN, T_MAX);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
            position += BASE;
        }
        let count = output.len() as u32 + 1;
        bias = adapt(index - before, count, before == 0);
        code = code.checked_add(index / count)?;
        index %= count;
        output.insert(index as usize, char::from_u32(code)?);
        index += 1;
    }
    Some(output.into_iter().collect())
}

/// RFC 3492 section 6.1.
fn adapt(delta: u32, count: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / 700 } else { delta / 2 };
    delta += delta / count;
    let mut position = 0;
    while delta > 455 {
        delta /= 35;
        position += 36;
    }
    position + 36 * delta / (delta + 38)
}

/// Applies the rules until they change nothing, so that a prepared part prepares to itself (RFC
/// 8264 section 7).
fn until_stable(raw: &str, enforce: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut text = enforce(raw)?;
    for _ in 1..PASSES_MAX {
        let next = enforce(&text)?;
        if next == text {
            return Some(text);
        }
        text = next;
    }
    None
}

fn lower_ascii(raw: &str) -> Cow<'_, str> {
    if raw.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(raw.to_ascii_lowercase())
    } else {
        Cow::Borrowed(raw)
    }
}

fn within(part: Cow<'_, str>, too_long: JidError) -> Result<Cow<'_, str>, JidError> {
    if part.len() > PART_BYTES_MAX {
        Err(too_long)
    } else {
        Ok(part)
    }
}
