//! PLAIN (RFC 4616): the password itself, for streams that nobody else can read. Not for judging
//! it.

use super::failure::SaslFailure;
use super::scram::prepare_name;
use super::secret::Secret;

/// Octets of a password, as of those that become keys.
const PASSWORD_BYTES_MAX: usize = 1024;

/// The one message of PLAIN.
#[derive(Debug)]
pub struct PlainAuth {
    /// The identity to act as, where another than the user's own is wanted.
    pub authzid: Option<String>,
    /// The name to look up, prepared with SASLprep: the localpart of an account here.
    pub username: String,
    /// As it was typed: whoever compares it prepares it.
    pub password: Secret,
}

impl PlainAuth {
    /// `[authzid] NUL authcid NUL passwd` (section 2), all of it UTF-8.
    pub fn parse(octets: &[u8]) -> Result<PlainAuth, SaslFailure> {
        let text = std::str::from_utf8(octets);
        let text = text.map_err(|_| SaslFailure::malformed("the message is not UTF-8"))?;
        let mut fields = text.split('\0');
        let (Some(authzid), Some(authcid), Some(password), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(SaslFailure::malformed("the message has not three fields"));
        };
        if password.is_empty() || PASSWORD_BYTES_MAX < password.len() {
            return Err(SaslFailure::malformed("the password is empty or too long"));
        }
        Ok(PlainAuth {
            authzid: (!authzid.is_empty()).then(|| authzid.to_owned()),
            username: prepare_name(authcid)?,
            password: Secret::new(password.as_bytes().to_vec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Option<String>, String, String), SaslFailure> {
        let auth = PlainAuth::parse(text.as_bytes())?;
        let password = String::from_utf8(auth.password.expose().to_vec());
        Ok((auth.authzid, auth.username, password.unwrap()))
    }

    /// The examples of section 4.
    #[test]
    fn the_examples_of_the_rfc() {
        let said = |authzid: Option<&str>, username: &str, password: &str| {
            let authzid = authzid.map(str::to_owned);
            Ok((authzid, username.to_owned(), password.to_owned()))
        };
        assert_eq!(
            parse("\0tim\0tanstaaftanstaaf"),
            said(None, "tim", "tanstaaftanstaaf")
        );
        assert_eq!(
            parse("Ursel\0Kurt\0xipj3plmq"),
            said(Some("Ursel"), "Kurt", "xipj3plmq")
        );
    }

    #[test]
    fn what_is_malformed_is_refused_and_the_password_is_in_no_log() {
        let long = format!("\0tim\0{}", "x".repeat(PASSWORD_BYTES_MAX + 1));
        for text in [
            "",
            "tim",
            "\0tim",
            "\0tim\0",
            "\0\0secret",
            "\0a\0b\0c",
            &long,
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(PlainAuth::parse(b"\0tim\0\xff").is_err());
        let auth = PlainAuth::parse(b"\0tim\0hunter2").unwrap();
        assert!(!format!("{auth:?}").contains("hunter2"));
    }
}
