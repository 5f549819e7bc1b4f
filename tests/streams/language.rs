//! The language of a stream (RFC 6120 section 4.7.4), and that those who hear its client are told
//! of it (RFC 6120 section 8.1.5).

use pollux_xml::Element;
use pollux_xmpp::sasl::Mechanism;

use crate::common::client::{Answers, Client, SASL, authenticate};
use crate::common::node::{PASSWORD, Plaintext, TestNode};
use crate::common::sasl2::{BIND2, bound, by_password};
use crate::common::stream::{Event, Stream, shown, xml};
use crate::common::tls::trust;
use crate::connect;

fn node() -> TestNode {
    let node = TestNode::start(Plaintext::Allowed);
    for user in ["alice", "bob"] {
        node.add_user(user);
    }
    node
}

/// What a client says first whose language is this.
fn header(lang: &str) -> String {
    Stream::header().replace("xml:lang='en'", &format!("xml:lang='{lang}'"))
}

/// The node's header, which answers; its features follow.
#[track_caller]
fn answered(stream: &mut Stream) -> Element {
    match stream.next() {
        Event::Open(header) => header,
        other => panic!("waited for a stream header: {}", shown(&other)),
    }
}

#[track_caller]
fn sign_in(node: &TestNode, account: &str, lang: &str) -> Client {
    let mut stream = connect(node);
    stream.send(header(lang));
    stream.opened();
    let outcome = authenticate(&mut stream, Mechanism::ScramSha256, account, PASSWORD);
    assert!(outcome.is(SASL, "success"), "{}", xml(&outcome));
    stream.restart();
    stream.send(header(lang));
    stream.opened();
    Client::known(stream, account, "")
}

#[track_caller]
fn connect_in(node: &TestNode, account: &str, lang: &str, resource: &str) -> Client {
    let mut client = sign_in(node, account, lang);
    client.bind(Some(resource));
    client
}

/// The node speaks one language, whatever it is asked for.
#[test]
fn the_answer_and_the_errors_name_the_language_that_the_node_speaks() {
    let node = node();
    for said in [
        header("en"),
        header("en-GB"),
        header("de-CH"),
        header(""),
        header("no language at all"),
        Stream::header().replace(" xml:lang='en'", ""),
    ] {
        let mut stream = connect(&node);
        stream.send(&said);
        let answer = answered(&mut stream);
        assert_eq!(answer.attribute("xml:lang"), Some("en"), "{said}");
        stream.element();
        stream.send(" ".repeat(9_000));
        let error = stream.ends_with("policy-violation");
        let text = error.find("urn:ietf:params:xml:ns:xmpp-streams", "text");
        let text = text.expect("a text");
        assert_eq!(text.attribute("xml:lang"), Some("en"), "{said}");
    }
    let mut alice = connect_in(&node, "alice", "de", "phone");
    alice.send("<presence><priority>hoch</priority></presence>");
    let error = alice.element();
    let error = error.find("jabber:client", "error");
    let text = error.and_then(|error| error.find("urn:ietf:params:xml:ns:xmpp-stanzas", "text"));
    assert_eq!(text.expect("a text").attribute("xml:lang"), Some("en"));
}

/// The next that comes to the client, and the language that it names.
#[track_caller]
fn heard(client: &mut Client, name: &str, lang: Option<&str>) {
    let stanza = client.element();
    assert_eq!(stanza.name(), name, "{}", xml(&stanza));
    assert_eq!(stanza.attribute("xml:lang"), lang, "{}", xml(&stanza));
}

/// Plain messages, those that are read in full, presence and requests.
const SAID: &[(&str, &str)] = &[
    (
        "message",
        "<message to='bob@localhost/desk' type='chat'><body>Gruezi</body></message>",
    ),
    (
        "message",
        "<message to='bob@localhost/desk'><body>Gruezi</body>\
         <delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/></message>",
    ),
    (
        "message",
        "<message to='localhost'><body>Gruezi</body>\
         <addresses xmlns='http://jabber.org/protocol/address'>\
         <address type='to' jid='bob@localhost'/></addresses></message>",
    ),
    (
        "presence",
        "<presence to='bob@localhost/desk'><status>da</status></presence>",
    ),
    (
        "iq",
        "<iq to='bob@localhost/desk' type='get' id='q1'><q xmlns='urn:example:q'/></iq>",
    ),
];

#[test]
fn what_names_no_language_is_heard_in_that_of_the_stream() {
    let node = node();
    let mut bob = Client::connect(node.address(), "bob", Some("desk"));
    bob.send("<presence/>");
    bob.element();
    let mut alice = connect_in(&node, "alice", "de-CH", "phone");
    // A request comes to a device of those alone who are told of it.
    bob.send("<presence to='alice@localhost/phone'/>");
    alice.element();
    for (name, said) in SAID {
        alice.send(said);
        heard(&mut bob, name, Some("de-CH"));
        // Its own is not touched.
        alice.send(&said.replacen(" to=", " xml:lang='fr' to=", 1));
        heard(&mut bob, name, Some("fr"));
    }
    // What the node itself says of her does not change.
    alice.send("<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>");
    heard(&mut alice, "iq", None);
    // The language is the stream's: in another it may be another, or the node's, which needs no
    // word.
    for lang in ["en", "EN", "", "no language at all"] {
        let mut other = connect_in(&node, "alice", lang, "tablet");
        let (name, said) = SAID[0];
        other.send(said);
        heard(&mut bob, name, None);
    }
}

#[test]
fn a_session_that_goes_on_has_the_language_of_its_new_stream() {
    let node = node();
    let mut bob = Client::connect(node.address(), "bob", Some("desk"));
    let (name, said) = SAID[0];
    let mut alice = connect_in(&node, "alice", "de", "phone");
    alice.enable(true, Answers::Always);
    alice.send(said);
    heard(&mut bob, name, Some("de"));
    alice.all_acknowledged();
    alice.stream = sign_in(&node, "alice", "fr").stream;
    alice.stream.send(alice.resume_element());
    let resumed = alice.stream.element();
    alice.resumed(&resumed);
    alice.send(said);
    heard(&mut bob, name, Some("fr"));
}

/// A stream that does not begin afresh after the sign-in (XEP-0388) has its language from its first
/// header.
#[test]
fn a_stream_that_goes_on_keeps_its_language() {
    let node = node();
    let mut bob = Client::connect(node.address(), "bob", Some("desk"));
    let trust = trust(&[&node.path("data/certificate.pem")]);
    let mut stream = Stream::connect_direct(node.direct_tls_address(), &trust);
    stream.send(header("de"));
    stream.opened();
    let inline = format!("<bind xmlns='{BIND2}'/>");
    let mechanism = Mechanism::ScramSha256Plus;
    let outcome = by_password(&mut stream, mechanism, "alice", PASSWORD, &inline);
    let mut alice = bound(stream, "alice", &outcome, false);
    let (name, said) = SAID[0];
    alice.send(said);
    heard(&mut bob, name, Some("de"));
}
