//! XEP-0386 sections 3.1 and 3.2, XEP-0198 sections 9.1 and 9.2: a resource is bound, stream
//! management enabled or a session resumed together with the proof of who the client is.

use std::sync::Arc;

use pollux_xmpp::sasl::Mechanism;
use pollux_xmpp::sm::SmElement;
use pollux_xmpp::stanza::ErrorCondition;
use rustls::ClientConfig;

use crate::common::client::{Client, SM};
use crate::common::node::{PASSWORD, TestNode};
use crate::common::sasl2::{
    BIND2, PHONE, bound, by_password, encrypted_as, node_with_two, sign_in, success, user_agent,
};
use crate::common::stream::{Event, xml};

struct Scene {
    node: TestNode,
    trust: Arc<ClientConfig>,
}

impl Scene {
    fn new() -> Scene {
        let (node, trust) = node_with_two();
        Scene { node, trust }
    }

    #[track_caller]
    fn sign_in(&self, account: &str, client: Option<&str>, managed: bool) -> Client {
        sign_in(self.node.address(), account, &self.trust, client, managed)
    }

    /// The stream of alice, and what came of this.
    #[track_caller]
    fn asks(&self, inline: &str) -> (crate::common::stream::Stream, pollux_xml::Element) {
        let (mut stream, _) = encrypted_as(self.node.address(), Some("alice"), &self.trust);
        let mechanism = Mechanism::ScramSha256;
        let outcome = by_password(&mut stream, mechanism, "alice", PASSWORD, inline);
        (stream, outcome)
    }
}

#[test]
fn a_resource_begins_with_the_tag_and_is_the_same_for_one_installation() {
    let scene = Scene::new();
    let mut first = scene.sign_in("alice", Some(PHONE), false);
    assert!(
        first.jid.starts_with("alice@localhost/Tests/"),
        "{}",
        first.jid
    );
    assert!(!first.jid.contains(PHONE));
    first.round_trip();
    let mut other = scene.sign_in("alice", Some("another installation"), false);
    assert_ne!(other.jid, first.jid);
    let unnamed = [(); 2].map(|()| scene.sign_in("alice", None, false).jid);
    assert_ne!(unnamed[0], unnamed[1]);
    // The same installation comes again: its earlier session ends.
    let mut second = scene.sign_in("alice", Some(PHONE), true);
    assert_eq!(second.jid, first.jid);
    first.ends_with("conflict");
    second.round_trip();
    other.round_trip();
}

/// As after any other way to a resource: XEP-0115 section 6.3, XEP-0352 section 4.1, XEP-0237
/// section 2.1, RFC 6121 section 3.4, XEP-0478 section 3.1.
#[test]
fn the_features_that_follow_say_what_the_server_can_do() {
    let scene = Scene::new();
    for managed in [false, true] {
        let enable = format!("<enable xmlns='{SM}'/>");
        let enable = if managed { &enable } else { "" };
        let (mut stream, outcome) = scene.asks(&format!("<bind xmlns='{BIND2}'>{enable}</bind>"));
        assert!(success(&outcome).identity.is_full(), "{}", xml(&outcome));
        let features = stream.element();
        let mut names: Vec<&str> = features.elements().map(|one| one.name()).collect();
        names.sort_unstable();
        let expected: &[&str] = match managed {
            true => &["c", "csi", "limits", "sub", "ver"],
            false => &["c", "csi", "limits", "sm", "sub", "ver"],
        };
        assert_eq!(names, expected, "{}", xml(&features));
    }
}

#[test]
fn a_tag_that_cannot_be_part_of_a_resource_is_left_out() {
    let scene = Scene::new();
    let long = "x".repeat(1_020);
    for (tag, begin) in [
        (
            "<tag>My phone</tag>".to_owned(),
            "alice@localhost/My phone/",
        ),
        (format!("<tag>{long}</tag>"), "alice@localhost/"),
        ("<tag>a\u{80}b</tag>".to_owned(), "alice@localhost/"),
        ("<tag/>".to_owned(), "alice@localhost/"),
        (String::new(), "alice@localhost/"),
    ] {
        let (stream, outcome) = scene.asks(&format!("<bind xmlns='{BIND2}'>{tag}</bind>"));
        let mut alice = bound(stream, "alice", &outcome, false);
        let rest = alice.jid.strip_prefix(begin).expect("a resource");
        assert_eq!(rest.len(), 16, "{}", alice.jid);
        alice.round_trip();
        alice.close();
    }
}

#[test]
fn stream_management_counts_from_the_first_stanza_and_the_session_is_resumed_at_once() {
    let mut scene = Scene::new();
    let mut alice = scene.sign_in("alice", Some(PHONE), true);
    let mut bob = scene.sign_in("bob", None, true);
    alice.send("<presence/>");
    alice.all_acknowledged();
    alice.round_trip();
    scene.node.kill();
    scene.node.begin();
    bob.resume_with(scene.node.address(), Some(&scene.trust));
    let to_alice = "<message type='chat' to='alice@localhost' id='m1'><body>x</body></message>";
    bob.send(to_alice);
    bob.all_acknowledged();
    // The bind is not looked at where there is a session (XEP-0198 section 9.2).
    let bind = format!("<bind xmlns='{BIND2}'><tag>Other</tag></bind>");
    let resume = alice.resume_element();
    let (stream, outcome) = scene.asks(&format!("{}{bind}{resume}", user_agent(PHONE)));
    let said = success(&outcome);
    assert_eq!(said.inline.len(), 1, "{}", xml(&outcome));
    alice.stream = stream;
    alice.resumed(&said.inline[0]);
    // No features, but the message, and who is there.
    loop {
        let came = alice.element();
        assert_ne!(came.name(), "features", "{}", xml(&came));
        if came.name() == "message" {
            assert_eq!(came.attribute("id"), Some("m1"), "{}", xml(&came));
            break;
        }
    }
    alice.round_trip();
    alice.close();
}

#[test]
fn where_there_is_nothing_to_resume_a_resource_is_bound() {
    let scene = Scene::new();
    let enable = format!("<bind xmlns='{BIND2}'><enable xmlns='{SM}' resume='true'/></bind>");
    for (resume, condition) in [
        (
            "h='0' previd='1-00000000000000000000000000000000'",
            ErrorCondition::ItemNotFound,
        ),
        ("h='0' previd='what is this'", ErrorCondition::ItemNotFound),
        ("h='many' previd='1-0'", ErrorCondition::BadRequest),
    ] {
        let resume = format!("<resume xmlns='{SM}' {resume}/>");
        let (stream, outcome) = scene.asks(&format!("{enable}{resume}"));
        let inline = success(&outcome).inline;
        let failed = inline.iter().find_map(SmElement::from_element);
        let expected = SmElement::Failed {
            h: None,
            condition: Some(condition),
        };
        assert_eq!(failed, Some(Ok(expected)), "{}", xml(&outcome));
        let mut alice = bound(stream, "alice", &outcome, true);
        alice.round_trip();
        alice.close();
    }
    // Without a bind the client is known, and goes on in the old way.
    let resume = format!("<resume xmlns='{SM}' h='0' previd='1-0'/>");
    let (mut stream, outcome) = scene.asks(&resume);
    assert_eq!(success(&outcome).inline.len(), 1);
    assert!(
        stream
            .element()
            .is(pollux_xml::STREAM_NAMESPACE, "features")
    );
    let mut alice = Client::known(stream, "alice", "");
    alice.bind(Some("desk"));
    alice.round_trip();
}

#[test]
fn what_cannot_be_enabled_is_told_and_the_resource_is_bound() {
    let scene = Scene::new();
    let enable = format!("<enable xmlns='{SM}' resume='perhaps'/>");
    let (stream, outcome) = scene.asks(&format!("<bind xmlns='{BIND2}'>{enable}</bind>"));
    let inline = success(&outcome).inline;
    let failed = inline[0].find(SM, "failed").map(SmElement::from_element);
    let expected = SmElement::Failed {
        h: None,
        condition: Some(ErrorCondition::BadRequest),
    };
    assert_eq!(failed, Some(Some(Ok(expected))), "{}", xml(&outcome));
    let mut alice = bound(stream, "alice", &outcome, false);
    alice.enable(true, crate::common::client::Answers::Always);
    alice.round_trip();
}

#[test]
fn a_session_gets_carbons_from_its_beginning() {
    let scene = Scene::new();
    let mut desk = scene.sign_in("alice", Some("desk"), false);
    let inline = format!("<bind xmlns='{BIND2}'><enable xmlns='urn:xmpp:carbons:2'/></bind>");
    let (stream, outcome) = scene.asks(&inline);
    let bound_element = &success(&outcome).inline[0];
    assert!(bound_element.is_empty(), "nothing is said of it");
    let mut phone = bound(stream, "alice", &outcome, false);
    let mut bob = scene.sign_in("bob", None, false);
    let to = &desk.jid;
    bob.send(&format!(
        "<message type='chat' to='{to}' id='m1'><body>x</body></message>"
    ));
    assert_eq!(desk.element().attribute("id"), Some("m1"));
    let copy = phone.element();
    let received = copy.find("urn:xmpp:carbons:2", "received");
    assert!(received.is_some(), "{}", xml(&copy));
}

#[test]
fn a_client_that_nobody_looks_at_yet_begins_so() {
    let scene = Scene::new();
    let enable = format!("<enable xmlns='{SM}'/>");
    let inactive = "<inactive xmlns='urn:xmpp:csi:0'/>";
    let inline = format!("<bind xmlns='{BIND2}'>{enable}{inactive}</bind>");
    let (stream, outcome) = scene.asks(&inline);
    let mut alice = bound(stream, "alice", &outcome, true);
    // Its own presence waits, which is an announcement like any other.
    alice.send("<presence/>");
    for _ in 0..3 {
        alice.stream.send(format!("<r xmlns='{SM}'/>"));
        let answer = alice.stream.element();
        assert!(answer.is(SM, "a"), "{}", xml(&answer));
    }
    alice.stream.send("<active xmlns='urn:xmpp:csi:0'/>");
    let presence = alice.stream.element();
    assert_eq!(presence.name(), "presence", "{}", xml(&presence));
}

/// There is no archive from which a client would have them.
#[test]
fn messages_that_waited_are_delivered() {
    let scene = Scene::new();
    let mut bob = scene.sign_in("bob", None, true);
    bob.send("<message type='chat' to='alice@localhost' id='m1'><body>x</body></message>");
    bob.all_acknowledged();
    let mut alice = scene.sign_in("alice", Some(PHONE), true);
    alice.send("<presence/>");
    loop {
        let came = alice.element();
        if came.name() == "message" {
            assert_eq!(came.attribute("id"), Some("m1"), "{}", xml(&came));
            break;
        }
    }
    alice.all_acknowledged();
}

#[test]
fn one_session_too_many_is_no_session_and_a_reason() {
    let scene = Scene::new();
    let sessions: Vec<Client> = (0..10)
        .map(|_| scene.sign_in("alice", None, false))
        .collect();
    let (mut stream, outcome) = scene.asks(&format!("<bind xmlns='{BIND2}'/>"));
    let said = success(&outcome);
    assert_eq!(said.inline, [], "{}", xml(&outcome));
    assert!(said.identity.is_bare());
    assert!(
        stream
            .element()
            .is(pollux_xml::STREAM_NAMESPACE, "features")
    );
    stream.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    let refused = stream.element();
    assert!(
        xml(&refused).contains("resource-constraint"),
        "{}",
        xml(&refused)
    );
    drop(sessions);
    // Who comes again at once is not held up by who has gone.
    loop {
        let (stream, outcome) = scene.asks(&format!("<bind xmlns='{BIND2}'/>"));
        if success(&outcome).identity.is_full() {
            bound(stream, "alice", &outcome, false).round_trip();
            break;
        }
    }
}

#[test]
fn nothing_is_done_for_who_fails() {
    let scene = Scene::new();
    let mut alice = scene.sign_in("alice", Some(PHONE), true);
    let resume = alice.resume_element();
    let (mut stream, _) = encrypted_as(scene.node.address(), Some("alice"), &scene.trust);
    let inline = format!("{}<bind xmlns='{BIND2}'/>{resume}", user_agent(PHONE));
    let mechanism = Mechanism::ScramSha256;
    let outcome = by_password(&mut stream, mechanism, "alice", "wrong", &inline);
    crate::common::sasl2::fails_with(&outcome, "not-authorized");
    alice.round_trip();
    stream.send("</stream:stream>");
    assert_eq!(stream.next(), Event::Closed);
}
