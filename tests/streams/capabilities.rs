//! What the server can do is named in its stream features by a hash (XEP-0115 sections 5.1, 6.2 and
//! 6.3), which changes with it.

use pollux_xml::Element;
use pollux_xmpp::caps;
use pollux_xmpp::disco::DiscoInfo;
use pollux_xmpp::sasl::Mechanism;

use crate::common::client::{Client, SASL, authenticate};
use crate::common::node::{PASSWORD, Plaintext, TestNode};
use crate::common::stream::xml;
use crate::connect;

const CAPS: &str = "http://jabber.org/protocol/caps";
const INFO: &str = "http://jabber.org/protocol/disco#info";

/// The disco node that stands for what the server can do, as its stream says, and the hash alone.
#[track_caller]
fn said(node: &TestNode) -> (Client, String, String) {
    let mut stream = connect(node);
    stream.open();
    let outcome = authenticate(&mut stream, Mechanism::ScramSha256, "alice", PASSWORD);
    assert!(outcome.is(SASL, "success"), "{}", xml(&outcome));
    stream.restart();
    let features = stream.open();
    let said = features.find(CAPS, "c");
    let said = said.unwrap_or_else(|| panic!("no capabilities: {}", xml(&features)));
    let attribute = |name| said.attribute(name).unwrap_or_default().to_owned();
    assert_eq!(attribute("hash"), "sha-1");
    let hash = attribute("ver");
    let disco_node = format!("{}#{hash}", attribute("node"));
    let mut client = Client::known(stream, "alice", "");
    client.bind(None);
    (client, disco_node, hash)
}

#[track_caller]
fn asked(client: &mut Client, disco_node: &str) -> Element {
    client.send(&format!(
        "<iq type='get' id='d1' to='localhost'><query xmlns='{INFO}' node='{disco_node}'/></iq>"
    ));
    client.element()
}

#[test]
fn the_server_is_known_by_its_hash() {
    let node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    let (mut alice, disco_node, hash) = said(&node);
    let answer = asked(&mut alice, &disco_node);
    let query = answer.find(INFO, "query");
    let query = query.unwrap_or_else(|| panic!("no answer: {}", xml(&answer)));
    assert_eq!(query.attribute("node"), Some(disco_node.as_str()));
    let info = DiscoInfo::from_element(query).expect("what the server is");
    assert_eq!(caps::verification(&info), hash);
    assert!(info.features.iter().any(|feature| *feature == CAPS));
    // Who comes again knows it already; when it changes the hash does.
    let (_same, again, _) = said(&node);
    assert_eq!(again, disco_node);
    node.set_cluster(&["server.contacts=admin=mailto:xmpp@localhost"]);
    let (mut later, other, _) = said(&node);
    assert_ne!(other, disco_node);
    for (client, disco_node, kind) in [
        (&mut alice, &disco_node, "error"),
        (&mut later, &other, "result"),
    ] {
        let answer = asked(client, disco_node);
        assert_eq!(answer.attribute("type"), Some(kind), "{}", xml(&answer));
    }
}
