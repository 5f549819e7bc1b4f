//! Why an authentication failed (RFC 6120 section 6.5). Not for what a log says of it.

use pollux_xml::{Element, Text};

use crate::names::named;
use crate::ns;

named! {
    /// RFC 6120 section 6.5.
    SaslCondition {
        Aborted = "aborted",
        AccountDisabled = "account-disabled",
        CredentialsExpired = "credentials-expired",
        EncryptionRequired = "encryption-required",
        IncorrectEncoding = "incorrect-encoding",
        InvalidAuthzid = "invalid-authzid",
        InvalidMechanism = "invalid-mechanism",
        MalformedRequest = "malformed-request",
        MechanismTooWeak = "mechanism-too-weak",
        NotAuthorized = "not-authorized",
        TemporaryAuthFailure = "temporary-auth-failure",
    }
}

/// The answer to a handshake that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaslFailure {
    pub condition: SaslCondition,
    pub text: Option<Text>,
}

impl SaslFailure {
    pub fn new(condition: SaslCondition) -> SaslFailure {
        SaslFailure {
            condition,
            text: None,
        }
    }

    pub fn with_text(self, text: impl Into<Text>) -> SaslFailure {
        SaslFailure {
            text: Some(text.into()),
            ..self
        }
    }

    /// The data violates the syntax of the mechanism (RFC 6120 section 6.5.8).
    pub(crate) fn malformed(why: &'static str) -> SaslFailure {
        SaslFailure::new(SaslCondition::MalformedRequest).with_text(why)
    }

    /// In the profile that has this namespace (RFC 6120 section 6.5, XEP-0388 section 2.6.2).
    pub(crate) fn to_element(&self, profile: &'static str) -> Element {
        let condition = Element::new(ns::SASL, self.condition.as_str());
        let failure = Element::new(profile, "failure").child(condition);
        match &self.text {
            Some(text) => {
                let text = Element::new(profile, "text").text(text);
                failure.child(text.attr("xml:lang", "en"))
            }
            None => failure,
        }
    }

    /// A condition that is not known counts as `not-authorized` (RFC 6120 section 6.5).
    pub(crate) fn from_element(element: &Element) -> SaslFailure {
        let mut failure = SaslFailure::new(SaslCondition::NotAuthorized);
        for child in element.elements() {
            match (child.namespace(), child.name()) {
                (namespace, "text") if namespace == element.namespace() => {
                    failure.text = Some(child.text_content());
                }
                (ns::SASL, name) => {
                    failure.condition =
                        SaslCondition::from_name(name).unwrap_or(SaslCondition::NotAuthorized);
                }
                _ => {}
            }
        }
        failure
    }
}

impl From<SaslCondition> for SaslFailure {
    fn from(condition: SaslCondition) -> SaslFailure {
        SaslFailure::new(condition)
    }
}
