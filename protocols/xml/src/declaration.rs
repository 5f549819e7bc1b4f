//! The XML declaration (XML 1.0 section 2.8, RFC 6120 section 11.5). Not for other processing
//! instructions.

use crate::frame::{FrameError, Restricted};

/// Judges `<?...?>` at the very beginning of a stream; only the declaration of XML 1.0 in UTF-8
/// passes.
pub(crate) fn check(bytes: &[u8]) -> Result<(), FrameError> {
    let Some(text) = bytes
        .strip_prefix(b"<?xml")
        .and_then(|rest| rest.strip_suffix(b"?>"))
    else {
        return Err(FrameError::Restricted(Restricted::ProcessingInstruction));
    };
    let mut rest = std::str::from_utf8(text).map_err(|_| FrameError::UnsupportedEncoding)?;
    if !rest.starts_with(SPACES) {
        return Err(FrameError::Restricted(Restricted::ProcessingInstruction));
    }
    // VersionInfo, then perhaps EncodingDecl, then perhaps SDDecl: the order is fixed.
    let version = pseudo_attribute(&mut rest, "version")?.ok_or(MALFORMED)?;
    // RFC 6120 section 11.8: XMPP is a profile of XML 1.0.
    if version != "1.0" {
        return Err(FrameError::NotWellFormed("the XML version is not 1.0"));
    }
    let encoding = pseudo_attribute(&mut rest, "encoding")?;
    if encoding.is_some_and(|name| !name.eq_ignore_ascii_case("utf-8")) {
        return Err(FrameError::UnsupportedEncoding);
    }
    // RFC 6120 section 11.5: a value of "no" may be ignored.
    match pseudo_attribute(&mut rest, "standalone")? {
        None | Some("no") => {}
        Some("yes") => return Err(FrameError::Restricted(Restricted::Standalone)),
        Some(_) => return Err(MALFORMED),
    }
    if rest.trim_start_matches(SPACES).is_empty() {
        Ok(())
    } else {
        Err(MALFORMED)
    }
}

const MALFORMED: FrameError = FrameError::NotWellFormed("the XML declaration is malformed");

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// Takes ` name = "value"` off the front, if that is the name there.
fn pseudo_attribute<'a>(rest: &mut &'a str, name: &str) -> Result<Option<&'a str>, FrameError> {
    let trimmed = rest.trim_start_matches(SPACES);
    let Some(after_name) = trimmed.strip_prefix(name) else {
        return Ok(None);
    };
    if trimmed.len() == rest.len() {
        return Err(MALFORMED);
    }
    let after_equals = after_name
        .trim_start_matches(SPACES)
        .strip_prefix('=')
        .ok_or(MALFORMED)?;
    let quoted = after_equals.trim_start_matches(SPACES);
    let quote = quoted
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\''))
        .ok_or(MALFORMED)?;
    let (value, after_value) = quoted[1..].split_once(quote).ok_or(MALFORMED)?;
    *rest = after_value;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_xml_1_0_in_utf_8() {
        let restricted = |what| Err(FrameError::Restricted(what));
        let old = Err(FrameError::NotWellFormed("the XML version is not 1.0"));
        for (input, expected) in [
            ("<?xml version='1.0'?>", Ok(())),
            ("<?xml version=\"1.0\" encoding=\"UTF-8\" ?>", Ok(())),
            (
                "<?xml\n version = '1.0'\tencoding = 'utf-8' standalone='no'?>",
                Ok(()),
            ),
            (
                "<?xml version='1.0' standalone='yes'?>",
                restricted(Restricted::Standalone),
            ),
            ("<?xml version='1.0' standalone='maybe'?>", Err(MALFORMED)),
            (
                "<?xml version='1.0' encoding='UTF-16'?>",
                Err(FrameError::UnsupportedEncoding),
            ),
            (
                "<?xml version='1.0' encoding='utf8'?>",
                Err(FrameError::UnsupportedEncoding),
            ),
            ("<?xml version='1.1'?>", old),
            ("<?xml?>", restricted(Restricted::ProcessingInstruction)),
            (
                "<?xml-stylesheet href='a'?>",
                restricted(Restricted::ProcessingInstruction),
            ),
            (
                "<?php echo?>",
                restricted(Restricted::ProcessingInstruction),
            ),
            ("<?xml ?>", Err(MALFORMED)),
            ("<?xml encoding='utf-8'?>", Err(MALFORMED)),
            ("<?xml version='1.0'encoding='utf-8'?>", Err(MALFORMED)),
            ("<?xml version='1.0\"?>", Err(MALFORMED)),
            ("<?xml version='1.0' x='y'?>", Err(MALFORMED)),
            ("<?xml encoding='utf-8' version='1.0'?>", Err(MALFORMED)),
        ] {
            assert_eq!(check(input.as_bytes()), expected, "{input}");
        }
    }
}
