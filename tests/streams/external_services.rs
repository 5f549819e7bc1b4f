//! Servers for calls, and credentials there (XEP-0215 sections 2, 3.1, 3.2 and 3.3): told as they
//! are set while the node runs. That a TURN server takes the credentials, the clients of other make
//! show.

use pollux_xml::Element;

use crate::common::client::Client;
use crate::common::node::{Plaintext, TestNode};
use crate::common::stream::xml;

const EXTERNAL: &str = "urn:xmpp:extdisco:2";
const ALL: &str = "<services xmlns='urn:xmpp:extdisco:2'/>";

fn node() -> (TestNode, Client) {
    let node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    let client = Client::connect(node.address(), "alice", Some("phone"));
    (node, client)
}

#[track_caller]
fn asked(client: &mut Client, to: &str, payload: &str) -> Element {
    client.send(&format!("<iq type='get' id='e1' to='{to}'>{payload}</iq>"));
    client.element()
}

/// The services of an answer.
#[track_caller]
fn services(answer: &Element, wrapper: &str) -> Vec<Element> {
    let found = answer.find(EXTERNAL, wrapper);
    let found = found.unwrap_or_else(|| panic!("no {wrapper}: {}", xml(answer)));
    found.elements().cloned().collect()
}

#[track_caller]
fn refused(answer: &Element, condition: &str) {
    let error = answer.find("jabber:client", "error");
    let error = error.unwrap_or_else(|| panic!("no error: {}", xml(answer)));
    let found = error.find("urn:ietf:params:xml:ns:xmpp-stanzas", condition);
    assert!(found.is_some(), "expected {condition}: {}", xml(answer));
}

#[test]
fn services_are_told_and_credentials_given() {
    let (node, mut alice) = node();
    let none = asked(&mut alice, "localhost", ALL);
    assert!(services(&none, "services").is_empty(), "{}", xml(&none));
    node.set_cluster(&[
        "external.services=stun:stun.example.org turn:turn.example.org turns:[::1]:443",
        "external.credential-seconds=60",
    ]);
    let told = services(&asked(&mut alice, "localhost", ALL), "services");
    let words: Vec<String> = told.iter().map(xml).collect();
    assert!(!words.concat().contains("password"), "{words:?}");
    let shown: Vec<[Option<&str>; 4]> = told
        .iter()
        .map(|one| ["type", "host", "port", "transport"].map(|name| one.attribute(name)))
        .collect();
    let wanted = [
        ["stun", "stun.example.org", "3478", "udp"],
        ["turn", "turn.example.org", "3478", "udp"],
        ["turns", "::1", "443", "tcp"],
    ];
    assert_eq!(shown, wanted.map(|one| one.map(Some)));

    // Without the secret nobody can be given credentials.
    let credentials = "<credentials xmlns='urn:xmpp:extdisco:2'>\
                       <service type='turns' host='::1'/></credentials>";
    refused(
        &asked(&mut alice, "localhost", credentials),
        "item-not-found",
    );
    let secret = node.ctl_done(&["external", "set-secret"]);
    let answer = asked(
        &mut alice,
        "localhost",
        "<services xmlns='urn:xmpp:extdisco:2' type='turn'/>",
    );
    let told = services(&answer, "services");
    assert_eq!(told.len(), 1, "{}", xml(&answer));
    let attribute = |name: &str| told[0].attribute(name).unwrap_or_default();
    assert_eq!(attribute("restricted"), "true");
    assert!(attribute("expires").ends_with('Z'), "{}", xml(&answer));
    assert_eq!(attribute("password").len(), 28, "{}", xml(&answer));
    // Who she is, no TURN server learns.
    assert!(!attribute("username").contains("alice"), "{}", xml(&answer));
    let answer = asked(&mut alice, "localhost", credentials);
    let given = services(&answer, "credentials");
    assert_eq!(given.len(), 1, "{}", xml(&answer));
    assert!(given[0].attribute("password").is_some(), "{}", xml(&answer));

    let shown = node.ctl_done(&["external", "show"]);
    assert!(
        shown.contains("* secret") && shown.contains("known"),
        "{shown}"
    );
    node.ctl_done(&["external", "forget-secret"]);
    refused(
        &asked(&mut alice, "localhost", credentials),
        "item-not-found",
    );
    // It is in no answer but the first, and in no log.
    let secret = secret.trim();
    assert_eq!(secret.len(), 20, "{secret}");
    for text in [shown, node.ctl_done(&["settings", "list"]), node.log()] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let (node, mut alice) = node();
    node.set_cluster(&["external.services=turn:turn.example.org"]);
    for payload in [
        "<credentials xmlns='urn:xmpp:extdisco:2'/>",
        "<credentials xmlns='urn:xmpp:extdisco:2'><service host='a'/></credentials>",
    ] {
        refused(&asked(&mut alice, "localhost", payload), "bad-request");
    }
    // Its own account and other users have no services.
    for to in ["alice@localhost", "bob@localhost"] {
        refused(&asked(&mut alice, to, ALL), "service-unavailable");
    }
}

#[test]
fn every_mistake_is_named_and_nothing_is_set() {
    let (node, mut alice) = node();
    let ended = node.ctl(&[
        "settings",
        "set",
        "external.services=sip:a turn:b:0 stun:c",
        "external.credential-seconds=1",
    ]);
    assert_ne!(ended.code, Some(0), "{}", ended.out);
    for part in [
        "`sip:a` begins with none",
        "`turn:b:0` has a port",
        "out of range",
    ] {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
    let answer = asked(&mut alice, "localhost", ALL);
    assert!(services(&answer, "services").is_empty(), "{}", xml(&answer));
}
