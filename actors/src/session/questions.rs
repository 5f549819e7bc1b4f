//! What a client may ask its server, or the server in the name of its own account, and what it is
//! told. The request waits in a slot, and is answered when that is written: from what is so then.

use pollux_domain::ids::WallMs;
use pollux_domain::jid::Jid;
use pollux_xml::{Element, Text};
use pollux_xmpp::disco::{self, DiscoInfo, Identity};
use pollux_xmpp::stanza::{ErrorCondition, IqType, Stanza, StanzaKind};
use pollux_xmpp::version::SoftwareVersion;
use pollux_xmpp::{last_activity, ns, ping, server_contacts, time, version};

use crate::node::Node;

/// See the module. The contact list is asked for elsewhere: it is of the account alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// XEP-0199.
    Ping,
    /// XEP-0030, of a disco node where one is named.
    Info(Option<Text>),
    Items,
    /// XEP-0092.
    Version,
    /// XEP-0202.
    Time,
    /// XEP-0012 section 5: how long the server has run.
    Uptime,
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
        let to_server = is_server(stanza.to.as_ref());
        let asked = [
            (ping::is_request(stanza), Question::Ping),
            (disco::is_items_request(stanza), Question::Items),
            (version::is_request(stanza), Question::Version),
            (time::is_request(stanza), Question::Time),
            (
                to_server && last_activity::is_request(stanza),
                Question::Uptime,
            ),
        ];
        let asked = asked.into_iter().find(|(is_asked, _)| *is_asked);
        asked.map(|(_, question)| question)
    }

    /// The payload of the result. `to`: who was asked.
    pub fn answer(self, node: &Node, to: Option<&Jid>) -> Result<Option<Element>, ErrorCondition> {
        Ok(match self {
            Question::Ping => None,
            Question::Info(Some(_)) => return Err(ErrorCondition::ItemNotFound),
            Question::Info(None) => Some(info(node, is_server(to)).to_element()),
            Question::Items => Some(Element::new(ns::DISCO_ITEMS, "query")),
            Question::Version => {
                let version = SoftwareVersion {
                    name: NAME.into(),
                    version: env!("CARGO_PKG_VERSION").into(),
                };
                Some(version.to_element())
            }
            Question::Time => {
                let WallMs(now) = node.ambient.clock.wall();
                Some(time::to_element(now))
            }
            Question::Uptime => {
                let running = node.ambient.clock.now().saturating_sub(node.started);
                Some(last_activity::to_element(running.as_secs()))
            }
        })
    }
}

const NAME: &str = "Pollux";

fn is_server(to: Option<&Jid>) -> bool {
    to.is_some_and(|to| to.local().is_none())
}

/// What the server, or an account, is and can do.
fn info(node: &Node, server: bool) -> DiscoInfo {
    let (category, kind) = match server {
        true => ("server", "im"),
        false => ("account", "registered"),
    };
    let both = [
        ns::CARBONS,
        ns::DISCO_INFO,
        ns::DISCO_ITEMS,
        ns::PING,
        ns::ROSTER,
        ns::TIME,
        ns::VERSION,
    ];
    // XEP-0033 section 2, XEP-0191 section 3.1, XEP-0012: of the server alone.
    let alone = match server {
        true => &[ns::ADDRESS, ns::BLOCKING, ns::LAST_ACTIVITY][..],
        false => &[],
    };
    DiscoInfo {
        disco_node: None,
        identities: vec![Identity {
            category: category.into(),
            kind: kind.into(),
            name: server.then(|| NAME.into()),
        }],
        features: both
            .iter()
            .chain(alone)
            .map(|name| (*name).into())
            .collect(),
        forms: match server {
            true => {
                let settings = node.cluster_settings();
                let contacts = settings.server_contacts.by_role();
                server_contacts::form(&contacts).into_iter().collect()
            }
            false => Vec::new(),
        },
    }
}
