//! Slots and announcements as the bytes that a client gets. Reads the database for answers that are
//! made afresh.

use std::io;

use bytes::Bytes;
use pollux_domain::blocking::BlockChange;
use pollux_domain::contact::{Contact, ListVersion};
use pollux_domain::contract::{Announcement, Copied, Parcel, ParcelKind, Slot, SlotBody};
use pollux_domain::ids::WallMs;
use pollux_domain::jid::Jid;
use pollux_domain::stanza_error::{Condition, Holding};
use pollux_domain::subscription::{Subscription, SubscriptionRequest};
use pollux_raft::rows;
use pollux_xml::{Element, StreamNamespaces};
use pollux_xmpp::blocking::{self, BlockRequest};
use pollux_xmpp::delay::Delay;
use pollux_xmpp::roster::{Roster, RosterItem, RosterRequest, RosterSubscription};
use pollux_xmpp::stanza::{
    ErrorCondition, IqType, MessageType, PresenceType, Stanza, StanzaError, StanzaKind,
};
use pollux_xmpp::{carbons, ns};

use super::questions::Question;
use crate::node::Node;

/// The bytes of a slot for the session of `jid`.
pub fn slot(node: &Node, jid: &Jid, slot: &Slot) -> io::Result<Bytes> {
    match &slot.body {
        SlotBody::Parcel(parcel) => Ok(parcel_bytes(parcel)),
        SlotBody::Carbon(parcel, copied) => Ok(carbon(jid, parcel, *copied)),
        SlotBody::Stored { .. } => {
            let parcel = rows::read(node.tables.as_ref(), slot.stanza)?;
            let parcel = parcel.ok_or_else(|| io::Error::other("a stored message is missing"))?;
            delayed(&parcel, &node.settings.domain)
        }
        SlotBody::Ask(request) => answer(node, jid, &stanza(request)?),
        SlotBody::Push(contact, version) => Ok(push(jid, contact, *version, slot.stanza.0)),
        SlotBody::BlockPush(change) => Ok(push_blocks(jid, change, slot.stanza.0)),
        SlotBody::Answer(bytes) => Ok(bytes.clone()),
        SlotBody::Bounce(parcel, condition) => bounce(parcel, *condition),
    }
}

/// `to` alone differs among the copies of an announcement: it goes in behind the name.
pub fn announcement(announcement: &Announcement) -> Bytes {
    const NAME: &[u8] = b"<presence";
    match &announcement.bytes {
        Some(bytes) if bytes.starts_with(NAME) => {
            let to = Element::new(ns::CLIENT, "presence").attr("to", announcement.to.to_string());
            let head = to.to_bytes(ns::CLIENT);
            let mut out = Vec::with_capacity(head.len() + bytes.len());
            // The empty element ends in "/>".
            out.extend_from_slice(&head[..head.len() - 2]);
            out.extend_from_slice(&bytes[NAME.len()..]);
            out.into()
        }
        _ => Stanza::new(StanzaKind::Presence(PresenceType::Unavailable))
            .from(announcement.from.clone())
            .to(announcement.to.clone())
            .to_bytes(),
    }
}

fn stanza(bytes: &[u8]) -> io::Result<Stanza> {
    let element = Element::parse(bytes, &StreamNamespaces::new(ns::CLIENT))
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Stanza::from_element(element)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "what was kept is no stanza"))
}

fn parcel_bytes(parcel: &Parcel) -> Bytes {
    match parcel.kind {
        ParcelKind::Subscription(request) if parcel.bytes.is_empty() => {
            let kind = match request {
                SubscriptionRequest::Subscribe => PresenceType::Subscribe,
                SubscriptionRequest::Subscribed => PresenceType::Subscribed,
                SubscriptionRequest::Unsubscribe => PresenceType::Unsubscribe,
                SubscriptionRequest::Unsubscribed => PresenceType::Unsubscribed,
            };
            Stanza::new(StanzaKind::Presence(kind))
                .from(parcel.from.to_bare())
                .to(parcel.to.clone())
                .to_bytes()
        }
        _ => parcel.bytes.clone(),
    }
}

/// XEP-0160 section 3, XEP-0203: when it was sent, and that the server says so.
fn delayed(parcel: &Parcel, domain: &str) -> io::Result<Bytes> {
    let mut stanza = stanza(&parcel.bytes)?;
    let WallMs(stamp_ms) = parcel.sent;
    let from = Jid::parse(domain).ok();
    stanza.payload.push(
        Delay {
            from,
            stamp_ms,
            reason: None,
        }
        .to_element(),
    );
    Ok(stanza.to_bytes())
}

fn carbon(jid: &Jid, parcel: &Parcel, copied: Copied) -> Bytes {
    let wrapper = match copied {
        Copied::Sent => "sent",
        Copied::Received => "received",
    };
    let kind = match parcel.kind {
        ParcelKind::Chat => MessageType::Chat,
        ParcelKind::Headline => MessageType::Headline,
        // Nothing else is copied.
        _ => MessageType::Normal,
    };
    carbons::wrap(wrapper, kind, jid, &parcel.bytes)
}

fn bounce(parcel: &Parcel, condition: Condition) -> io::Result<Bytes> {
    let mut stanza = stanza(&parcel_bytes(parcel))?;
    stanza.from = Some(parcel.from.clone());
    if parcel.kind == ParcelKind::Directed {
        // Its bytes have no `to` of their own; a request to the own account has none either, and is
        // answered so.
        stanza.to = Some(parcel.to.clone());
    }
    let reply = stanza.error_reply(wire_error(condition));
    let reply = reply.ok_or_else(|| io::Error::other("an error would answer an error"))?;
    Ok(reply.to_bytes())
}

/// A limit is told with what there is.
fn wire_error(condition: Condition) -> StanzaError {
    let condition = match condition {
        Condition::Full(full) => {
            let condition = match full.of {
                Holding::Stored => ErrorCondition::ServiceUnavailable,
                _ => ErrorCondition::ResourceConstraint,
            };
            return StanzaError::new(condition).with_text(full.to_string());
        }
        Condition::Blocked => return blocking::refusal(),
        Condition::BadRequest => ErrorCondition::BadRequest,
        Condition::FeatureNotImplemented => ErrorCondition::FeatureNotImplemented,
        Condition::Forbidden => ErrorCondition::Forbidden,
        Condition::ItemNotFound => ErrorCondition::ItemNotFound,
        Condition::JidMalformed => ErrorCondition::JidMalformed,
        Condition::NotAcceptable => ErrorCondition::NotAcceptable,
        Condition::NotAllowed => ErrorCondition::NotAllowed,
        Condition::PolicyViolation => ErrorCondition::PolicyViolation,
        Condition::RecipientUnavailable => ErrorCondition::RecipientUnavailable,
        Condition::RemoteServerNotFound => ErrorCondition::RemoteServerNotFound,
        Condition::ResourceConstraint => ErrorCondition::ResourceConstraint,
        Condition::ServiceUnavailable => ErrorCondition::ServiceUnavailable,
    };
    condition.into()
}

/// RFC 6121 sections 2.1.6 and 2.6.3.
fn push(jid: &Jid, contact: &Contact, version: ListVersion, number: u64) -> Bytes {
    let roster = Roster {
        ver: Some(version.to_string().into()),
        items: vec![item(contact)],
    };
    Stanza::new(StanzaKind::Iq(IqType::Set))
        .to(jid.clone())
        .id(format!("push-{number}"))
        .payload(roster.to_element())
        .to_bytes()
}

/// XEP-0191 section 3.3.
fn push_blocks(jid: &Jid, change: &BlockChange, number: u64) -> Bytes {
    Stanza::new(StanzaKind::Iq(IqType::Set))
        .to(jid.clone())
        .id(format!("push-{number}"))
        .payload(blocking::change(change))
        .to_bytes()
}

fn item(contact: &Contact) -> RosterItem {
    let subscription = match contact.relation.subscription() {
        _ if !contact.listed => RosterSubscription::Remove,
        Subscription::None => RosterSubscription::None,
        Subscription::To => RosterSubscription::To,
        Subscription::From => RosterSubscription::From,
        Subscription::Both => RosterSubscription::Both,
    };
    RosterItem {
        jid: contact.jid.to_jid(),
        name: contact.name.clone().map(Into::into),
        subscription,
        is_asking: contact.relation.pending_out,
        is_approved: contact.relation.approved,
        groups: contact
            .groups
            .iter()
            .map(|group| group.clone().into())
            .collect(),
    }
}

/// The answer to what another group asks about a user of this one.
pub fn inquiry(node: &Node, parcel: &Parcel) -> io::Result<Bytes> {
    answer(node, &parcel.from, &stanza(&parcel.bytes)?)
}

/// The answer to a get to the server, to the own account or about another user, from the database
/// as it is now. `jid`: who asks.
pub fn answer(node: &Node, jid: &Jid, request: &Stanza) -> io::Result<Bytes> {
    if let Some(Ok(BlockRequest::List)) = BlockRequest::from_stanza(request) {
        let reply = request.result(Some(block_list(node, jid)));
        let reply = reply.map(|reply| reply.to_bytes());
        return reply.ok_or_else(|| io::Error::other("the kept request is no request"));
    }
    let payload = match (RosterRequest::from_stanza(request), Question::of(request)) {
        (Some(Ok(RosterRequest::Get { ver })), _) => {
            let known = ver.and_then(|ver| ListVersion::parse(&ver));
            Ok(contact_list(node, jid, known))
        }
        (_, Some(question)) => question.answer(node, jid, request.to.as_ref()),
        _ => Ok(None),
    };
    let reply = match payload {
        Ok(payload) => request.result(payload),
        Err(condition) => request.error_reply(condition.into()),
    };
    let reply = reply.ok_or_else(|| io::Error::other("the kept request is no request"))?;
    Ok(reply.to_bytes())
}

fn block_list(node: &Node, jid: &Jid) -> Element {
    let entries = node
        .subcluster
        .read(|state| state.block_list(&jid.to_bare()));
    blocking::list(entries)
}

/// RFC 6121 section 2.6.3: nothing where the client knows the list, or is told by pushes what it
/// does not know of it.
fn contact_list(node: &Node, jid: &Jid, known: Option<ListVersion>) -> Option<Element> {
    let user = jid.to_bare();
    let (contacts, version) = node.subcluster.read(|state| {
        let is_known = known.is_some_and(|known| state.knows_list(&user, known));
        (!is_known).then(|| (state.contacts(&user), state.list_version(&user)))
    })?;
    let roster = Roster {
        ver: Some(version.to_string().into()),
        items: contacts.iter().map(item).collect(),
    };
    Some(roster.to_element())
}
