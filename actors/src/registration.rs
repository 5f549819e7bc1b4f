//! What XEP-0077 lets a person do about an account: what a name and a password may be, and why
//! something is refused, before sign-in and after. Functions of values; not for doing it: see
//! `stream::register`, `session::account`.

use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_domain::settings::Settings;
use pollux_xmpp::registration::{RegistrationRequest, refusal};
use pollux_xmpp::sasl::{Secret, prepare_name};
use pollux_xmpp::stanza::{ErrorCondition, StanzaError};

use crate::users::UserError;

/// Whether anything of it is allowed, so that it is said that there is such a thing.
pub fn is_supported(settings: &Settings) -> bool {
    settings.registration.is_on()
        || settings.password_change.is_on()
        || settings.cancellation.is_on()
}

/// Who asks, once it has signed in.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    pub user: &'a BareJid,
    /// Its stream is encrypted.
    pub encrypted: bool,
    /// None: the account is gone.
    pub administrator: Option<bool>,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    Password(String),
    Cancellation,
}

/// The address of a new account: one that its user can sign in to.
pub fn address(name: &str, domain: &str) -> Result<BareJid, StanzaError> {
    let no = |text: &'static str| refusal(ErrorCondition::NotAcceptable, text);
    let prepared = prepare_name(name);
    let prepared = prepared.map_err(|_| no("the name has a character that is not allowed"))?;
    if limits::REGISTERED_NAME_BYTES_MAX < prepared.len() {
        return Err(no("the name is longer than 64 octets"));
    }
    let user = BareJid::from_parts(Some(&prepared), domain);
    user.map_err(|_| no("the name has a character that is not allowed"))
}

/// A password that a person has chosen.
pub fn password(secret: &Secret, settings: &Settings) -> Result<String, StanzaError> {
    let text = std::str::from_utf8(secret.expose()).unwrap_or_default();
    let least = settings.password_length.0;
    if (text.chars().count() as u64) < least {
        let text = format!("the password is shorter than {least} characters");
        return Err(refusal(ErrorCondition::NotAcceptable, text));
    }
    Ok(text.to_owned())
}

/// What one who has signed in may do (sections 3.2 and 3.3).
pub fn judge(
    request: RegistrationRequest,
    standing: Standing<'_>,
    settings: &Settings,
) -> Result<Wanted, StanzaError> {
    let no = |condition, text: &'static str| Err(refusal(condition, text));
    let (username, secret) = match request {
        RegistrationRequest::Form => {
            return no(ErrorCondition::BadRequest, "a set has something to set");
        }
        RegistrationRequest::Remove => {
            return match (settings.cancellation.is_on(), standing.administrator) {
                (false, _) => no(
                    ErrorCondition::NotAllowed,
                    "accounts are not cancelled here",
                ),
                (true, Some(true)) => no(
                    ErrorCondition::Forbidden,
                    "the account of an administrator is not cancelled so",
                ),
                (true, None) => no(ErrorCondition::RegistrationRequired, "there is no account"),
                (true, Some(false)) => Ok(Wanted::Cancellation),
            };
        }
        RegistrationRequest::Set { username, password } => (username, password),
    };
    if !settings.password_change.is_on() {
        return no(ErrorCondition::NotAllowed, "passwords are not changed here");
    }
    let (Some(username), Some(secret)) = (username, secret) else {
        let text = "a change of the password has a name and the new password";
        return no(ErrorCondition::BadRequest, text);
    };
    if !standing.encrypted {
        let text = "a password is changed in TLS alone";
        return no(ErrorCondition::NotAuthorized, text);
    }
    // Section 3.1.1: no second account from within the first.
    if address(&username, standing.user.domain()).as_ref() != Ok(standing.user) {
        let text = "the name is not that of the account";
        return no(ErrorCondition::NotAcceptable, text);
    }
    password(&secret, settings).map(Wanted::Password)
}

/// What is said of what was tried. Nothing of it is secret.
pub fn failed(error: &UserError) -> StanzaError {
    match error {
        UserError::Exists => refusal(ErrorCondition::Conflict, "there is such an account"),
        UserError::Password(_) => refusal(ErrorCondition::NotAcceptable, error.to_string()),
        UserError::NoSuchUser => {
            refusal(ErrorCondition::RegistrationRequired, "there is no account")
        }
        UserError::TooMany => refusal(ErrorCondition::ResourceConstraint, error.to_string()),
        UserError::Group(_) | UserError::Codec(_) | UserError::GivenUp | UserError::Changed => {
            unknown()
        }
    }
}

/// What was tried has not ended in time.
pub fn unknown() -> StanzaError {
    let text = "it is not known whether it was done; try again";
    refusal(ErrorCondition::InternalServerError, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(username: &str, password: &str) -> RegistrationRequest {
        RegistrationRequest::Set {
            username: Some(username.to_owned().into()),
            password: Some(Secret::new(password.as_bytes().to_vec())),
        }
    }

    #[test]
    fn names_are_those_that_one_can_sign_in_to() {
        for (name, local) in [("bill", "bill"), ("Bill", "bill"), ("bi\u{AD}ll", "bill")] {
            let address = address(name, "example.org").unwrap();
            assert_eq!(address.local(), Some(local), "{name}");
        }
        let long = "x".repeat(65);
        for name in ["", "a b", "a@b", "a/b", "a\u{7}", &long] {
            let error = address(name, "example.org").unwrap_err();
            assert_eq!(error.condition, ErrorCondition::NotAcceptable, "{name}");
        }
    }

    /// Each refusal of the tables of sections 3.2 and 3.3.
    #[test]
    fn who_has_signed_in_is_told_why_not() {
        use ErrorCondition as Why;
        let user = BareJid::parse("bill@example.org").unwrap();
        let on = |names: &[&str]| {
            let mut settings = Settings::default();
            for name in names {
                settings.set(name, Some("on")).unwrap();
            }
            settings
        };
        let bill = Standing {
            user: &user,
            encrypted: true,
            administrator: Some(false),
        };
        let (change, cancel) = ("accounts.password-change", "accounts.cancellation");
        let remove = RegistrationRequest::Remove;
        let nameless = RegistrationRequest::Set {
            username: None,
            password: Some(Secret::new(b"long enough".to_vec())),
        };
        let empty = RegistrationRequest::Set {
            username: Some("bill".into()),
            password: None,
        };
        let in_clear = Standing {
            encrypted: false,
            ..bill
        };
        let boss = Standing {
            administrator: Some(true),
            ..bill
        };
        let gone = Standing {
            administrator: None,
            ..bill
        };
        for (request, standing, settings, expected) in [
            (remove.clone(), bill, on(&[change]), Err(Why::NotAllowed)),
            (remove.clone(), boss, on(&[cancel]), Err(Why::Forbidden)),
            (
                remove.clone(),
                gone,
                on(&[cancel]),
                Err(Why::RegistrationRequired),
            ),
            (remove, in_clear, on(&[cancel]), Ok(Wanted::Cancellation)),
            (
                set("bill", "long enough"),
                bill,
                on(&[cancel]),
                Err(Why::NotAllowed),
            ),
            (nameless, bill, on(&[change]), Err(Why::BadRequest)),
            (empty, bill, on(&[change]), Err(Why::BadRequest)),
            (
                set("bill", "long enough"),
                in_clear,
                on(&[change]),
                Err(Why::NotAuthorized),
            ),
            (
                set("ben", "long enough"),
                bill,
                on(&[change]),
                Err(Why::NotAcceptable),
            ),
            (
                set("bill", "short"),
                bill,
                on(&[change]),
                Err(Why::NotAcceptable),
            ),
            (
                set("Bill", "long enough"),
                boss,
                on(&[change]),
                Ok(Wanted::Password("long enough".to_owned())),
            ),
        ] {
            let judged = judge(request, standing, &settings);
            let judged = judged.map_err(|error| error.condition);
            assert_eq!(judged, expected, "{standing:?}");
        }
        assert!(!is_supported(&Settings::default()));
        for one in [change, cancel, "accounts.registration"] {
            assert!(is_supported(&on(&[one])), "{one}");
        }
    }
}
