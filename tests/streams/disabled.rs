//! A disabled account (RFC 6120 section 6.5.2): nobody signs in to it by whatever mechanism, who
//! has not proved the password learns nothing of it, and enabled again all is as before.

use pollux_xml::Element;
use pollux_xmpp::fast::{self, Fast, TokenBinding};
use pollux_xmpp::sasl::Mechanism;

use crate::common::client::{self, Client};
use crate::common::node::{PASSWORD, Plaintext, TestNode};
use crate::common::sasl2::{
    PHONE, by_password, by_token, encrypted_as, fails_with, given, node_with_two, sign_in, success,
    user_agent,
};
use crate::common::stream::{stream_condition, xml};

fn set(node: &TestNode, verb: &str) {
    node.ctl_done(&["user", verb, "alice"]);
}

/// How the account is shown to an administrator.
fn shown(node: &TestNode) -> String {
    let list = node.ctl_done(&["user", "list"]);
    let alice = list.lines().find(|line| line.starts_with("alice@"));
    alice.expect("a row").to_owned()
}

#[test]
fn no_mechanism_signs_in_and_no_token_until_it_is_enabled() {
    let (node, trust) = node_with_two();
    let stream = || encrypted_as(node.address(), Some("alice"), &trust).0;
    let by = |mechanism: Mechanism, password: &str, inline: &str| {
        by_password(&mut stream(), mechanism, "alice", password, inline)
    };
    let (none, said) = (TokenBinding::None, Fast::default());
    let agent = user_agent(PHONE);
    let request = xml(&fast::request_token(none));
    let outcome = by(
        Mechanism::ScramSha256,
        PASSWORD,
        &format!("{agent}{request}"),
    );
    let token = given(&outcome).expect("a token").token;
    let comes = || -> Element { by_token(&mut stream(), none, "alice", &token, said, &agent) };

    set(&node, "disable");
    assert!(shown(&node).contains("disabled"), "{}", shown(&node));
    let mechanisms = Mechanism::ALL.iter().copied();
    for mechanism in mechanisms.filter(|mechanism| mechanism.hash().is_some()) {
        let outcome = by(mechanism, PASSWORD, &agent);
        fails_with(&outcome, "account-disabled");
        assert!(xml(&outcome).contains("the account is disabled"));
        let wrong = by(mechanism, "wrong", &agent);
        fails_with(&wrong, "not-authorized");
        let nobody = by_password(&mut stream(), mechanism, "mallory", "wrong", &agent);
        assert_eq!(xml(&wrong), xml(&nobody), "{mechanism}");
    }
    fails_with(&comes(), "account-disabled");
    // Another account is of no concern.
    let outcome = by_password(
        &mut encrypted_as(node.address(), Some("bob"), &trust).0,
        Mechanism::ScramSha256,
        "bob",
        PASSWORD,
        "",
    );
    success(&outcome);

    set(&node, "enable");
    success(&comes());
    success(&by(Mechanism::ScramSha512Plus, PASSWORD, ""));
    let unknown = node.ctl(&["user", "disable", "mallory"]);
    assert!(
        unknown.err.contains("there is no such user"),
        "{}",
        unknown.err
    );
}

/// The restart is of no help: the word of the administrator is kept.
#[test]
fn a_session_ends_and_is_not_resumed() {
    let (mut node, trust) = node_with_two();
    let mut alice = sign_in(node.address(), "alice", &trust, Some(PHONE), true);
    let away = sign_in(node.address(), "alice", &trust, None, true);
    away.stream.socket.cut();
    set(&node, "disable");
    let error = alice.stream.element();
    assert_eq!(
        stream_condition(&error),
        "not-authorized",
        "{}",
        xml(&error)
    );
    assert!(
        xml(&error).contains("the account was disabled"),
        "{}",
        xml(&error)
    );
    node.kill();
    node.begin();
    let resume = away.resume_element();
    let attempt = |node: &TestNode| {
        let (mut stream, _) = encrypted_as(node.address(), Some("alice"), &trust);
        let mechanism = Mechanism::ScramSha256;
        let outcome = by_password(&mut stream, mechanism, "alice", PASSWORD, &resume);
        (stream, outcome)
    };
    fails_with(&attempt(&node).1, "account-disabled");
    set(&node, "enable");
    let (_, outcome) = attempt(&node);
    let said = success(&outcome);
    assert!(
        xml(&said.inline[0]).contains("item-not-found"),
        "the session is over: {}",
        xml(&outcome)
    );
}

/// Who was let in before it was disabled, and binds after that.
#[test]
fn who_has_proved_it_before_binds_nothing() {
    let node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    let mut alice = Client::sign_in(node.address(), "alice", None);
    set(&node, "disable");
    let bind = client::BIND;
    alice.stream.send(format!(
        "<iq type='set' id='b1'><bind xmlns='{bind}'/></iq>"
    ));
    let answer = alice.stream.element();
    assert!(xml(&answer).contains("<not-allowed"), "{}", xml(&answer));
    set(&node, "enable");
    alice.bind(Some("desk"));
    alice.round_trip();
}
