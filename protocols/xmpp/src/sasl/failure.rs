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

    pub(crate) fn to_element(&self) -> Element {
        let condition = Element::new(ns::SASL, self.condition.as_str());
        let failure = Element::new(ns::SASL, "failure").child(condition);
        match &self.text {
            Some(text) => failure.child(
                Element::new(ns::SASL, "text")
                    .attr("xml:lang", "en")
                    .text(text),
            ),
            None => failure,
        }
    }

    /// A condition that is not known counts as `not-authorized` (RFC 6120 section 6.5).
    pub(crate) fn from_element(element: &Element) -> SaslFailure {
        let mut failure = SaslFailure::new(SaslCondition::NotAuthorized);
        for child in element
            .elements()
            .filter(|child| child.namespace() == ns::SASL)
        {
            match child.name() {
                "text" => failure.text = Some(child.text_content()),
                name => {
                    failure.condition =
                        SaslCondition::from_name(name).unwrap_or(SaslCondition::NotAuthorized);
                }
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
