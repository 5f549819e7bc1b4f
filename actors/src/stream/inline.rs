//! What a client asks for together with its proof (XEP-0388 section 2.3): to resume a session
//! (XEP-0198 section 9.2), to bind a resource (XEP-0386), to be given a token (XEP-0484). Done by
//! the node that serves the user, which says `<success/>`. Not for how these are done: see `bind`,
//! `tokens`.

use pollux_domain::contract::{Command, Reply};
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::tokens::TokenBinding;
use pollux_raft::duty::Tenure;
use pollux_xml::{Element, StreamNamespaces, Text};
use pollux_xmpp::bind2::{self, Bind2};
use pollux_xmpp::features::Features;
use pollux_xmpp::sasl::Secret;
use pollux_xmpp::sasl2::{Authenticate, Authentication, Success};
use pollux_xmpp::sm::SmElement;
use pollux_xmpp::stanza::{ErrorCondition, StanzaError};
use pollux_xmpp::stream_error::StreamCondition;
use pollux_xmpp::{client_state, fast, ns};
use serde::{Deserialize, Serialize};

use super::bind::{self, Bound};
use super::enabled;
use super::mechanisms::{Offered, Proved};
use super::wire::{Broken, Wire};
use crate::node::{Node, made_up_resource};
use crate::tokens;

/// What a session can be told to do from its beginning, as service discovery calls it. What is
/// added here is carried out in `bind_with`.
const SESSION_FEATURES: [&str; 3] = [ns::CARBONS, ns::CLIENT_STATE, ns::SM];

/// What a client waits for that has proved who it is. It goes to the node that serves the user.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    /// The header of the stream, which goes on.
    header: Vec<u8>,
    /// Sent with the success.
    last: Option<Secret>,
    /// What the client calls its installation.
    client: Option<String>,
    password_version: u64,
    /// For this it is to be given a token.
    token: Option<TokenBinding>,
    /// The elements that ask for something, as they are written.
    inline: Vec<Vec<u8>>,
}

/// What may be asked for on a stream with this offer.
pub fn offer(offered: &Offered) -> Option<Authentication> {
    offered.sasl2.then(|| Authentication {
        mechanisms: offered.offer.mechanisms.clone(),
        sm: true,
        bind: Some(SESSION_FEATURES.map(Text::from).to_vec()),
        tokens: offered.tokens.clone(),
        upgrades: offered.upgrades.clone(),
    })
}

impl Asked {
    /// Of a client that has proved itself. Whoever does not say what it is called is given no
    /// token: it could not use it.
    pub fn new(
        wire: &Wire,
        proved: Proved,
        authenticate: &Authenticate,
        offered: &Offered,
    ) -> Asked {
        let client = authenticate.client().map(str::to_owned);
        let wanted = authenticate.inline.iter().find_map(fast::requested);
        let wanted = wanted.filter(|binding| offered.tokens.contains(binding));
        let inline = [(ns::SM, "resume"), (ns::BIND2, "bind")];
        let inline = inline.into_iter().filter_map(|(namespace, name)| {
            let element = authenticate.find(namespace, name)?;
            Some(element.to_bytes(ns::CLIENT).to_vec())
        });
        Asked {
            header: wire.header.clone(),
            last: proved.last,
            token: wanted.or(proved.renew).filter(|_| client.is_some()),
            client,
            password_version: proved.password_version,
            inline: inline.collect(),
        }
    }

    pub fn header(&self) -> &[u8] {
        &self.header
    }

    fn find(&self, namespace: &str, name: &str) -> Option<Element> {
        let context = StreamNamespaces::new(ns::CLIENT);
        let elements = self.inline.iter();
        let mut elements = elements.filter_map(|bytes| Element::parse(bytes, &context).ok());
        elements.find(|element| element.is(namespace, name))
    }
}

/// Does what was asked for and says so; where that leaves no session, negotiates on until there is
/// one.
pub async fn complete(
    wire: &mut Wire,
    user: &BareJid,
    tenure: &Tenure,
    mut asked: Asked,
) -> Result<Bound, Broken> {
    let mut success = Success {
        additional: asked.last.take(),
        identity: user.to_jid(),
        inline: Vec::new(),
    };
    if let (Some(binding), Some(client)) = (asked.token, &asked.client) {
        let given = tokens::give(&wire.node, user, client, binding, asked.password_version);
        success
            .inline
            .extend(given.await.map(|given| given.to_element()));
    }
    if let Some(resume) = asked
        .find(ns::SM, "resume")
        .as_ref()
        .and_then(SmElement::from_element)
    {
        match bind::resume(wire, user, tenure, resume).await? {
            Ok((bound, resumed)) => {
                // XEP-0198 section 9.2: no features, and nothing is bound.
                success.inline.push(resumed.to_element());
                let last = success.to_element().to_bytes(ns::CLIENT).to_vec();
                return Ok(bound.saying(last));
            }
            Err(failed) => success.inline.push(failed.to_element()),
        }
    }
    let bind = asked
        .find(ns::BIND2, "bind")
        .as_ref()
        .and_then(Bind2::from_element);
    if let Some(bind) = bind {
        let client = asked.client.as_deref();
        match bind_with(wire, user, tenure, &bind, client).await? {
            Ok((bound, jid, results)) => {
                let has_sm = results.iter().any(|result| result.is(ns::SM, "enabled"));
                success.identity = jid;
                success.inline.push(bind2::bound(results));
                let mut last = success.to_element().to_bytes(ns::CLIENT).to_vec();
                let features = Features {
                    bind: false,
                    sm: !has_sm,
                    ..bind::features(&wire.node)
                };
                wire.write_features(features, &mut last);
                return Ok(bound.saying(last));
            }
            // The specification has no word for it: the client finds itself known and without a
            // resource, and is told why when it asks for one in the old way.
            Err(error) => tracing::debug!(condition = %error.condition, "nothing was bound"),
        }
    }
    let mut said = success.to_element().to_bytes(ns::CLIENT).to_vec();
    wire.write_features(bind::features(&wire.node), &mut said);
    wire.send_bytes(&said).await?;
    bind::choose(wire, user, tenure).await
}

/// Binds a resource whose name is made up here, and has the session do what it is told to do from
/// its beginning. Messages that waited are delivered as after any other bind: there is no archive
/// from which the client would have them (XEP-0386 section 3.2).
async fn bind_with(
    wire: &Wire,
    user: &BareJid,
    tenure: &Tenure,
    request: &Bind2,
    client: Option<&str>,
) -> Result<Result<(Bound, Jid, Vec<Element>), StanzaError>, Broken> {
    let own = own_part(&wire.node, user, client).await;
    let resource = bind2::resource(request.tag.as_deref(), &own);
    // A tag that cannot be part of a resource is left out.
    let resource = match user.with_resource(&resource) {
        Ok(_) => resource,
        Err(_) => own,
    };
    let carbons = request.find(ns::CARBONS, "enable").is_some();
    let (mut bound, jid) = match bind::sign_in(wire, user, tenure, resource, carbons).await? {
        Ok(bound) => bound,
        Err(error) => return Ok(Err(error)),
    };
    if request.features.iter().find_map(client_state::is_active) == Some(false) {
        bound.begins_inactive();
    }
    let mut results = Vec::new();
    let enable = request.find(ns::SM, "enable");
    match enable.and_then(SmElement::from_element) {
        None => {}
        Some(Ok(SmElement::Enable { resume, .. })) => {
            let enabled = enable_now(wire, &mut bound, resume).await?;
            results.push(enabled.to_element());
        }
        Some(_) => {
            let failed = SmElement::Failed {
                h: None,
                condition: Some(ErrorCondition::BadRequest),
            };
            results.push(failed.to_element());
        }
    }
    Ok(Ok((bound, jid, results)))
}

/// The same for each bind of one installation, so that it takes the place of its own earlier
/// session.
async fn own_part(node: &Node, user: &BareJid, client: Option<&str>) -> String {
    if let Some(client) = client
        && let Some(secret) = tokens::secret(node).await
    {
        return bind2::stable_part(&secret, user, client);
    }
    made_up_resource(&node.ambient)
}

/// Stream management from the first stanza on: nothing was read or written yet.
async fn enable_now(wire: &Wire, bound: &mut Bound, resumable: bool) -> Result<SmElement, Broken> {
    let node = &wire.node;
    let Some(session) = bound.speaker() else {
        return Err(StreamCondition::InternalServerError.into());
    };
    let command = Command::Enable {
        session,
        resumable,
        written: Default::default(),
    };
    match node.subcluster.execute(command).await {
        Ok(Reply::Session { session, .. }) => {
            bound.goes_on_as(session);
            let state = node
                .subcluster
                .read(|state| state.session(session.id).cloned());
            let state = state.ok_or(StreamCondition::InternalServerError)?;
            Ok(enabled(node, session.id, &state))
        }
        Ok(Reply::Refused(_)) | Err(_) => Err(bind::elsewhere()),
        Ok(_) => Err(StreamCondition::InternalServerError.into()),
    }
}
