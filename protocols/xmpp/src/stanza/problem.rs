//! What is wrong with a first-level element as a stanza, and the answer to it. Not for payloads.

use pollux_domain::jid::Jid;
use pollux_xml::{Element, Text};

use super::{ErrorCondition, IqType, MessageType, PresenceType, Stanza, StanzaError, StanzaKind};
use crate::ns;
use crate::stream_error::{StreamCondition, StreamError};

/// Why an element is no stanza, or not one that can be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StanzaProblem {
    /// Another first-level element: closes the stream (RFC 6120 section 4.9.3.24) where nobody else
    /// wants it.
    NotStanza,
    /// The `from` is no address: closes the stream (RFC 6120 section 8.1.2.1).
    FromMalformed,
    /// A stanza to be refused.
    Refused {
        /// As it was sent; an IQ of no known type counts as a request, since it may be one.
        kind: StanzaKind,
        id: Option<Text>,
        /// Who the sender says it is, if it does.
        from: Option<Jid>,
        error: Box<StanzaError>,
    },
}

impl StanzaProblem {
    /// The error stanza to answer with: to the address in `from`, which the caller replaces by the
    /// one it knows. None for what must not be answered. A malformed `to` is not sent back (RFC
    /// 6120 section 8.3.1 rule 2).
    pub fn reply(&self) -> Option<Stanza> {
        let StanzaProblem::Refused {
            kind,
            id,
            from,
            error,
        } = self
        else {
            return None;
        };
        let refused = Stanza {
            id: id.clone(),
            from: from.clone(),
            ..Stanza::new(*kind)
        };
        refused.error_reply((**error).clone())
    }

    /// The error that closes the stream, for what is no single stanza's fault.
    pub fn stream_error(&self) -> Option<StreamError> {
        match self {
            StanzaProblem::NotStanza => Some(StreamCondition::UnsupportedStanzaType.into()),
            StanzaProblem::FromMalformed => Some(StreamCondition::InvalidFrom.into()),
            StanzaProblem::Refused { .. } => None,
        }
    }
}

/// Reads the common attributes of one element.
pub(super) struct Judge<'a> {
    element: &'a Element,
}

impl<'a> Judge<'a> {
    pub(super) fn new(element: &'a Element) -> Judge<'a> {
        Judge { element }
    }

    pub(super) fn kind(&self) -> Result<StanzaKind, StanzaProblem> {
        let wanted = self.element.attribute("type");
        match self.element.name() {
            // RFC 6121 section 5.2.2: a type that is not understood is "normal".
            "message" => Ok(wanted
                .and_then(MessageType::from_name)
                .unwrap_or(MessageType::Normal)
                .into()),
            "presence" => match wanted {
                None => Ok(PresenceType::Available.into()),
                // RFC 6121 section 4.7.1: availability is said by the absence of a type.
                Some(name) => PresenceType::from_name(name)
                    .filter(|kind| *kind != PresenceType::Available)
                    .map(StanzaKind::Presence)
                    .ok_or_else(|| {
                        self.bad_request(
                            PresenceType::Available,
                            "the type of a presence stanza is unknown",
                        )
                    }),
            },
            // RFC 6120 section 8.2.3 rule 2.
            _ => wanted
                .and_then(IqType::from_name)
                .map(StanzaKind::Iq)
                .ok_or_else(|| {
                    self.bad_request(
                        IqType::Get,
                        "the type of an IQ stanza is get, set, result or error",
                    )
                }),
        }
    }

    pub(super) fn to(&self, kind: StanzaKind) -> Result<Option<Jid>, StanzaProblem> {
        // RFC 6120 section 8.3.3.8.
        self.element
            .attribute("to")
            .map(Jid::parse)
            .transpose()
            .map_err(|error| {
                let answer = StanzaError::new(ErrorCondition::JidMalformed);
                self.refuse(kind, answer.with_text(error.to_string()))
            })
    }

    pub(super) fn from(&self) -> Result<Option<Jid>, StanzaProblem> {
        let from = self.element.attribute("from").map(Jid::parse);
        from.transpose().map_err(|_| StanzaProblem::FromMalformed)
    }

    /// RFC 6120 section 8.2.3 rules 1, 5, 6 and 7, and section 8.3.1 rules 4 and 7.
    pub(super) fn children(&self, kind: StanzaKind) -> Result<(), StanzaProblem> {
        let StanzaKind::Iq(iq) = kind else {
            return Ok(());
        };
        if self.element.attribute("id").is_none() {
            return Err(self.bad_request(iq, "an IQ stanza has an id"));
        }
        let count = self.element.elements().count();
        match iq {
            IqType::Get | IqType::Set if count != 1 => {
                Err(self.bad_request(iq, "a request has exactly one child"))
            }
            IqType::Result if count > 1 => {
                Err(self.bad_request(iq, "a result has at most one child"))
            }
            IqType::Error if self.element.find(ns::CLIENT, "error").is_none() => {
                Err(self.bad_request(iq, "an error has an error child"))
            }
            _ => Ok(()),
        }
    }

    fn bad_request(&self, kind: impl Into<StanzaKind>, why: &'static str) -> StanzaProblem {
        self.refuse(
            kind.into(),
            StanzaError::new(ErrorCondition::BadRequest).with_text(why),
        )
    }

    fn refuse(&self, kind: StanzaKind, error: StanzaError) -> StanzaProblem {
        StanzaProblem::Refused {
            kind,
            id: self.element.attribute_text("id"),
            from: self
                .element
                .attribute("from")
                .and_then(|from| Jid::parse(from).ok()),
            error: Box::new(error),
        }
    }
}
