//! What a client keeps with the server, and what it asks about other users: requests that concern a
//! user's data rather than a conversation. Functions of the stanza and its sender, as `decide`;
//! what is answered stands in `questions`.

use bytes::Bytes;
use pollux_domain::contract::{Action, ParcelKind};
use pollux_domain::document::DocumentName;
use pollux_domain::jid::Jid;
use pollux_xml::Element;
use pollux_xmpp::private_data::{self, PrivateRequest};
use pollux_xmpp::stanza::{ErrorCondition, IqType, Stanza, StanzaKind};
use pollux_xmpp::{ns, vcard};

use super::decide::{Sender, ask, parcel, refuse, result};
use super::questions::Question;

/// A set of the own vCard or of own private data, or a request for the latter that cannot be. None:
/// something else.
pub(super) fn set(stanza: &Stanza, sender: Sender<'_>) -> Option<Action> {
    if let Some(vcard) = vcard::set(stanza) {
        let kept = vcard.map(|vcard| vec![(DocumentName::VCard, vcard)]);
        return Some(match kept {
            Ok(documents) => keep(stanza, documents, sender),
            Err(error) => refuse(stanza, error),
        });
    }
    match PrivateRequest::from_stanza(stanza)? {
        Ok(PrivateRequest::Set(documents)) => {
            let documents = documents.into_iter();
            let documents = documents.map(|(name, octets)| (DocumentName::Private(name), octets));
            Some(keep(stanza, documents.collect(), sender))
        }
        Ok(PrivateRequest::Get(_)) => None,
        Err(error) => Some(refuse(stanza, error)),
    }
}

fn keep(stanza: &Stanza, documents: Vec<(DocumentName, Bytes)>, sender: Sender<'_>) -> Action {
    // An error would need the head of the request alone.
    let head = Stanza {
        payload: vec![Element::new(ns::PRIVATE, "query")],
        ..stanza.clone()
    };
    let account = sender.jid.to_bare().to_jid();
    Action::Keep {
        iq: parcel(&head, account, ParcelKind::IqRequest, sender),
        result: result(stanza),
        documents,
    }
}

/// RFC 6121 section 8.5.2.1.3: an IQ to another user's bare address, which the server answers for
/// the user.
pub(super) fn about_user(stanza: Stanza, to: Jid, sender: Sender<'_>) -> Action {
    if is_forbidden(&stanza) {
        return refuse(&stanza, ErrorCondition::Forbidden);
    }
    if !Question::of(&stanza).is_some_and(|question| question.is_about_users()) {
        return refuse(&stanza, ErrorCondition::ServiceUnavailable);
    }
    ask(&stanza, |_request| {
        Action::Inquire(parcel(&stanza, to, ParcelKind::IqRequest, sender))
    })
}

/// What is a user's own business: RFC 6121 section 2.3.3, XEP-0049 section 3, XEP-0054 section 3.2.
fn is_forbidden(stanza: &Stanza) -> bool {
    let is_set = stanza.kind == StanzaKind::Iq(IqType::Set);
    let sets = |namespace, name| is_set && stanza.find(namespace, name).is_some();
    private_data::is_request(stanza) || sets(ns::ROSTER, "query") || sets(ns::VCARD, "vCard")
}
