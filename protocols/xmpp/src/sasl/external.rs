//! EXTERNAL (RFC 4422 appendix A) with the client's certificate, as XEP-0178 section 2 has it. Not
//! for the certificate, which comes in as the addresses that it names.

use pollux_domain::jid::BareJid;

use super::failure::{SaslCondition, SaslFailure};

/// Which of the addresses the client is: the one that it names by its message, which may be left
/// empty where there is no other.
pub fn chosen_address(message: &[u8], addresses: &[BareJid]) -> Result<BareJid, SaslFailure> {
    let text = std::str::from_utf8(message);
    let authzid = text.map_err(|_| SaslFailure::malformed("the message is not UTF-8"))?;
    if authzid.contains('\0') {
        return Err(SaslFailure::malformed("the message has a zero octet"));
    }
    match (authzid, addresses) {
        ("", [only]) => Ok(only.clone()),
        ("", []) => Err(SaslCondition::NotAuthorized.into()),
        // Section 2, step 11 b: who has several says which.
        ("", _) => Err(SaslFailure::new(SaslCondition::InvalidAuthzid)
            .with_text("the certificate names several addresses; say which")),
        (authzid, addresses) => {
            let wanted = BareJid::parse(authzid).ok();
            let wanted = wanted.filter(|wanted| addresses.contains(wanted));
            wanted.ok_or(SaslCondition::InvalidAuthzid.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_several_addresses_says_which() {
        let address = |text| BareJid::parse(text).unwrap();
        let (ann, ben) = (address("ann@example.org"), address("ben@example.org"));
        let (one, both) = (vec![ann.clone()], vec![ann.clone(), ben.clone()]);
        let denied = Err(SaslCondition::NotAuthorized);
        let invalid = Err(SaslCondition::InvalidAuthzid);
        for (message, addresses, expected) in [
            ("", &one, Ok(ann.clone())),
            ("ann@example.org", &one, Ok(ann.clone())),
            ("Ann@Example.org", &one, Ok(ann)),
            ("ben@example.org", &one, invalid.clone()),
            ("ann@example.org/desk", &one, invalid.clone()),
            ("ann", &one, invalid.clone()),
            ("", &both, invalid.clone()),
            ("ben@example.org", &both, Ok(ben)),
            ("", &Vec::new(), denied),
            ("ann@example.org", &Vec::new(), invalid),
        ] {
            let chosen = chosen_address(message.as_bytes(), addresses);
            assert_eq!(
                chosen.map_err(|failure| failure.condition),
                expected,
                "{message:?}"
            );
        }
        for message in [&b"\xff"[..], b"a\0b"] {
            assert!(chosen_address(message, &both).is_err());
        }
    }
}
