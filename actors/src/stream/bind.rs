//! A user becomes a session: a resource is bound (RFC 6120 section 7), or an earlier session
//! resumed (XEP-0198 section 5).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pollux_domain::contract::{Command, Effect, Refusal, Reply, Session as Speaker};
use pollux_domain::jid::BareJid;
use pollux_xml::Element;
use pollux_xmpp::bind::{self as wire_bind, BindRequest};
use pollux_xmpp::features::Features;
use pollux_xmpp::ns;
use pollux_xmpp::sm::SmElement;
use pollux_xmpp::stanza::{ErrorCondition, Stanza, StanzaError};
use pollux_xmpp::stream_error::StreamCondition;
use subtle::ConstantTimeEq;

use super::wire::{Broken, Wire, parse_resume_id};
use crate::inbox::Inbox;
use crate::node::made_up_resource;
use crate::session::Session;

/// A session of the user, and what its client is told first.
pub struct Bound {
    speaker: Speaker,
    last: Vec<u8>,
}

impl Bound {
    /// The session's actor takes the stream.
    pub fn begin(self, wire: Wire) {
        let node = wire.node.clone();
        Session::start(node, self.speaker, wire.into_stream(&self.last));
    }
}

/// Negotiates until there is a session.
pub async fn bind(wire: &mut Wire, user: &BareJid) -> Result<Bound, Broken> {
    wire.open(Features {
        bind: true,
        sm: true,
        ..Features::default()
    })
    .await?;
    loop {
        let element = wire.element().await?;
        if let Some(managed) = SmElement::from_element(&element) {
            if let Some(bound) = resume(wire, user, managed).await? {
                return Ok(bound);
            }
            continue;
        }
        let Ok(stanza) = Stanza::from_element(element) else {
            return Err(StreamCondition::UnsupportedStanzaType.into());
        };
        // RFC 6120 section 7.1: nothing but this before a resource is bound.
        let Some(request) = BindRequest::from_stanza(&stanza) else {
            return Err(StreamCondition::NotAuthorized.into());
        };
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                refuse(wire, &stanza, error).await?;
                continue;
            }
        };
        let resource = match request.resource {
            Some(resource) => resource.as_str().to_owned(),
            None => made_up_resource(&wire.node.ambient),
        };
        match sign_in(wire, user, resource).await {
            Ok((speaker, payload)) => {
                let result = stanza.result(Some(payload));
                let last = result
                    .map(|result| result.to_bytes().to_vec())
                    .unwrap_or_default();
                return Ok(Bound { speaker, last });
            }
            Err(error) => refuse(wire, &stanza, error).await?,
        }
    }
}

async fn refuse(wire: &mut Wire, stanza: &Stanza, error: StanzaError) -> Result<(), Broken> {
    match stanza.error_reply(error) {
        Some(reply) => wire.send(&reply.to_element()).await,
        None => Ok(()),
    }
}

async fn sign_in(
    wire: &Wire,
    user: &BareJid,
    resource: String,
) -> Result<(Speaker, Element), StanzaError> {
    let node = &wire.node;
    // RFC 6120 section 7.7.2.1: a resource that cannot be one.
    let jid = user.with_resource(&resource);
    let jid = jid.map_err(|_| StanzaError::new(ErrorCondition::BadRequest))?;
    let resource = jid.resource().unwrap_or_default().to_owned();
    let token = node.ambient.rand.token();
    let command = Command::SignIn {
        user: user.clone(),
        resource,
        epoch: node.epoch,
        token,
    };
    match node.subcluster.execute(command).await {
        Ok(Reply::Session { session, .. }) => Ok((session, wire_bind::bound(&jid))),
        Ok(Reply::Refused(Refusal::TooManySessions)) => {
            Err(StanzaError::new(ErrorCondition::ResourceConstraint)
                .with_text("the user has as many sessions as are allowed"))
        }
        Ok(Reply::Refused(Refusal::NoSuchUser)) => {
            Err(StanzaError::new(ErrorCondition::NotAllowed))
        }
        Ok(_) | Err(_) => Err(StanzaError::new(ErrorCondition::InternalServerError)),
    }
}

/// None: the client is told that it failed, and may bind instead.
async fn resume(
    wire: &mut Wire,
    user: &BareJid,
    element: Result<SmElement, ErrorCondition>,
) -> Result<Option<Bound>, Broken> {
    let condition = match element {
        Ok(SmElement::Resume { h, previd }) => match find(wire, user, &previd) {
            Some(speaker) => {
                if let Some(bound) = take_up(wire, speaker, h, &previd).await {
                    return Ok(Some(bound));
                }
                ErrorCondition::ItemNotFound
            }
            None => ErrorCondition::ItemNotFound,
        },
        // XEP-0198 section 3: only after binding.
        Ok(_) => ErrorCondition::UnexpectedRequest,
        Err(condition) => condition,
    };
    wire.node
        .metrics
        .resumption_failures
        .fetch_add(1, Ordering::Relaxed);
    let failed = SmElement::Failed {
        h: None,
        condition: Some(condition),
    };
    wire.send(&failed.to_element()).await?;
    Ok(None)
}

/// The session of this user with this secret.
fn find(wire: &Wire, user: &BareJid, previd: &str) -> Option<Speaker> {
    let (id, token) = parse_resume_id(previd)?;
    wire.node.subcluster.read(|state| {
        let session = state.session(id)?;
        let same = bool::from(session.token.ct_eq(&token));
        (same && session.jid.to_bare() == *user).then(|| state.speaker(id))?
    })
}

/// Resumption is a command (design, section 5, rule 4): committed before the client hears of it.
async fn take_up(wire: &Wire, speaker: Speaker, h: u32, previd: &str) -> Option<Bound> {
    let node = &wire.node;
    let old: Option<Arc<Inbox>> = node.directory.inbox(speaker.id);
    let command = Command::Resumed {
        session: speaker.id,
        epoch: node.epoch,
        h,
    };
    let Ok(Reply::Session { session, handled }) = node.subcluster.execute(command).await else {
        return None;
    };
    if let Some(old) = old {
        old.put(Effect::Moved {
            session: session.id,
            connection: speaker.connection,
        });
        old.wake();
    }
    node.metrics.resumptions.fetch_add(1, Ordering::Relaxed);
    let resumed = SmElement::Resumed {
        h: handled as u32,
        previd: previd.to_owned().into(),
    };
    let last = resumed.to_element().to_bytes(ns::CLIENT).to_vec();
    Some(Bound {
        speaker: session,
        last,
    })
}
