//! Stream errors (RFC 6120 section 4.9): what is wrong with a whole stream. Not for single stanzas:
//! see `StanzaError`.

use pollux_xml::{Element, FrameError, ParseError, Text};

use crate::names::named;
use crate::ns;

named! {
    /// RFC 6120 section 4.9.3.
    StreamCondition {
        BadFormat = "bad-format",
        BadNamespacePrefix = "bad-namespace-prefix",
        Conflict = "conflict",
        ConnectionTimeout = "connection-timeout",
        HostGone = "host-gone",
        HostUnknown = "host-unknown",
        ImproperAddressing = "improper-addressing",
        InternalServerError = "internal-server-error",
        InvalidFrom = "invalid-from",
        InvalidNamespace = "invalid-namespace",
        InvalidXml = "invalid-xml",
        NotAuthorized = "not-authorized",
        NotWellFormed = "not-well-formed",
        PolicyViolation = "policy-violation",
        RemoteConnectionFailed = "remote-connection-failed",
        Reset = "reset",
        ResourceConstraint = "resource-constraint",
        RestrictedXml = "restricted-xml",
        /// The text of the condition is the other host.
        SeeOtherHost = "see-other-host",
        SystemShutdown = "system-shutdown",
        UndefinedCondition = "undefined-condition",
        UnsupportedEncoding = "unsupported-encoding",
        UnsupportedFeature = "unsupported-feature",
        UnsupportedStanzaType = "unsupported-stanza-type",
        UnsupportedVersion = "unsupported-version",
    }
}

/// The last element of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    pub condition: StreamCondition,
    pub text: Option<Text>,
    /// Where to go instead, with `see-other-host` only.
    pub other_host: Option<Text>,
    /// An application-specific condition (RFC 6120 section 4.9.4).
    pub application: Option<Box<Element>>,
}

impl StreamError {
    pub fn new(condition: StreamCondition) -> StreamError {
        StreamError {
            condition,
            text: None,
            other_host: None,
            application: None,
        }
    }

    /// `host` is a domainpart, or one with a port (RFC 6120 section 4.9.3.19).
    pub fn see_other_host(host: impl Into<Text>) -> StreamError {
        let other_host = Some(host.into());
        StreamError {
            other_host,
            ..StreamError::new(StreamCondition::SeeOtherHost)
        }
    }

    pub fn with_text(self, text: impl Into<Text>) -> StreamError {
        StreamError {
            text: Some(text.into()),
            ..self
        }
    }

    pub fn with_application(self, condition: Element) -> StreamError {
        StreamError {
            application: Some(Box::new(condition)),
            ..self
        }
    }

    pub fn to_element(&self) -> Element {
        let mut condition = Element::new(ns::STREAM_ERRORS, self.condition.as_str());
        if let Some(host) = &self.other_host {
            condition.push_text(host);
        }
        let mut error = Element::new(ns::STREAMS, "error").child(condition);
        if let Some(text) = &self.text {
            let text = Element::new(ns::STREAM_ERRORS, "text")
                .attr("xml:lang", "en")
                .text(text);
            error.push(text);
        }
        if let Some(application) = &self.application {
            error.push((**application).clone());
        }
        error
    }

    /// Appends the error and the end of the stream (RFC 6120 section 4.9.1.1: an error closes it).
    pub fn write(&self, out: &mut Vec<u8>) {
        // The content namespace does not show: no child of the error is in it.
        self.to_element().write(out, ns::CLIENT);
        out.extend_from_slice(b"</stream:stream>");
    }

    /// Reads what a peer said last. A condition that is not known is an undefined one.
    pub fn from_element(element: &Element) -> Option<StreamError> {
        if !element.is(ns::STREAMS, "error") {
            return None;
        }
        let mut error = StreamError::new(StreamCondition::UndefinedCondition);
        for child in element.elements() {
            match (child.namespace(), child.name()) {
                (ns::STREAM_ERRORS, "text") => error.text = Some(child.text_content()),
                (ns::STREAM_ERRORS, name) => {
                    error.condition = StreamCondition::from_name(name)
                        .unwrap_or(StreamCondition::UndefinedCondition);
                    error.other_host = (error.condition == StreamCondition::SeeOtherHost)
                        .then(|| child.text_content());
                }
                _ => error.application = Some(Box::new(child.clone())),
            }
        }
        Some(error)
    }
}

impl From<StreamCondition> for StreamError {
    fn from(condition: StreamCondition) -> StreamError {
        StreamError::new(condition)
    }
}

impl From<FrameError> for StreamError {
    fn from(error: FrameError) -> StreamError {
        let condition = match error {
            FrameError::NotWellFormed(_) => StreamCondition::NotWellFormed,
            FrameError::Restricted(_) => StreamCondition::RestrictedXml,
            FrameError::UnsupportedEncoding => StreamCondition::UnsupportedEncoding,
            FrameError::TextBetweenElements => StreamCondition::BadFormat,
            FrameError::FrameTooBig { .. }
            | FrameError::ElementsTooMany { .. }
            | FrameError::TooDeep { .. }
            | FrameError::AttributesTooMany { .. }
            | FrameError::NamespacesTooMany { .. } => StreamCondition::PolicyViolation,
        };
        let answer = StreamError::new(condition).with_text(error.to_string());
        match error {
            // RFC 6120 section 4.9.3.14 has this one as its example.
            FrameError::FrameTooBig { .. } => {
                answer.with_application(Element::new(ns::ERRORS, "stanza-too-big"))
            }
            _ => answer,
        }
    }
}

impl From<ParseError> for StreamError {
    fn from(error: ParseError) -> StreamError {
        let condition = match error {
            ParseError::TooComplex => StreamCondition::PolicyViolation,
            // RFC 6120 section 11.3: what is not namespace-well-formed closes the stream.
            _ => StreamCondition::NotWellFormed,
        };
        StreamError::new(condition).with_text(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_xml::{Restricted, StreamNamespaces};

    #[test]
    fn every_condition_is_written_and_read() {
        for &condition in StreamCondition::ALL {
            let error = StreamError::new(condition).with_text("why");
            assert_eq!(
                StreamCondition::from_name(condition.as_str()),
                Some(condition)
            );
            let error = StreamError {
                other_host: (condition == StreamCondition::SeeOtherHost).then(|| "b:1".into()),
                ..error
            };
            let octets = error.to_element().to_bytes(ns::CLIENT);
            let element = Element::parse(&octets, &StreamNamespaces::new(ns::CLIENT)).unwrap();
            assert_eq!(StreamError::from_element(&element), Some(error));
        }
        assert_eq!(StreamCondition::ALL.len(), 25);
    }

    #[test]
    fn the_framers_errors_have_their_conditions() {
        for (error, expected) in [
            (FrameError::NotWellFormed(""), "not-well-formed"),
            (FrameError::Restricted(Restricted::Dtd), "restricted-xml"),
            (FrameError::UnsupportedEncoding, "unsupported-encoding"),
            (FrameError::TextBetweenElements, "bad-format"),
            (FrameError::TooDeep { depth_max: 1 }, "policy-violation"),
        ] {
            assert_eq!(StreamError::from(error).condition.as_str(), expected);
        }
        let mut out = Vec::new();
        StreamError::from(FrameError::FrameTooBig { bytes_max: 9 }).write(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>a stanza has more \
             than 9 octets</text>\
             <stanza-too-big xmlns='urn:xmpp:errors'/></stream:error></stream:stream>"
        );
    }
}
