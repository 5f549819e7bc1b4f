//! What a client may ask its server, the server in the name of its own account or of another user,
//! and what it is told. The request waits in a slot, and is answered when that is written: from
//! what is so then.

use std::io;

use bytes::Bytes;
use pollux_domain::document::{DocumentName, PrivateName};
use pollux_domain::ids::WallMs;
use pollux_domain::jid::{BareJid, Jid};
use pollux_raft::rows;
use pollux_raft::state::{Activity, Document};
use pollux_xml::{Element, StreamNamespaces, Text};
use pollux_xmpp::disco;
use pollux_xmpp::external_services::{Credentials, ExternalRequest};
use pollux_xmpp::private_data::{self, PrivateRequest};
use pollux_xmpp::registration::{self as wire_form, RegistrationRequest};
use pollux_xmpp::sasl::Secret;
use pollux_xmpp::stanza::{ErrorCondition, IqType, Stanza, StanzaKind};
use pollux_xmpp::version::SoftwareVersion;
use pollux_xmpp::{last_activity, ns, ping, time, vcard, version};

use super::abilities::{self, NAME};
use crate::node::Node;
use crate::registration;

/// See the module. The contact list is asked for elsewhere: it is of the account alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// XEP-0199.
    Ping,
    /// XEP-0030, of a disco node where one is named.
    Info(Option<Text>),
    /// The same of its items.
    Items(Option<Text>),
    /// XEP-0092.
    Version,
    /// XEP-0202.
    Time,
    /// XEP-0012: how long the server has run (section 5), since when a user is gone (section 3).
    LastActivity,
    /// XEP-0054.
    VCard,
    /// XEP-0049.
    Private(PrivateName),
    /// XEP-0077: what is known of the own account.
    Registration,
    /// XEP-0215, or what is wrong with it.
    External(Result<ExternalRequest, ErrorCondition>),
}

/// Of whom it is asked.
enum Subject {
    Server,
    Account(BareJid),
    /// Another user.
    Other(BareJid),
}

impl Question {
    /// None where the stanza asks nothing that is known here.
    pub fn of(stanza: &Stanza) -> Option<Question> {
        if stanza.kind != StanzaKind::Iq(IqType::Get) {
            return None;
        }
        if let Some(disco_node) = disco::info_request(stanza) {
            return Some(Question::Info(disco_node));
        }
        if let Some(disco_node) = disco::items_request(stanza) {
            return Some(Question::Items(disco_node));
        }
        let to_account = !is_server(stanza.to.as_ref());
        if let (true, Some(Ok(PrivateRequest::Get(name)))) =
            (to_account, PrivateRequest::from_stanza(stanza))
        {
            return Some(Question::Private(name));
        }
        if let Some(request) = ExternalRequest::from_stanza(stanza) {
            return Some(Question::External(request));
        }
        let asked = [
            (ping::is_request(stanza), Question::Ping),
            (version::is_request(stanza), Question::Version),
            (time::is_request(stanza), Question::Time),
            (last_activity::is_request(stanza), Question::LastActivity),
            (to_account && vcard::is_get(stanza), Question::VCard),
            (RegistrationRequest::is_form(stanza), Question::Registration),
        ];
        let asked = asked.into_iter().find(|(is_asked, _)| *is_asked);
        asked.map(|(_, question)| question)
    }

    /// Whether the server answers it for a user who is not the one who asks.
    pub fn is_about_users(&self) -> bool {
        matches!(
            self,
            Question::Info(_) | Question::Items(_) | Question::LastActivity | Question::VCard
        )
    }

    /// Whether its answer depends on what the asker may have set just before.
    pub fn reads_kept(stanza: &Stanza) -> bool {
        let question = Question::of(stanza);
        matches!(question, Some(Question::VCard | Question::Private(_)))
    }

    /// The payload of the result. `to`: who was asked.
    pub fn answer(
        self,
        node: &Node,
        asker: &Jid,
        to: Option<&Jid>,
    ) -> Result<Option<Element>, ErrorCondition> {
        match subject(asker, to) {
            Subject::Server | Subject::Account(_) if self == Question::Registration => {
                registered(node, asker)
            }
            Subject::Server => self.about_server(node, asker),
            Subject::Account(user) => self.about_account(node, &user),
            Subject::Other(user) => self.about_other(node, &asker.to_bare(), &user),
        }
    }

    fn about_server(self, node: &Node, asker: &Jid) -> Result<Option<Element>, ErrorCondition> {
        match self {
            Question::Info(disco_node) => {
                let info = abilities::of_server(node, disco_node);
                let info = info.ok_or(ErrorCondition::ItemNotFound)?;
                Ok(Some(info.to_element()))
            }
            Question::External(request) => external(node, &asker.to_bare(), request?).map(Some),
            Question::LastActivity => {
                let running = node.ambient.clock.now().saturating_sub(node.started);
                Ok(Some(last_activity::to_element(running.as_secs())))
            }
            Question::VCard | Question::Private(_) => Err(ErrorCondition::ServiceUnavailable),
            other => other.about_both(node),
        }
    }

    fn about_account(self, node: &Node, user: &BareJid) -> Result<Option<Element>, ErrorCondition> {
        match self {
            Question::Info(None) => Ok(Some(abilities::of_account().to_element())),
            // XEP-0012 section 3: whoever asks is there.
            Question::LastActivity => Ok(Some(last_activity::to_element(0))),
            Question::VCard => match vcard_of(node, user)? {
                None => Err(ErrorCondition::ItemNotFound),
                vcard => Ok(vcard),
            },
            Question::Private(name) => {
                let kept = kept(node, user, &DocumentName::Private(name.clone()))?;
                let result = private_data::result(&name, kept.as_deref());
                result.map(Some).ok_or(ErrorCondition::InternalServerError)
            }
            other => other.about_both(node),
        }
    }

    /// What server and account answer alike.
    fn about_both(self, node: &Node) -> Result<Option<Element>, ErrorCondition> {
        Ok(match self {
            Question::Ping => None,
            // XEP-0030 section 7.
            Question::Info(_) | Question::Items(Some(_)) => {
                return Err(ErrorCondition::ItemNotFound);
            }
            Question::Items(None) => Some(Element::new(ns::DISCO_ITEMS, "query")),
            Question::Version => {
                let version = SoftwareVersion {
                    name: NAME.into(),
                    version: pollux_raft::version::BUILD.into(),
                };
                Some(version.to_element())
            }
            Question::Time => {
                let WallMs(now) = node.ambient.clock.wall();
                Some(time::to_element(now))
            }
            Question::LastActivity
            | Question::VCard
            | Question::Private(_)
            | Question::Registration
            | Question::External(_) => return Err(ErrorCondition::ServiceUnavailable),
        })
    }

    fn about_other(
        self,
        node: &Node,
        asker: &BareJid,
        user: &BareJid,
    ) -> Result<Option<Element>, ErrorCondition> {
        match self {
            // XEP-0054 section 3.3: whether the user has none or does not exist, nobody learns.
            Question::VCard => match vcard_of(node, user)? {
                None => Err(ErrorCondition::ServiceUnavailable),
                vcard => Ok(vcard),
            },
            Question::LastActivity => activity(node, asker, user).map(Some),
            // XEP-0030 section 8: who does not see the user does not learn that there is one.
            Question::Items(Some(_)) => Err(ErrorCondition::ItemNotFound),
            Question::Items(None) => Ok(Some(Element::new(ns::DISCO_ITEMS, "query"))),
            Question::Info(disco_node) => {
                let sees = node.subcluster.read(|state| state.may_see(asker, user));
                match (sees, disco_node) {
                    (false, _) => Err(ErrorCondition::ServiceUnavailable),
                    (true, Some(_)) => Err(ErrorCondition::ItemNotFound),
                    (true, None) => Ok(Some(abilities::of_account().to_element())),
                }
            }
            _ => Err(ErrorCondition::ServiceUnavailable),
        }
    }
}

fn is_server(to: Option<&Jid>) -> bool {
    to.is_some_and(|to| to.local().is_none())
}

fn subject(asker: &Jid, to: Option<&Jid>) -> Subject {
    match to {
        Some(to) if to.local().is_none() => Subject::Server,
        Some(to) if to.bare_str() != asker.bare_str() => Subject::Other(to.to_bare()),
        _ => Subject::Account(asker.to_bare()),
    }
}

/// XEP-0077 section 3.1, to one who has signed in.
fn registered(node: &Node, asker: &Jid) -> Result<Option<Element>, ErrorCondition> {
    let name = asker.local().unwrap_or_default();
    match registration::is_supported(&node.cluster_settings()) {
        true => Ok(Some(wire_form::registered(name))),
        false => Err(ErrorCondition::ServiceUnavailable),
    }
}

/// XEP-0215: what there is beside the server, with credentials where the cluster knows the secret.
fn external(
    node: &Node,
    user: &BareJid,
    request: ExternalRequest,
) -> Result<Element, ErrorCondition> {
    if user.domain() != node.settings.domain {
        // Nobody relays for strangers.
        return Err(ErrorCondition::Forbidden);
    }
    let settings = node.cluster_settings();
    let secret = node.configuration.read(|configuration| {
        let secret = configuration.external_secret()?;
        Some(Secret::new(secret.expose_secret().as_bytes().to_vec()))
    });
    let WallMs(now) = node.ambient.clock.wall();
    let seconds = settings.external_seconds.0;
    let credentials = secret.map(|secret| Credentials::new(&secret, user, now, seconds));
    request.answer(&settings.external_services, credentials.as_ref())
}

// === What a user keeps ===

fn vcard_of(node: &Node, user: &BareJid) -> Result<Option<Element>, ErrorCondition> {
    let Some(octets) = kept(node, user, &DocumentName::VCard)? else {
        return Ok(None);
    };
    let vcard = vcard::result(&octets);
    vcard.map(Some).ok_or(ErrorCondition::InternalServerError)
}

fn kept(node: &Node, user: &BareJid, name: &DocumentName) -> Result<Option<Bytes>, ErrorCondition> {
    read(node, user, name).map_err(|error| {
        tracing::error!(%user, %error, "failed to read what a user keeps");
        ErrorCondition::InternalServerError
    })
}

/// Each turn more than the first means that another document has replaced this one meanwhile.
const TURNS_MAX: usize = 16;

fn read(node: &Node, user: &BareJid, name: &DocumentName) -> io::Result<Option<Bytes>> {
    for _ in 0..TURNS_MAX {
        let document = node.subcluster.read(|state| state.document(user, name));
        let row = match document {
            None => return Ok(None),
            Some(Document::Fresh(octets)) => return Ok(Some(octets)),
            Some(Document::Row(row)) => row,
        };
        let octets = rows::read_document(node.tables.as_ref(), row)?;
        if octets.is_some() {
            return Ok(octets);
        }
    }
    Err(io::Error::other("a document is missing"))
}

// === When a user was here ===

/// XEP-0012 section 3. Who does not see the user, and whoever asks about nobody, is told the same.
fn activity(node: &Node, asker: &BareJid, user: &BareJid) -> Result<Element, ErrorCondition> {
    let activity = node.subcluster.read(|state| state.activity(asker, user));
    let last = match activity {
        None => return Err(ErrorCondition::Forbidden),
        Some(Activity::Here) => return Ok(last_activity::to_element(0)),
        Some(Activity::Gone(last)) => last,
    };
    let Some(WallMs(at)) = last.at else {
        // Has never been here.
        return Err(ErrorCondition::ItemNotFound);
    };
    let WallMs(now) = node.ambient.clock.wall();
    let seconds = now.saturating_sub(at) / 1_000;
    Ok(last_activity::with_status(
        seconds,
        last.words.and_then(status),
    ))
}

/// The status in a presence stanza that was kept.
fn status(presence: Bytes) -> Option<Text> {
    let element = Element::parse(&presence, &StreamNamespaces::new(ns::CLIENT)).ok()?;
    Stanza::from_element(element).ok()?.status()
}
