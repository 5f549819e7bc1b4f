//! What a client's stanza does, as a command's action: a function of the stanza and its sender. Not
//! for where a parcel goes: the database decides that.

use std::sync::Arc;

use bytes::Bytes;
use pollux_domain::availability::{DeviceAvailability, Show};
use pollux_domain::blocking::BlockChange;
use pollux_domain::contact::ListVersion;
use pollux_domain::contract::{Action, ContactChange, Parcel, ParcelKind};
use pollux_domain::hints::Hints;
use pollux_domain::ids::WallMs;
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::limits;
use pollux_domain::subscription::SubscriptionRequest;
use pollux_xml::Text;
use pollux_xmpp::blocking::BlockRequest;
use pollux_xmpp::roster::RosterRequest;
use pollux_xmpp::stanza::{
    ErrorCondition, MessageType, PlainMessage, PresenceType, Show as WireShow, Stanza, StanzaError,
    StanzaKind,
};
use pollux_xmpp::{carbons, hints, last_activity, session};

use super::questions::Question;
use super::stored;

/// Who speaks, and where.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    pub jid: &'a Jid,
    /// The domain that this cluster serves.
    pub domain: &'a str,
    pub now: WallMs,
    /// In which it is said what does not name its own language; none needs none.
    pub lang: Option<&'a Text>,
}

/// Whom a stanza concerns.
enum Target {
    /// The sender's own account, or nobody named.
    Account,
    /// The server itself.
    Server,
    /// A resource of the server's (RFC 6120 section 10.5.2): there is none.
    ServerResource,
    /// A user of this domain, or one of the user's devices.
    User(Jid),
    /// Another domain, which is not served yet.
    Foreign,
}

/// What the server adds to a stanza that its client sends: the sender's address in place of what
/// stands there (RFC 6120 section 8.1.2.1), and the language where none does (section 8.1.5).
pub(super) fn stamp(stanza: &mut Stanza, sender: Sender<'_>) {
    stanza.from = Some(sender.jid.clone());
    if stanza.lang.is_none() {
        stanza.lang = sender.lang.cloned();
    }
}

/// The action of a stanza.
pub fn decide(mut stanza: Stanza, sender: Sender<'_>) -> Action {
    stamp(&mut stanza, sender);
    let target = target(stanza.to.as_ref(), sender);
    match stanza.kind {
        StanzaKind::Message(kind) => message(stanza, kind, target, sender),
        StanzaKind::Presence(kind) => presence(stanza, kind, target, sender),
        StanzaKind::Iq(_) => iq(stanza, target, sender),
    }
}

/// The same for a message that needs no tree. None: it does, or is for nobody here.
pub fn decide_plain(message: &PlainMessage<'_>, sender: Sender<'_>) -> Option<Action> {
    // RFC 6120 section 8.1.2.1: the own address, full or bare; what is written otherwise is parsed.
    let own = |from: &str| from == sender.jid.as_str() || from == sender.jid.bare_str();
    if !message.from.is_none_or(own) {
        return None;
    }
    let to = message.to.map(Jid::parse).transpose().ok()?;
    let to = match target(to.as_ref(), sender) {
        Target::Account => sender.jid.to_bare().to_jid(),
        Target::User(to) => to,
        Target::Server | Target::ServerResource | Target::Foreign => return None,
    };
    let lang = sender.lang.map(Text::as_str);
    let bytes = message.to_bytes(sender.jid, &to, lang)?;
    Some(Action::Send(Arc::new(Parcel {
        from: sender.jid.clone(),
        to,
        kind: parcel_kind(message.kind),
        bytes,
        sent: sender.now,
        hints: message.hints,
    })))
}

/// The stanza comes back as an error, where one is due.
pub fn refuse(stanza: &Stanza, error: impl Into<StanzaError>) -> Action {
    match stanza.error_reply(error.into()) {
        Some(reply) => Action::Answer(reply.to_bytes()),
        None => Action::Nothing,
    }
}

fn target(to: Option<&Jid>, sender: Sender<'_>) -> Target {
    let Some(to) = to else { return Target::Account };
    if to.domain() != sender.domain {
        return Target::Foreign;
    }
    if to.local().is_none() {
        return match to.resource() {
            None => Target::Server,
            Some(_) => Target::ServerResource,
        };
    }
    if to.resource().is_none() && to.as_str() == sender.jid.bare_str() {
        return Target::Account;
    }
    Target::User(to.clone())
}

pub(super) fn parcel(
    stanza: &Stanza,
    to: Jid,
    kind: ParcelKind,
    sender: Sender<'_>,
) -> Arc<Parcel> {
    let hints = match stanza.kind {
        StanzaKind::Message(_) => hints::of(&stanza.payload),
        // XEP-0012 section 4: not even a device is asked for one who does not see its user.
        StanzaKind::Iq(_) => Hints {
            needs_sight: last_activity::is_request(stanza),
            ..Hints::default()
        },
        StanzaKind::Presence(_) => Hints::default(),
    };
    Arc::new(Parcel {
        from: sender.jid.clone(),
        to,
        kind,
        bytes: stanza.to_bytes(),
        sent: sender.now,
        hints,
    })
}

pub(super) fn parcel_kind(kind: MessageType) -> ParcelKind {
    match kind {
        MessageType::Normal => ParcelKind::Normal,
        MessageType::Chat => ParcelKind::Chat,
        MessageType::Groupchat => ParcelKind::Groupchat,
        MessageType::Headline => ParcelKind::Headline,
        MessageType::Error => ParcelKind::MessageError,
    }
}

fn message(stanza: Stanza, kind: MessageType, target: Target, sender: Sender<'_>) -> Action {
    let kind = parcel_kind(kind);
    match target {
        // RFC 6120 section 10.3.1: as if to the own bare address.
        Target::Account => {
            Action::Send(parcel(&stanza, sender.jid.to_bare().to_jid(), kind, sender))
        }
        Target::User(to) => Action::Send(parcel(&stanza, to, kind, sender)),
        Target::Server | Target::ServerResource => {
            refuse(&stanza, ErrorCondition::ServiceUnavailable)
        }
        Target::Foreign => refuse(&stanza, ErrorCondition::RemoteServerNotFound),
    }
}

fn presence(stanza: Stanza, kind: PresenceType, target: Target, sender: Sender<'_>) -> Action {
    let request = match kind {
        PresenceType::Subscribe => SubscriptionRequest::Subscribe,
        PresenceType::Subscribed => SubscriptionRequest::Subscribed,
        PresenceType::Unsubscribe => SubscriptionRequest::Unsubscribe,
        PresenceType::Unsubscribed => SubscriptionRequest::Unsubscribed,
        PresenceType::Available => return availability(stanza, true, target),
        PresenceType::Unavailable => return availability(stanza, false, target),
        // RFC 6121 section 4.3: a probe changes nothing. Errors need no answer.
        PresenceType::Probe | PresenceType::Error => return Action::Nothing,
    };
    match target {
        Target::User(to) => subscription(stanza, to.to_bare(), request, sender),
        Target::Account | Target::Server | Target::ServerResource => {
            refuse(&stanza, ErrorCondition::BadRequest)
        }
        Target::Foreign => refuse(&stanza, ErrorCondition::RemoteServerNotFound),
    }
}

/// RFC 6121 section 3.1.2: both addresses are stamped bare.
fn subscription(
    mut stanza: Stanza,
    to: BareJid,
    request: SubscriptionRequest,
    sender: Sender<'_>,
) -> Action {
    stanza.from = Some(sender.jid.to_bare().to_jid());
    stanza.to = Some(to.to_jid());
    let bytes = stanza.to_bytes();
    if limits::SUBSCRIPTION_BYTES_MAX < bytes.len() {
        stanza.from = Some(sender.jid.clone());
        let error = StanzaError::new(ErrorCondition::PolicyViolation);
        let error = error.with_text("the presence is longer than 4,096 octets");
        return refuse(&stanza, error);
    }
    Action::Subscription { to, request, bytes }
}

fn availability(mut stanza: Stanza, available: bool, target: Target) -> Action {
    let to = match target {
        Target::Account if stanza.to.is_none() => None,
        Target::Account => stanza.to.take(),
        Target::User(to) => Some(to),
        Target::Server | Target::ServerResource => return Action::Nothing,
        Target::Foreign => return refuse(&stanza, ErrorCondition::RemoteServerNotFound),
    };
    stanza.to = None;
    let priority = match stanza.priority() {
        Ok(priority) => priority,
        Err(error) => return refuse(&stanza, error),
    };
    let bytes = stanza.to_bytes();
    match to {
        Some(to) => Action::Directed {
            to,
            available,
            bytes,
        },
        None => {
            let device = DeviceAvailability {
                show: show(&stanza),
                priority,
            };
            Action::Availability {
                device: available.then_some(device),
                bytes,
            }
        }
    }
}

fn show(stanza: &Stanza) -> Show {
    match stanza.show() {
        None => Show::Available,
        Some(WireShow::Chat) => Show::Chat,
        Some(WireShow::Away) => Show::Away,
        Some(WireShow::Xa) => Show::ExtendedAway,
        Some(WireShow::Dnd) => Show::DoNotDisturb,
    }
}

fn iq(stanza: Stanza, target: Target, sender: Sender<'_>) -> Action {
    let request = stanza.kind.is_request();
    match target {
        Target::Foreign => refuse(&stanza, ErrorCondition::RemoteServerNotFound),
        Target::Account | Target::Server | Target::ServerResource if !request => Action::Nothing,
        Target::Account => own_account(stanza, sender),
        Target::Server => server(stanza),
        Target::ServerResource => refuse(&stanza, ErrorCondition::ServiceUnavailable),
        Target::User(to) if to.resource().is_none() => stored::about_user(stanza, to, sender),
        Target::User(to) => {
            let kind = if request {
                ParcelKind::IqRequest
            } else {
                ParcelKind::IqResponse
            };
            Action::Send(parcel(&stanza, to, kind, sender))
        }
    }
}

fn own_account(stanza: Stanza, sender: Sender<'_>) -> Action {
    if let Some(on) = carbons::request(&stanza) {
        let result = result(&stanza);
        return Action::Carbons { on, result };
    }
    if let Some(action) = stored::set(&stanza, sender) {
        return action;
    }
    match BlockRequest::from_stanza(&stanza) {
        None => {}
        Some(Err(error)) => return refuse(&stanza, error),
        Some(Ok(BlockRequest::List)) => {
            return ask(&stanza, |request| Action::AskBlockList { request });
        }
        Some(Ok(BlockRequest::Change(change))) => return block(&stanza, change, sender),
    }
    match RosterRequest::from_stanza(&stanza) {
        None => server(stanza),
        Some(Err(error)) => refuse(&stanza, error),
        Some(Ok(RosterRequest::Get { ver })) => {
            let known = ver.and_then(|ver| ListVersion::parse(&ver));
            ask(&stanza, |request| Action::AskList { request, known })
        }
        Some(Ok(RosterRequest::Update { jid, name, groups })) => {
            let name = name.map(|name| name.as_str().to_owned());
            let groups = groups
                .iter()
                .map(|group| group.as_str().to_owned())
                .collect();
            contact(
                &stanza,
                ContactChange::Set {
                    jid: jid.to_bare(),
                    name,
                    groups,
                },
                sender,
            )
        }
        Some(Ok(RosterRequest::Remove { jid })) => contact(
            &stanza,
            ContactChange::Remove { jid: jid.to_bare() },
            sender,
        ),
    }
}

fn block(stanza: &Stanza, change: BlockChange, sender: Sender<'_>) -> Action {
    let account = sender.jid.to_bare().to_jid();
    Action::Block {
        iq: parcel(stanza, account, ParcelKind::IqRequest, sender),
        result: result(stanza),
        change,
    }
}

fn contact(stanza: &Stanza, change: ContactChange, sender: Sender<'_>) -> Action {
    let result = result(stanza);
    let account = sender.jid.to_bare().to_jid();
    let iq = parcel(stanza, account, ParcelKind::IqRequest, sender);
    Action::Contact { iq, result, change }
}

/// The empty result of a set.
pub(super) fn result(stanza: &Stanza) -> Bytes {
    let result = stanza.result(None);
    result.map(|result| result.to_bytes()).unwrap_or_default()
}

/// What server and account answer alike.
fn server(stanza: Stanza) -> Action {
    if Question::of(&stanza).is_some() {
        return ask(&stanza, |request| Action::Ask { request });
    }
    if session::is_request(&stanza) {
        // RFC 3921's session does nothing any more.
        return match stanza.result(None) {
            Some(result) => Action::Answer(result.to_bytes()),
            None => Action::Nothing,
        };
    }
    refuse(&stanza, ErrorCondition::ServiceUnavailable)
}

/// A get whose request its slot keeps (design, section 5, rule 1).
pub(super) fn ask(stanza: &Stanza, action: impl FnOnce(Bytes) -> Action) -> Action {
    let request = stanza.to_bytes();
    if limits::ASK_BYTES_MAX < request.len() {
        let error = StanzaError::new(ErrorCondition::PolicyViolation);
        return refuse(
            stanza,
            error.with_text("the request is longer than 1,024 octets"),
        );
    }
    action(request)
}

#[cfg(test)]
#[path = "decide_test.rs"]
mod tests;
