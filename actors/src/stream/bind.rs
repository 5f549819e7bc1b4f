//! A user becomes a session: a resource is bound (RFC 6120 section 7), or an earlier session
//! resumed (XEP-0198 section 5).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pollux_domain::contract::{Command, Effect, Refusal, Reply, Session as Speaker};
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::turns::Coming;
use pollux_raft::duty::Tenure;
use pollux_raft::group::GroupError;
use pollux_xmpp::bind::{self as wire_bind, BindRequest};
use pollux_xmpp::features::Features;
use pollux_xmpp::sm::SmElement;
use pollux_xmpp::stanza::{ErrorCondition, Stanza, StanzaError};
use pollux_xmpp::stream_error::{StreamCondition, StreamError};
use pollux_xmpp::{client_state, ns};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;

use super::claims::Claim;
use super::gate::Place;
use super::wire::{Broken, Wire, parse_resume_id};
use crate::inbox::Inbox;
use crate::node::{Node, made_up_resource};
use crate::session::{Session, abilities};

/// A session of the user, and what its client is told first.
pub struct Bound {
    /// None when an actor has it.
    speaker: Option<Speaker>,
    node: Arc<Node>,
    last: Vec<u8>,
    /// Nobody looks at the client yet.
    inactive: bool,
    /// Of a session that is taken up: dropped with this, when its actor has entered.
    claim: Option<Claim>,
}

impl Bound {
    /// The session's actor takes the stream.
    pub fn begin(mut self, wire: Wire) {
        if let Some(speaker) = self.speaker.take() {
            let node = wire.node.clone();
            Session::start(node, speaker, wire.into_stream(&self.last, self.inactive));
        }
    }

    /// The client is told this first.
    pub fn saying(mut self, last: Vec<u8>) -> Bound {
        self.last = last;
        self
    }

    pub fn speaker(&self) -> Option<Speaker> {
        self.speaker
    }

    /// The client says that nobody looks at it (XEP-0352).
    pub fn begins_inactive(&mut self) {
        self.inactive = true;
    }

    /// The session has another connection from now on.
    pub fn goes_on_as(&mut self, speaker: Speaker) {
        self.speaker = Some(speaker);
    }
}

impl Drop for Bound {
    /// The client did not wait: the session has no stream.
    fn drop(&mut self) {
        if let Some(session) = self.speaker.take() {
            self.node.tell_later(Command::Detached { session });
        }
    }
}

/// Has a command applied that gives a session to this stream. Where nobody waits for it any more
/// the session is told so: a client may give up while the group has no leader.
async fn begin_session(node: &Arc<Node>, command: Command) -> Result<Reply, GroupError> {
    let (tell, told) = oneshot::channel();
    let executing = node.clone();
    actix_rt::spawn(async move {
        let reply = executing.subcluster.execute(command).await;
        if let Err(Ok(Reply::Session { session, .. })) = tell.send(reply) {
            executing.tell_later(Command::Detached { session });
        }
    });
    told.await.map_err(|_| GroupError::Stopped)?
}

/// What may be negotiated while no resource is bound.
pub fn features(node: &Node) -> Features {
    Features {
        bind: true,
        sm: true,
        roster_versions: true,
        pre_approval: true,
        others: vec![client_state::feature(), abilities::caps(node)],
        ..Features::default()
    }
}

/// Begins the stream of a client that is known, and negotiates until there is a session.
pub async fn bind(wire: &mut Wire, user: &BareJid, tenure: &Tenure) -> Result<Bound, Broken> {
    wire.open(features(&wire.node)).await?;
    choose(wire, user, tenure).await
}

/// The same on a stream that has begun.
pub async fn choose(wire: &mut Wire, user: &BareJid, tenure: &Tenure) -> Result<Bound, Broken> {
    loop {
        let element = wire.element().await?;
        if let Some(managed) = SmElement::from_element(&element) {
            match resume(wire, user, tenure, managed).await? {
                Ok((bound, resumed)) => {
                    let last = resumed.to_element().to_bytes(ns::CLIENT).to_vec();
                    return Ok(bound.saying(last));
                }
                Err(failed) => wire.send(&failed.to_element()).await?,
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
        match sign_in(wire, user, tenure, resource, false).await? {
            Ok((bound, jid)) => {
                let result = stanza.result(Some(wire_bind::bound(&jid)));
                let last = result
                    .map(|result| result.to_bytes().to_vec())
                    .unwrap_or_default();
                return Ok(bound.saying(last));
            }
            Err(error) => refuse(wire, &stanza, error).await?,
        }
    }
}

fn bound(wire: &Wire, speaker: Speaker) -> Bound {
    Bound {
        speaker: Some(speaker),
        node: wire.node.clone(),
        last: Vec::new(),
        inactive: false,
        claim: None,
    }
}

async fn refuse(wire: &mut Wire, stanza: &Stanza, error: StanzaError) -> Result<(), Broken> {
    match stanza.error_reply(error) {
        Some(reply) => wire.send(&reply.to_element()).await,
        None => Ok(()),
    }
}

/// A new session with this resource, with carbons or without.
pub async fn sign_in(
    wire: &Wire,
    user: &BareJid,
    tenure: &Tenure,
    resource: String,
    carbons: bool,
) -> Result<Result<(Bound, Jid), StanzaError>, Broken> {
    let node = &wire.node;
    // RFC 6120 section 7.7.2.1: a resource that cannot be one.
    let jid = user.with_resource(&resource);
    let Ok(jid) = jid else {
        return Ok(Err(StanzaError::new(ErrorCondition::BadRequest)));
    };
    let resource = jid.resource().unwrap_or_default().to_owned();
    let place = node.gate.enter(Coming::New).await?;
    let token = node.ambient.rand.token();
    let command = Command::SignIn {
        user: user.clone(),
        resource,
        epoch: tenure.epoch().unwrap_or_default(),
        token,
        carbons,
    };
    Ok(match begin_session(node, command).await {
        Ok(Reply::Session { session, .. }) => {
            place.done();
            Ok((bound(wire, session), jid))
        }
        // A client that is refused a resource may not come again by itself.
        Ok(Reply::Refused(Refusal::StaleEpoch)) | Err(_) => return Err(elsewhere()),
        Ok(Reply::Refused(Refusal::TooManySessions)) => {
            Err(StanzaError::new(ErrorCondition::ResourceConstraint)
                .with_text("the user has as many sessions as are allowed"))
        }
        Ok(Reply::Refused(Refusal::Conflict)) => Err(StanzaError::new(ErrorCondition::Conflict)
            .with_text("another session of the user has the resource")),
        Ok(Reply::Refused(Refusal::NoSuchUser)) => {
            Err(StanzaError::new(ErrorCondition::NotAllowed))
        }
        // Since the proof.
        Ok(Reply::Refused(Refusal::UserDisabled)) => {
            let error = StanzaError::new(ErrorCondition::NotAllowed);
            Err(error.with_text("the account was disabled"))
        }
        Ok(_) => Err(StanzaError::new(ErrorCondition::InternalServerError)),
    })
}

/// The session goes on in this stream, or what the client is told, which may bind instead.
pub async fn resume(
    wire: &Wire,
    user: &BareJid,
    tenure: &Tenure,
    element: Result<SmElement, ErrorCondition>,
) -> Result<Result<(Bound, SmElement), SmElement>, Broken> {
    let condition = match element {
        Ok(SmElement::Resume { h, previd }) => {
            let mut place = None;
            if find(wire, user, &previd).is_some() {
                place = Some(wire.node.gate.enter(Coming::Back).await?);
            }
            // The session may have ended, or have gone on, while its client waited.
            if let (Some(place), Some(speaker)) = (place, find(wire, user, &previd))
                && let Some(resumed) = take_up(wire, tenure, speaker, h, &previd, place).await?
            {
                return Ok(Ok(resumed));
            }
            ErrorCondition::ItemNotFound
        }
        // XEP-0198 section 3: only after binding.
        Ok(_) => ErrorCondition::UnexpectedRequest,
        Err(condition) => condition,
    };
    // What is said of a session that is not there is said by who serves, or by nobody.
    if !tenure.holds(wire.node.ambient.clock.now()) {
        return Err(elsewhere());
    }
    wire.node
        .metrics
        .resumption_failures
        .fetch_add(1, Ordering::Relaxed);
    Ok(Err(SmElement::Failed {
        h: None,
        condition: Some(condition),
    }))
}

/// This node has ceased to serve meanwhile: the client comes again.
pub fn elsewhere() -> Broken {
    let error = StreamError::new(StreamCondition::Reset);
    error
        .with_text("another node serves you from now on")
        .into()
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
/// None: there is nothing to resume.
async fn take_up(
    wire: &Wire,
    tenure: &Tenure,
    speaker: Speaker,
    h: u32,
    previd: &str,
    place: Place,
) -> Result<Option<(Bound, SmElement)>, Broken> {
    let node = &wire.node;
    let old: Option<Arc<Inbox>> = node.directory.inbox(speaker.id);
    let held = || Some(node.directory.inbox(speaker.id)?.arrival());
    let Some(claim) = node.claims.claim(speaker.id, wire.arrival, held) else {
        let error = StreamError::new(StreamCondition::Conflict);
        return Err(error.with_text("a newer stream has the session").into());
    };
    let command = Command::Resumed {
        session: speaker.id,
        epoch: tenure.epoch().unwrap_or_default(),
        h,
    };
    let (session, handled) = match begin_session(node, command).await {
        Ok(Reply::Session { session, handled }) => {
            place.done();
            (session, handled)
        }
        // The session may well be there: only who serves may say that it is not.
        Ok(Reply::Refused(Refusal::StaleEpoch)) | Err(_) => return Err(elsewhere()),
        Ok(_) => return Ok(None),
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
    let mut bound = bound(wire, session);
    bound.claim = Some(claim);
    Ok(Some((bound, resumed)))
}
