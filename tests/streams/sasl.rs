//! Sign-in that fails (RFC 6120 section 6.5, RFC 5802): the same words and the same work for one
//! who does not exist.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_xml::Element;
use pollux_xmpp::features::Features;
use pollux_xmpp::sasl::Mechanism;
use pollux_xmpp::stream_limits::StreamLimits;

use crate::common::client::{Client, SASL, authenticate};
use crate::common::node::{PASSWORD, Plaintext, TestNode};
use crate::common::stream::{Event, Stream, xml};
use crate::connect;

fn node_with_alice() -> TestNode {
    let node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    node
}

/// What a stream without TLS offers.
fn unbound() -> impl Iterator<Item = Mechanism> {
    let all = Mechanism::ALL.iter().copied();
    all.filter(|mechanism| mechanism.hash().is_some() && !mechanism.binds())
}

#[track_caller]
fn opened(node: &TestNode) -> Stream {
    let mut stream = connect(node);
    stream.open();
    stream
}

#[track_caller]
pub fn fails_with(answer: &Element, condition: &str) {
    assert!(answer.is(SASL, "failure"), "{}", xml(answer));
    assert!(
        answer.find(SASL, condition).is_some(),
        "expected {condition}: {}",
        xml(answer)
    );
}

/// The challenge to a first message of this user.
#[track_caller]
fn challenge(node: &TestNode, mechanism: Mechanism, user: &str) -> String {
    let mut stream = opened(node);
    let first = STANDARD.encode(format!("n,,n={user},r=nonce"));
    stream.send(format!(
        "<auth xmlns='{SASL}' mechanism='{mechanism}'>{first}</auth>"
    ));
    let challenge = stream.element();
    assert!(challenge.is(SASL, "challenge"), "{}", xml(&challenge));
    let decoded = STANDARD
        .decode(challenge.text_content().as_str())
        .expect("base64");
    String::from_utf8(decoded).expect("a challenge is text")
}

/// Salt and iterations of a challenge.
fn salt(challenge: &str) -> (String, String) {
    let part = |name: &str| {
        challenge
            .split(',')
            .find_map(|part| part.strip_prefix(name))
    };
    let part = |name: &str| part(name).expect("every part").to_owned();
    (part("s="), part("i="))
}

/// RFC 6120 sections 6.4.2 and 13.8.1.
#[test]
fn each_mechanism_works() {
    let node = node_with_alice();
    for mechanism in unbound() {
        let mut stream = opened(&node);
        let outcome = authenticate(&mut stream, mechanism, "alice", PASSWORD);
        assert!(
            outcome.is(SASL, "success"),
            "{mechanism}: {}",
            xml(&outcome)
        );
    }
}

/// RFC 6120 section 6.5.10.
#[test]
fn a_wrong_password_and_an_unknown_user_are_told_the_same() {
    let node = node_with_alice();
    for mechanism in unbound() {
        let wrong = authenticate(&mut opened(&node), mechanism, "alice", "wrong");
        fails_with(&wrong, "not-authorized");
        let unknown = authenticate(&mut opened(&node), mechanism, "mallory", "wrong");
        assert_eq!(xml(&wrong), xml(&unknown));
    }
}

#[test]
fn the_salt_of_an_unknown_user_stays_the_same() {
    let mut node = node_with_alice();
    for mechanism in unbound() {
        let alice = salt(&challenge(&node, mechanism, "alice"));
        let first = salt(&challenge(&node, mechanism, "mallory"));
        let other = salt(&challenge(&node, mechanism, "trudy"));
        assert_eq!(salt(&challenge(&node, mechanism, "mallory")), first);
        assert_ne!(first, other, "each has its own");
        assert_eq!(
            (first.0.len(), &first.1),
            (alice.0.len(), &alice.1),
            "the same shape"
        );
    }
    // Else a restart would tell who exists.
    let before = salt(&challenge(&node, Mechanism::ScramSha256, "mallory"));
    node.kill();
    node.begin();
    assert_eq!(
        salt(&challenge(&node, Mechanism::ScramSha256, "mallory")),
        before
    );
}

/// RFC 6120 section 6.4.5.
#[test]
fn after_three_attempts_the_stream_ends() {
    let node = node_with_alice();
    let mut stream = opened(&node);
    for _ in 0..3 {
        let failure = authenticate(&mut stream, Mechanism::ScramSha1, "alice", "wrong");
        fails_with(&failure, "not-authorized");
    }
    let first = STANDARD.encode("n,,n=alice,r=nonce");
    stream.send(format!(
        "<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>{first}</auth>"
    ));
    stream.ends_with("policy-violation");
}

#[test]
fn a_failure_is_not_the_end() {
    let node = node_with_alice();
    let mut stream = opened(&node);
    fails_with(
        &authenticate(&mut stream, Mechanism::ScramSha256, "alice", "wrong"),
        "not-authorized",
    );
    let outcome = authenticate(&mut stream, Mechanism::ScramSha256, "alice", PASSWORD);
    assert!(outcome.is(SASL, "success"), "{}", xml(&outcome));
}

/// RFC 6120 sections 6.3.5, 6.3.8, 6.5.5, 6.5.6, 6.5.7 and 6.5.8.
#[test]
fn what_is_malformed_is_told_so() {
    let node = node_with_alice();
    let first = STANDARD.encode("n,,n=alice,r=nonce");
    let auth = |mechanism: &str, data: &str| {
        format!("<auth xmlns='{SASL}' mechanism='{mechanism}'>{data}</auth>")
    };
    let encoded = |text: &str| STANDARD.encode(text);
    for (said, condition) in [
        (auth("PLAIN", "AGFsaWNlAHdyb25n"), "invalid-mechanism"),
        (auth("", &first), "invalid-mechanism"),
        // Nothing to bind to without TLS.
        (auth("SCRAM-SHA-1-PLUS", &first), "invalid-mechanism"),
        (format!("<auth xmlns='{SASL}'/>"), "invalid-mechanism"),
        (auth("SCRAM-SHA-1", "not base64!"), "incorrect-encoding"),
        (auth("SCRAM-SHA-1", "YWJj\nYWJj"), "incorrect-encoding"),
        (
            auth("SCRAM-SHA-1", &first[..first.len() - 1]),
            "incorrect-encoding",
        ),
        (auth("SCRAM-SHA-1", &encoded("hello")), "malformed-request"),
        (
            auth("SCRAM-SHA-1", &encoded("n,,n=alice")),
            "malformed-request",
        ),
        (
            auth("SCRAM-SHA-1", &encoded("n,,r=nonce,n=alice")),
            "malformed-request",
        ),
        (
            auth("SCRAM-SHA-1", &"QUFB".repeat(1_500)),
            "malformed-request",
        ),
        (
            auth("SCRAM-SHA-1", &encoded("n,a=bob,n=alice,r=nonce")),
            "invalid-authzid",
        ),
        (format!("<abort xmlns='{SASL}'/>"), "aborted"),
        (format!("<response xmlns='{SASL}'/>"), "malformed-request"),
    ] {
        eprintln!("{}", &said[..said.len().min(120)]);
        let mut stream = opened(&node);
        stream.send(&said);
        fails_with(&stream.element(), condition);
    }
}

/// RFC 6120 sections 6.4.3, 6.4.4 and 6.5.1.
#[test]
fn a_wrong_answer_to_the_challenge() {
    let node = node_with_alice();
    let first = STANDARD.encode("n,,n=alice,r=nonce");
    let response = |data: &str| format!("<response xmlns='{SASL}'>{data}</response>");
    let encoded = |text: &str| STANDARD.encode(text);
    for (answer, condition) in [
        (response("!"), "incorrect-encoding"),
        (response(""), "malformed-request"),
        (
            response(&encoded("c=biws,r=nonce,p=AAAA")),
            "not-authorized",
        ),
        (format!("<abort xmlns='{SASL}'/>"), "aborted"),
    ] {
        eprintln!("{answer}");
        let mut stream = opened(&node);
        stream.send(format!(
            "<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>{first}</auth>"
        ));
        assert!(stream.element().is(SASL, "challenge"));
        stream.send(&answer);
        fails_with(&stream.element(), condition);
    }
}

/// RFC 6120 sections 4.3.2, 4.3.3 and 6.4.6: the stream begins afresh, and whoever pipelines gets
/// the same answers. It says that it may be managed (XEP-0198 section 2), and how much it takes
/// (XEP-0478 sections 3.1 and 4).
#[test]
fn after_success_the_stream_begins_afresh() {
    let node = node_with_alice();
    let mut stream = connect(&node);
    // XEP-0478: a stranger may say less than a user.
    let takes = Features::from_element(&stream.open()).and_then(|features| features.limits);
    let stranger = StreamLimits {
        max_bytes: Some(8 * 1024),
        idle_seconds: Some(30),
    };
    assert_eq!(takes, Some(stranger));
    let outcome = authenticate(&mut stream, Mechanism::ScramSha256, "alice", PASSWORD);
    assert!(outcome.is(SASL, "success"), "{}", xml(&outcome));
    stream.restart();
    let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    stream.send(format!("{}{bind}</stream:stream>", Stream::header()));
    let features = stream.opened();
    let takes = Features::from_element(&features).and_then(|features| features.limits);
    let user = StreamLimits {
        max_bytes: Some(256 * 1024),
        idle_seconds: Some(300),
    };
    assert_eq!(takes, Some(user));
    assert!(
        features
            .find("urn:ietf:params:xml:ns:xmpp-bind", "bind")
            .is_some()
    );
    assert!(features.find("urn:xmpp:sm:3", "sm").is_some());
    // RFC 6121 sections 2.6.1 and 3.4, XEP-0237 section 2.1.
    for (name, namespace) in [
        ("ver", "urn:xmpp:features:rosterver"),
        ("sub", "urn:xmpp:features:pre-approval"),
    ] {
        assert!(features.find(namespace, name).is_some(), "{name}");
    }
    // XEP-0352 section 4.1.
    assert!(features.find("urn:xmpp:csi:0", "csi").is_some());
    assert!(features.find(SASL, "mechanisms").is_none());
    assert_eq!(stream.element().attribute("type"), Some("result"));
    assert_eq!(stream.next(), Event::Closed);
    // Where nobody is asked for being silent, nothing is said of it.
    node.set_cluster(&["client.silence-seconds=unlimited"]);
    let mut stream = connect(&node);
    stream.open();
    authenticate(&mut stream, Mechanism::ScramSha256, "alice", PASSWORD);
    stream.restart();
    let takes = Features::from_element(&stream.open()).and_then(|features| features.limits);
    assert_eq!(takes.and_then(|takes| takes.idle_seconds), None);
}

#[test]
fn a_new_password_holds_at_once() {
    let node = node_with_alice();
    let mut before = Client::connect(node.address(), "alice", None);
    let file = node.path("other");
    std::fs::write(&file, "another one 7\n").expect("a password file");
    let file = file.to_str().expect("a plain name").to_owned();
    node.ctl_done(&["user", "set-password", "alice", "--password-file", &file]);
    let old = authenticate(
        &mut opened(&node),
        Mechanism::ScramSha256,
        "alice",
        PASSWORD,
    );
    fails_with(&old, "not-authorized");
    let new = authenticate(
        &mut opened(&node),
        Mechanism::ScramSha256,
        "alice",
        "another one 7",
    );
    assert!(new.is(SASL, "success"), "{}", xml(&new));
    // Open sessions stay.
    before.round_trip();
}
