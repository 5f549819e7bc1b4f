//! Message, presence and IQ (RFC 6120 section 8). Not for what their payload means, nor for who
//! gets them.

mod error;
mod kind;
mod message;
mod plain;
mod presence;
mod problem;

#[cfg(test)]
mod stanza_test;

use bytes::Bytes;
use pollux_domain::jid::Jid;
use pollux_xml::{Element, Text};

use crate::ns;

pub use error::{ErrorCondition, ErrorType, StanzaError};
pub use kind::{IqType, MessageType, PresenceType, StanzaKind};
pub use plain::PlainMessage;
pub use presence::Show;
pub use problem::StanzaProblem;

/// A stanza whose common attributes are right. Its payload is in `jabber:client`, whatever the
/// stream it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza {
    pub kind: StanzaKind,
    pub to: Option<Jid>,
    pub from: Option<Jid>,
    pub id: Option<Text>,
    pub lang: Option<Text>,
    pub payload: Vec<Element>,
}

impl Stanza {
    pub fn new(kind: impl Into<StanzaKind>) -> Stanza {
        let kind = kind.into();
        Stanza {
            kind,
            to: None,
            from: None,
            id: None,
            lang: None,
            payload: Vec::new(),
        }
    }

    pub fn to(self, to: impl Into<Jid>) -> Stanza {
        Stanza {
            to: Some(to.into()),
            ..self
        }
    }

    pub fn from(self, from: impl Into<Jid>) -> Stanza {
        Stanza {
            from: Some(from.into()),
            ..self
        }
    }

    pub fn id(self, id: impl Into<Text>) -> Stanza {
        Stanza {
            id: Some(id.into()),
            ..self
        }
    }

    pub fn payload(mut self, child: Element) -> Stanza {
        self.payload.push(child);
        self
    }

    /// The first child of this name.
    pub fn find(&self, namespace: &str, name: &str) -> Option<&Element> {
        self.payload
            .iter()
            .find(|element| element.is(namespace, name))
    }

    /// The one child of an IQ request, or of a result that has any.
    pub fn request(&self) -> Option<&Element> {
        match self.kind {
            StanzaKind::Iq(_) => self.payload.first(),
            _ => None,
        }
    }

    /// Judges a first-level element by RFC 6120 sections 8.1 and 8.2.
    pub fn from_element(mut element: Element) -> Result<Stanza, StanzaProblem> {
        // RFC 6120 section 4.8.3: the two content namespaces differ in nothing else.
        element.rescope(ns::SERVER, ns::CLIENT);
        if element.namespace() != ns::CLIENT || !StanzaKind::is_name(element.name()) {
            return Err(StanzaProblem::NotStanza);
        }
        let judge = problem::Judge::new(&element);
        let kind = judge.kind()?;
        let to = judge.to(kind)?;
        let from = judge.from()?;
        judge.children(kind)?;
        let (id, lang) = (
            element.attribute_text("id"),
            element.attribute_text("xml:lang"),
        );
        Ok(Stanza {
            kind,
            to,
            from,
            id,
            lang,
            payload: element.into_elements().collect(),
        })
    }

    /// The element in `jabber:client`.
    pub fn to_element(&self) -> Element {
        Element::new(ns::CLIENT, self.kind.name())
            .attr_opt(
                "from",
                self.from.as_ref().map(|jid| jid.as_str().to_owned()),
            )
            .attr_opt("to", self.to.as_ref().map(|jid| jid.as_str().to_owned()))
            .attr_opt("id", self.id.as_ref())
            .attr_opt("type", self.kind.type_attribute())
            .attr_opt("xml:lang", self.lang.as_ref())
            .children(self.payload.iter().cloned())
    }

    /// The octets for a client's stream.
    pub fn to_bytes(&self) -> Bytes {
        self.to_element().to_bytes(ns::CLIENT)
    }

    /// The octets for a stream between servers.
    pub fn to_server_bytes(&self) -> Bytes {
        let mut element = self.to_element();
        element.rescope(ns::CLIENT, ns::SERVER);
        element.to_bytes(ns::SERVER)
    }

    /// The answer to an IQ request; none to anything else (RFC 6120 section 8.2.3 rule 4).
    pub fn result(&self, payload: Option<Element>) -> Option<Stanza> {
        self.kind.is_request().then(|| Stanza {
            kind: StanzaKind::Iq(IqType::Result),
            to: self.from.clone(),
            from: self.to.clone(),
            id: self.id.clone(),
            lang: None,
            payload: payload.into_iter().collect(),
        })
    }

    /// The error for this stanza; none for an error or a result (RFC 6120 section 8.3.1 rule 8,
    /// section 8.2.3 rule 4). The original payload is not sent back.
    pub fn error_reply(&self, error: StanzaError) -> Option<Stanza> {
        // Section 8.3.1 rule 3: the error for an IQ has an id, empty where the request had none.
        let id = match self.kind {
            StanzaKind::Iq(_) => Some(self.id.clone().unwrap_or_default()),
            _ => self.id.clone(),
        };
        self.kind.may_be_answered().then(|| Stanza {
            kind: self.kind.to_error(),
            to: self.from.clone(),
            from: self.to.clone(),
            id,
            lang: None,
            payload: vec![error.to_element()],
        })
    }

    /// What an error stanza says.
    pub fn error(&self) -> Option<StanzaError> {
        if !self.kind.is_error() {
            return None;
        }
        self.find(ns::CLIENT, "error")
            .map(StanzaError::from_element)
    }
}
