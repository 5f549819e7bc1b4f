//! XEP-0280: Message Carbons, wrapped as XEP-0297 says. Not for who gets one.

use bytes::Bytes;
use pollux_domain::jid::Jid;

use crate::ns;
use crate::stanza::{IqType, MessageType, Stanza, StanzaKind};

/// Whether a request turns carbons on or off (sections 4, 5). None: it is about something else.
pub fn request(stanza: &Stanza) -> Option<bool> {
    if stanza.kind != StanzaKind::Iq(IqType::Set) {
        return None;
    }
    let asks = |name| stanza.find(ns::CARBONS, name).is_some();
    match (asks("enable"), asks("disable")) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// A copy of `message`, the bytes of one as a client's stream has them, for the device `to`
/// (sections 7, 8). `wrapper`: `sent` or `received`. `kind`: the type of the message.
pub fn wrap(wrapper: &str, kind: MessageType, to: &Jid, message: &[u8]) -> Bytes {
    const NAME: &[u8] = b"<message";
    let shell = Stanza::new(StanzaKind::Message(kind))
        .from(to.to_bare().to_jid())
        .to(to.clone())
        .to_bytes();
    // An element without children ends in "/>".
    let head = shell.strip_suffix(b"/>").unwrap_or(&shell);
    let (carbons, forward, client) = (ns::CARBONS, ns::FORWARD, ns::CLIENT);
    let before = format!(
        "><{wrapper} xmlns='{carbons}'><forwarded xmlns='{forward}'><message xmlns='{client}'"
    );
    let after = format!("</forwarded></{wrapper}></message>");
    // The message goes in as it is: it is not parsed again.
    let message = message.strip_prefix(NAME).unwrap_or(message);
    [head, before.as_bytes(), message, after.as_bytes()]
        .concat()
        .into()
}

#[cfg(test)]
mod tests {
    use pollux_xml::{Element, StreamNamespaces};

    use super::*;

    #[test]
    fn a_copy_holds_the_message_as_it_was() {
        let to = Jid::parse("ann@example.org/a&b").unwrap();
        let message =
            b"<message from='ben@example.org/x' to='ann@example.org'><body>Hi</body></message>";
        let copy = wrap("received", MessageType::Chat, &to, message);
        let copy = Element::parse(&copy, &StreamNamespaces::new(ns::CLIENT)).unwrap();
        let stanza = Stanza::from_element(copy).unwrap();
        assert_eq!(stanza.from, Some(to.to_bare().to_jid()));
        assert_eq!(stanza.to, Some(to));
        assert_eq!(stanza.kind, StanzaKind::Message(MessageType::Chat));
        let received = stanza.find(ns::CARBONS, "received").unwrap();
        let forwarded = received.find(ns::FORWARD, "forwarded").unwrap();
        let inner = forwarded.find(ns::CLIENT, "message").unwrap();
        assert_eq!(inner.to_bytes(ns::CLIENT), &message[..]);
    }

    #[test]
    fn on_and_off() {
        let ask = |kind, name: &'static str| {
            request(&Stanza::new(kind).payload(Element::new(ns::CARBONS, name)))
        };
        assert_eq!(ask(IqType::Set, "enable"), Some(true));
        assert_eq!(ask(IqType::Set, "disable"), Some(false));
        assert_eq!(ask(IqType::Get, "enable"), None);
        assert_eq!(ask(IqType::Set, "private"), None);
    }
}
