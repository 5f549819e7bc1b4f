//! Stanza errors (RFC 6120 section 8.3). Not for whole streams: see `StreamError`.

use pollux_domain::jid::Jid;
use pollux_xml::{Element, Text};

use crate::names::named;
use crate::ns;

named! {
    /// RFC 6120 section 8.3.3.
    ErrorCondition {
        BadRequest = "bad-request",
        Conflict = "conflict",
        FeatureNotImplemented = "feature-not-implemented",
        Forbidden = "forbidden",
        Gone = "gone",
        InternalServerError = "internal-server-error",
        ItemNotFound = "item-not-found",
        JidMalformed = "jid-malformed",
        NotAcceptable = "not-acceptable",
        NotAllowed = "not-allowed",
        NotAuthorized = "not-authorized",
        PolicyViolation = "policy-violation",
        RecipientUnavailable = "recipient-unavailable",
        Redirect = "redirect",
        RegistrationRequired = "registration-required",
        RemoteServerNotFound = "remote-server-not-found",
        RemoteServerTimeout = "remote-server-timeout",
        ResourceConstraint = "resource-constraint",
        ServiceUnavailable = "service-unavailable",
        SubscriptionRequired = "subscription-required",
        UndefinedCondition = "undefined-condition",
        UnexpectedRequest = "unexpected-request",
    }
}

named! {
    /// What the sender may do about it (RFC 6120 section 8.3.2).
    ErrorType {
        Auth = "auth",
        Cancel = "cancel",
        Continue = "continue",
        Modify = "modify",
        Wait = "wait",
    }
}

impl ErrorCondition {
    /// The type that RFC 6120 section 8.3.3 says it SHOULD have; the first where it names two.
    pub fn default_type(self) -> ErrorType {
        match self {
            ErrorCondition::BadRequest
            | ErrorCondition::JidMalformed
            | ErrorCondition::NotAcceptable
            | ErrorCondition::PolicyViolation
            | ErrorCondition::Redirect => ErrorType::Modify,
            ErrorCondition::Conflict
            | ErrorCondition::FeatureNotImplemented
            | ErrorCondition::Gone
            | ErrorCondition::InternalServerError
            | ErrorCondition::ItemNotFound
            | ErrorCondition::NotAllowed
            | ErrorCondition::RemoteServerNotFound
            | ErrorCondition::ServiceUnavailable
            | ErrorCondition::UndefinedCondition => ErrorType::Cancel,
            ErrorCondition::Forbidden
            | ErrorCondition::NotAuthorized
            | ErrorCondition::RegistrationRequired
            | ErrorCondition::SubscriptionRequired => ErrorType::Auth,
            ErrorCondition::RecipientUnavailable
            | ErrorCondition::RemoteServerTimeout
            | ErrorCondition::ResourceConstraint
            | ErrorCondition::UnexpectedRequest => ErrorType::Wait,
        }
    }
}

/// An error to be answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StanzaError {
    pub condition: ErrorCondition,
    pub kind: ErrorType,
    pub text: Option<Text>,
    /// Who says so (RFC 6120 section 8.3.1 rule 5).
    pub by: Option<Jid>,
    /// The new address, with `gone` and `redirect` only.
    pub address: Option<Text>,
    /// An application-specific condition (RFC 6120 section 8.3.4).
    pub application: Option<Box<Element>>,
}

impl StanzaError {
    pub fn new(condition: ErrorCondition) -> StanzaError {
        StanzaError {
            condition,
            kind: condition.default_type(),
            text: None,
            by: None,
            address: None,
            application: None,
        }
    }

    pub fn with_kind(self, kind: ErrorType) -> StanzaError {
        StanzaError { kind, ..self }
    }

    pub fn with_text(self, text: impl Into<Text>) -> StanzaError {
        StanzaError {
            text: Some(text.into()),
            ..self
        }
    }

    pub fn with_by(self, by: impl Into<Jid>) -> StanzaError {
        StanzaError {
            by: Some(by.into()),
            ..self
        }
    }

    pub fn with_application(self, condition: Element) -> StanzaError {
        StanzaError {
            application: Some(Box::new(condition)),
            ..self
        }
    }

    /// The child of an error stanza.
    pub fn to_element(&self) -> Element {
        let mut condition = Element::new(ns::STANZA_ERRORS, self.condition.as_str());
        if let Some(address) = &self.address {
            condition.push_text(address);
        }
        let mut error = Element::new(ns::CLIENT, "error")
            .attr_opt("by", self.by.as_ref().map(|jid| jid.as_str().to_owned()))
            .attr("type", self.kind.as_str())
            .child(condition);
        if let Some(text) = &self.text {
            let text = Element::new(ns::STANZA_ERRORS, "text")
                .attr("xml:lang", "en")
                .text(text);
            error.push(text);
        }
        if let Some(application) = &self.application {
            error.push((**application).clone());
        }
        error
    }

    /// Reads what another said, as well as it can be understood: an unknown condition is
    /// `undefined-condition` (RFC 6120 section 8.3.2), an unknown type that of the condition.
    pub fn from_element(element: &Element) -> StanzaError {
        let mut error = StanzaError::new(ErrorCondition::UndefinedCondition);
        for child in element.elements() {
            match (child.namespace(), child.name()) {
                (ns::STANZA_ERRORS, "text") => error.text = Some(child.text_content()),
                (ns::STANZA_ERRORS, name) => {
                    error.condition = ErrorCondition::from_name(name)
                        .unwrap_or(ErrorCondition::UndefinedCondition);
                    error.address = Some(child.text_content()).filter(|text| !text.is_empty());
                }
                _ => error.application = Some(Box::new(child.clone())),
            }
        }
        error.kind = element
            .attribute("type")
            .and_then(ErrorType::from_name)
            .unwrap_or(error.condition.default_type());
        error.by = element.attribute("by").and_then(|by| Jid::parse(by).ok());
        error
    }
}

impl From<ErrorCondition> for StanzaError {
    fn from(condition: ErrorCondition) -> StanzaError {
        StanzaError::new(condition)
    }
}
