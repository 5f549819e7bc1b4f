//! The three kinds of stanza and their types (RFC 6121 sections 5.2.2 and 4.7.1, RFC 6120 section
//! 8.2.3). Not for the rules on a stanza's children: see `problem`.

use crate::names::named;

named! {
    /// RFC 6121 section 5.2.2.
    MessageType {
        Normal = "normal",
        Chat = "chat",
        Groupchat = "groupchat",
        Headline = "headline",
        Error = "error",
    }
}

named! {
    /// RFC 6121 section 4.7.1; `available` is the absence of a type and is never written.
    PresenceType {
        Available = "available",
        Unavailable = "unavailable",
        Subscribe = "subscribe",
        Subscribed = "subscribed",
        Unsubscribe = "unsubscribe",
        Unsubscribed = "unsubscribed",
        Probe = "probe",
        Error = "error",
    }
}

named! {
    /// RFC 6120 section 8.2.3.
    IqType {
        Get = "get",
        Set = "set",
        Result = "result",
        Error = "error",
    }
}

/// What a stanza is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StanzaKind {
    Message(MessageType),
    Presence(PresenceType),
    Iq(IqType),
}

impl StanzaKind {
    pub(super) fn is_name(name: &str) -> bool {
        matches!(name, "message" | "presence" | "iq")
    }

    /// The name of the element.
    pub fn name(self) -> &'static str {
        match self {
            StanzaKind::Message(_) => "message",
            StanzaKind::Presence(_) => "presence",
            StanzaKind::Iq(_) => "iq",
        }
    }

    /// The type, where it is not the default.
    pub fn type_attribute(self) -> Option<&'static str> {
        match self {
            StanzaKind::Message(MessageType::Normal) => None,
            StanzaKind::Presence(PresenceType::Available) => None,
            StanzaKind::Message(kind) => Some(kind.as_str()),
            StanzaKind::Presence(kind) => Some(kind.as_str()),
            StanzaKind::Iq(kind) => Some(kind.as_str()),
        }
    }

    pub fn is_error(self) -> bool {
        self == self.to_error()
    }

    /// An IQ that must be answered.
    pub fn is_request(self) -> bool {
        matches!(self, StanzaKind::Iq(IqType::Get | IqType::Set))
    }

    /// An error may be sent back for it.
    pub fn may_be_answered(self) -> bool {
        !self.is_error() && self != StanzaKind::Iq(IqType::Result)
    }

    /// The error of the same kind (RFC 6120 section 8.3).
    pub fn to_error(self) -> StanzaKind {
        match self {
            StanzaKind::Message(_) => StanzaKind::Message(MessageType::Error),
            StanzaKind::Presence(_) => StanzaKind::Presence(PresenceType::Error),
            StanzaKind::Iq(_) => StanzaKind::Iq(IqType::Error),
        }
    }
}

impl From<MessageType> for StanzaKind {
    fn from(kind: MessageType) -> StanzaKind {
        StanzaKind::Message(kind)
    }
}

impl From<PresenceType> for StanzaKind {
    fn from(kind: PresenceType) -> StanzaKind {
        StanzaKind::Presence(kind)
    }
}

impl From<IqType> for StanzaKind {
    fn from(kind: IqType) -> StanzaKind {
        StanzaKind::Iq(kind)
    }
}
