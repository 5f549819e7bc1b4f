//! What the server, and an account, is and can do, for whoever asks (XEP-0030), and the hash by
//! which a client knows it from its last visit (XEP-0115).

use pollux_xml::{Element, Text};
use pollux_xmpp::disco::{DiscoInfo, Identity};
use pollux_xmpp::{caps, ns, server_contacts};

use crate::node::Node;
use crate::registration;

pub const NAME: &str = "Pollux";
/// What the program is called among all that have capabilities.
const URI: &str = "urn:pollux:server";

/// What server and account can do alike. An id that another than its maker gave is taken out
/// (XEP-0359 section 5).
const BOTH: [&str; 11] = [
    ns::CARBONS,
    ns::DISCO_INFO,
    ns::DISCO_ITEMS,
    ns::LAST_ACTIVITY,
    ns::PING,
    ns::PRIVATE,
    ns::ROSTER,
    ns::STANZA_ID,
    ns::TIME,
    ns::VCARD,
    ns::VERSION,
];

/// The server alone: XEP-0033 section 2, XEP-0115 section 7, XEP-0191 section 3.1, XEP-0215 section
/// 5.
const SERVER: [&str; 4] = [ns::ADDRESS, ns::BLOCKING, ns::CAPS, ns::EXTERNAL_SERVICES];

fn info(identity: Identity, features: impl IntoIterator<Item = &'static str>) -> DiscoInfo {
    DiscoInfo {
        disco_node: None,
        identities: vec![identity],
        features: features.into_iter().map(Text::from).collect(),
        forms: Vec::new(),
    }
}

pub fn of_account() -> DiscoInfo {
    let identity = Identity {
        category: "account".into(),
        kind: "registered".into(),
        name: None,
    };
    info(identity, BOTH)
}

/// None: there is no such disco node. The one that its capabilities name is there as long as they
/// are so.
pub fn of_server(node: &Node, disco_node: Option<Text>) -> Option<DiscoInfo> {
    let info = server(node);
    match &disco_node {
        Some(asked) if *asked != *caps::disco_node(URI, &caps::verification(&info)) => None,
        _ => Some(DiscoInfo { disco_node, ..info }),
    }
}

/// XEP-0115 section 6.3.
pub fn caps(node: &Node) -> Element {
    caps::feature(URI, &caps::verification(&server(node)))
}

fn server(node: &Node) -> DiscoInfo {
    let settings = node.cluster_settings();
    let identity = Identity {
        category: "server".into(),
        kind: "im".into(),
        name: Some(NAME.into()),
    };
    // XEP-0160 section 4.
    let offline = settings.offline.is_on().then_some(ns::OFFLINE);
    // XEP-0077 section 10.
    let register = registration::is_supported(&settings).then_some(ns::REGISTER);
    let features = BOTH.into_iter().chain(SERVER).chain(offline);
    let features = features.chain(register);
    let contacts = settings.server_contacts.by_role();
    DiscoInfo {
        forms: server_contacts::form(&contacts).into_iter().collect(),
        ..info(identity, features)
    }
}
