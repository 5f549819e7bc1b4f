//! One message, or one word of presence, to several users (XEP-0033): what the client addresses to
//! the server becomes one entry with a copy for each recipient. Not for where each of them goes.

use pollux_domain::contract::{Action, ParcelKind};
use pollux_domain::jid::Jid;
use pollux_domain::limits;
use pollux_xml::Element;
use pollux_xmpp::addresses::Addresses;
use pollux_xmpp::ns;
use pollux_xmpp::stanza::{
    ErrorCondition, MessageType, PresenceType, Stanza, StanzaError, StanzaKind,
};

use super::decide::{self, Sender};

/// Whether a stanza to the server is for others.
pub fn is_broadcast(stanza: &Stanza) -> bool {
    use PresenceType::{Available, Unavailable};
    let may_be = matches!(
        stanza.kind,
        StanzaKind::Message(_) | StanzaKind::Presence(Available | Unavailable)
    );
    may_be && stanza.payload.iter().any(is_addresses)
}

/// The action of such a stanza. `most`: recipients that it may have.
pub fn decide(mut stanza: Stanza, most: usize, sender: Sender<'_>) -> Action {
    decide::stamp(&mut stanza, sender);
    let action = match stanza.kind {
        StanzaKind::Message(kind) => messages(&stanza, kind, most, sender),
        // Section 5.1.
        _ => presence(&stanza, most, sender),
    };
    action.unwrap_or_else(|error| decide::refuse(&stanza, error))
}

fn messages(
    stanza: &Stanza,
    kind: MessageType,
    most: usize,
    sender: Sender<'_>,
) -> Result<Action, StanzaError> {
    if matches!(kind, MessageType::Groupchat | MessageType::Error) {
        return Err(ErrorCondition::BadRequest.into());
    }
    let kind = decide::parcel_kind(kind);
    let copies = copies(stanza, most, sender)?.into_iter();
    let parcels = copies.map(|(to, mut copy)| {
        copy.to = Some(to.clone());
        decide::parcel(&copy, to, kind, sender)
    });
    let parcels: Vec<_> = parcels.collect();
    check_size(parcels.iter().map(|parcel| parcel.bytes.len()).sum())?;
    Ok(Action::Broadcast {
        outer: decide::parcel(stanza, server(stanza, sender), kind, sender),
        parcels,
    })
}

fn presence(stanza: &Stanza, most: usize, sender: Sender<'_>) -> Result<Action, StanzaError> {
    stanza.priority()?;
    let copies = copies(stanza, most, sender)?.into_iter();
    // What is announced has no `to` of its own: it is put in where it goes to.
    let copies: Vec<_> = copies.map(|(to, copy)| (to, copy.to_bytes())).collect();
    check_size(copies.iter().map(|(_, bytes)| bytes.len()).sum())?;
    Ok(Action::DirectedToSeveral {
        outer: decide::parcel(stanza, server(stanza, sender), ParcelKind::Directed, sender),
        available: stanza.kind == StanzaKind::Presence(PresenceType::Available),
        copies,
    })
}

/// What each recipient gets, without `to`.
fn copies(
    stanza: &Stanza,
    most: usize,
    sender: Sender<'_>,
) -> Result<Vec<(Jid, Stanza)>, StanzaError> {
    if most == 0 {
        return Err(ErrorCondition::ServiceUnavailable.into());
    }
    let mut headers = stanza.payload.iter().filter(|child| is_addresses(child));
    let (Some(header), None) = (headers.next(), headers.next()) else {
        return Err(bad_request("a stanza has one `addresses`"));
    };
    let addresses = Addresses::from_element(header)?;
    let recipients: Vec<&Jid> = addresses.recipients().collect();
    if recipients.is_empty() {
        return Err(bad_request("nobody is addressed"));
    }
    if most < recipients.len() {
        let count = recipients.len();
        let error = StanzaError::new(ErrorCondition::NotAcceptable);
        return Err(error.with_text(format!("{count} recipients; {most} are the most")));
    }
    let here = |to: &&Jid| to.domain() == sender.domain && to.local().is_some();
    if let Some(other) = recipients.iter().find(|to| !here(to)) {
        let error = StanzaError::new(ErrorCondition::Forbidden);
        return Err(error.with_text(format!("nothing goes to {other} from here")));
    }
    let copies = recipients.into_iter().map(|to| {
        let mut copy = stanza.clone();
        copy.to = None;
        for child in copy.payload.iter_mut().filter(|child| is_addresses(child)) {
            *child = addresses.shown_to(to);
        }
        (to.clone(), copy)
    });
    Ok(copies.collect())
}

fn is_addresses(child: &Element) -> bool {
    child.is(ns::ADDRESS, "addresses")
}

/// Of all copies.
fn check_size(bytes: usize) -> Result<(), StanzaError> {
    let most = limits::BROADCAST_BYTES_MAX;
    if most < bytes {
        let error = StanzaError::new(ErrorCondition::PolicyViolation);
        return Err(error.with_text(format!("{bytes} octets for all; {most} are the most")));
    }
    Ok(())
}

fn server(stanza: &Stanza, sender: Sender<'_>) -> Jid {
    stanza.to.clone().unwrap_or_else(|| sender.jid.clone())
}

fn bad_request(why: &'static str) -> StanzaError {
    StanzaError::new(ErrorCondition::BadRequest).with_text(why)
}
