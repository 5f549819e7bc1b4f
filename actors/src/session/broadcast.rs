//! One message to several users (XEP-0033): what the client addresses to the server becomes one
//! entry with a message for each recipient. Not for where each of them goes.

use pollux_domain::contract::Action;
use pollux_domain::jid::Jid;
use pollux_domain::limits;
use pollux_xmpp::addresses::Addresses;
use pollux_xmpp::ns;
use pollux_xmpp::stanza::{ErrorCondition, MessageType, Stanza, StanzaError, StanzaKind};

use super::decide::{self, Sender};

/// Whether a stanza to the server is for others.
pub fn is_broadcast(stanza: &Stanza) -> bool {
    matches!(stanza.kind, StanzaKind::Message(_)) && stanza.find(ns::ADDRESS, "addresses").is_some()
}

/// The action of such a message. `most`: recipients that it may have.
pub fn decide(mut stanza: Stanza, most: usize, sender: Sender<'_>) -> Action {
    stanza.from = Some(sender.jid.clone());
    match messages(&stanza, most, sender) {
        Ok(action) => action,
        Err(error) => decide::refuse(&stanza, error),
    }
}

fn messages(stanza: &Stanza, most: usize, sender: Sender<'_>) -> Result<Action, StanzaError> {
    let StanzaKind::Message(kind) = stanza.kind else {
        return Err(ErrorCondition::BadRequest.into());
    };
    if most == 0 {
        return Err(ErrorCondition::ServiceUnavailable.into());
    }
    if matches!(kind, MessageType::Groupchat | MessageType::Error) {
        return Err(ErrorCondition::BadRequest.into());
    }
    let is_addresses = |child: &&pollux_xml::Element| child.is(ns::ADDRESS, "addresses");
    let mut headers = stanza.payload.iter().filter(is_addresses);
    let (Some(header), None) = (headers.next(), headers.next()) else {
        return Err(bad_request("a message has one `addresses`"));
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
    let kind = decide::parcel_kind(kind);
    let parcels = recipients.into_iter().map(|to| {
        let mut copy = stanza.clone();
        copy.to = Some(to.clone());
        for child in &mut copy.payload {
            if is_addresses(&&*child) {
                *child = addresses.shown_to(to);
            }
        }
        decide::parcel(&copy, to.clone(), kind, sender)
    });
    let parcels: Vec<_> = parcels.collect();
    let bytes: usize = parcels.iter().map(|parcel| parcel.bytes.len()).sum();
    if limits::BROADCAST_BYTES_MAX < bytes {
        let error = StanzaError::new(ErrorCondition::PolicyViolation);
        let most = limits::BROADCAST_BYTES_MAX;
        return Err(error.with_text(format!("{bytes} octets for all; {most} are the most")));
    }
    let server = stanza.to.clone().unwrap_or_else(|| sender.jid.clone());
    Ok(Action::Broadcast {
        outer: decide::parcel(stanza, server, kind, sender),
        parcels,
    })
}

fn bad_request(why: &'static str) -> StanzaError {
    StanzaError::new(ErrorCondition::BadRequest).with_text(why)
}
