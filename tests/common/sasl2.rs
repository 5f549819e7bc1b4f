//! A client that proves who it is by XEP-0388, with what it asks for at once. Not for what a test
//! asks for.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_xml::{Element, Text};
use pollux_xmpp::fast::{self, Fast, GivenToken};
use pollux_xmpp::features::Features;
use pollux_xmpp::sasl::scram::{ScramClient, ScramHash, salted_password};
use pollux_xmpp::sasl::{ChannelBinding, Mechanism, Secret, Sent};
use pollux_xmpp::sasl2::{Authentication, Sasl2Element, Success};
use pollux_xmpp::upgrades::{self, Salt};
use rustls::ClientConfig;
use sha2::{Digest, Sha256};

use super::client::{Answers, Client, Counts, SM};
use super::node::{DOMAIN, PASSWORD, Plaintext, TestNode};
use super::stream::{Stream, xml};
use super::tls::trust;

pub const SASL2: &str = "urn:xmpp:sasl:2";
pub const BIND2: &str = "urn:xmpp:bind:0";
pub const FAST: &str = "urn:xmpp:fast:0";
/// Of the password of all test users, by SHA-1 alone, as ejabberd has it in its database.
pub const KEYS: &str = "SCRAM-SHA-1$4096:YSBzYWx0IG9mIGVqYWJiZXJk$Qe/YutUylsTyEUyVzujFQK+u0ww=:\
     BzKagIL2dHNM324HH+dUSYEH9Ys=";
/// What an installation calls itself.
pub const PHONE: &str = "d4565fa7-4d72-4749-b3d3-740edbf87770";

/// A node with alice and bob, and a client's TLS that trusts it.
#[track_caller]
pub fn node_with_two() -> (TestNode, Arc<ClientConfig>) {
    let node = TestNode::start(Plaintext::Refused);
    node.add_user("alice");
    node.add_user("bob");
    let trust = trust(&[&node.path("data/certificate.pem")]);
    (node, trust)
}

/// A stream under TLS with what is offered there, its client unnamed.
#[track_caller]
pub fn encrypted(node: &TestNode) -> (Stream, Authentication) {
    let trust = trust(&[&node.path("data/certificate.pem")]);
    encrypted_as(node.address(), None, &trust)
}

/// A stream under TLS whose header says who the client is.
#[track_caller]
pub fn encrypted_as(
    address: SocketAddr,
    account: Option<&str>,
    trust: &Arc<ClientConfig>,
) -> (Stream, Authentication) {
    let mut stream = Stream::connect(address);
    stream.open();
    stream.encrypt_with(trust);
    let from = account.map(|account| format!("{account}@{DOMAIN}"));
    let features = stream.open_as(from.as_deref());
    let features = Features::from_element(&features).expect("features");
    let authentication = features.authentication.expect("XEP-0388 under TLS");
    (stream, authentication)
}

/// The data of each type, as this end of the stream has them.
#[track_caller]
pub fn channel(stream: &Stream) -> Vec<(ChannelBinding, Secret)> {
    let (exported, certificate) = stream.socket.channel().expect("it is encrypted");
    let end_point = Sha256::digest(&certificate).to_vec();
    vec![
        (ChannelBinding::TlsExporter, exported.to_vec().into()),
        (ChannelBinding::TlsServerEndPoint, end_point.into()),
    ]
}

/// `<authenticate/>`
pub fn authenticate(mechanism: &str, initial: &[u8], inline: &str) -> String {
    let initial = STANDARD.encode(initial);
    format!(
        "<authenticate xmlns='{SASL2}' mechanism='{mechanism}'>\
         <initial-response>{initial}</initial-response>{inline}</authenticate>"
    )
}

/// `<user-agent/>`
pub fn user_agent(id: &str) -> String {
    format!("<user-agent id='{id}'><software>Tests</software></user-agent>")
}

/// The whole exchange by SCRAM, and its outcome. Where it succeeds, the server has proved itself.
#[track_caller]
pub fn by_password(
    stream: &mut Stream,
    mechanism: Mechanism,
    account: &str,
    password: &str,
    inline: &str,
) -> Element {
    let hash = mechanism.hash().expect("a form of SCRAM");
    let scram = ScramClient::new(hash, account, password, None, "a-nonce-of-the-tests");
    let mut scram = scram.expect("a name and a password that can be ones");
    if mechanism.binds() {
        let (binding, data) = channel(stream).remove(0);
        scram = scram.bound_to(binding, data);
    }
    let first = scram.first_message();
    stream.send(authenticate(mechanism.as_str(), first.as_bytes(), inline));
    let challenge = stream.element();
    let Some(Ok(Sasl2Element::Challenge(challenge))) =
        Sasl2Element::from_element(&challenge, Sent::ByReceiver)
    else {
        return challenge;
    };
    let (answer, expected) = scram.answer(challenge.expose()).expect("a challenge");
    let answer = STANDARD.encode(answer);
    stream.send(format!("<response xmlns='{SASL2}'>{answer}</response>"));
    let outcome = stream.element();
    let proof = match Sasl2Element::from_element(&outcome, Sent::ByReceiver) {
        Some(Ok(Sasl2Element::Success(success))) => success.additional,
        Some(Ok(Sasl2Element::Continue(next))) => next.additional,
        _ => return outcome,
    };
    let proof = expected.check(proof.expect("the server's proof").expose());
    proof.expect("the server knows the password too");
    outcome
}

/// Does the task that `answer` asks for, which must be this one (XEP-0480). What is said then.
#[track_caller]
pub fn upgrade(stream: &mut Stream, answer: &Element, hash: ScramHash, password: &str) -> Element {
    let Some(Ok(Sasl2Element::Continue(next))) =
        Sasl2Element::from_element(answer, Sent::ByReceiver)
    else {
        panic!("waited for a task: {}", xml(answer));
    };
    let task = upgrades::task(hash);
    assert_eq!(next.tasks, [Text::from(task)], "{}", xml(answer));
    stream.send(xml(&Sasl2Element::Next(task.into()).to_element()));
    let data = stream.element();
    let salt = data.elements().find_map(Salt::from_element);
    let salt = salt.unwrap_or_else(|| panic!("no salt: {}", xml(&data)));
    let salt = salt.expect("a salt");
    assert!(16 <= salt.octets.len() && 4096 <= salt.iterations);
    let salted = salted_password(hash, password, &salt.octets, salt.iterations);
    let salted = upgrades::salted(&salted.expect("a password"));
    stream.send(xml(&Sasl2Element::TaskData(vec![salted]).to_element()));
    stream.element()
}

/// The exchange by a token. Where it succeeds, the server has proved itself.
#[track_caller]
pub fn by_token(
    stream: &mut Stream,
    binding: fast::TokenBinding,
    account: &str,
    token: &Secret,
    said: Fast,
    inline: &str,
) -> Element {
    let wanted = fast::channel_binding(binding);
    let data = channel(stream).into_iter();
    let mut data = data.filter(|(binding, _)| Some(*binding) == wanted);
    let data = data.next().map(|(_, data)| data).unwrap_or_default();
    let hashed = fast::initiator_hash(token, &data);
    let initial = [account.as_bytes(), b"\0", hashed.expose()].concat();
    let said = xml(&said.to_element());
    let inline = format!("{inline}{said}");
    stream.send(authenticate(fast::mechanism(binding), &initial, &inline));
    let outcome = stream.element();
    if outcome.is(SASL2, "success") {
        let answer = success(&outcome).additional;
        let expected = fast::responder_hash(token, &data);
        assert_eq!(answer, Some(expected), "the server has the token, too");
    }
    outcome
}

#[track_caller]
pub fn success(outcome: &Element) -> Success {
    match Sasl2Element::from_element(outcome, Sent::ByReceiver) {
        Some(Ok(Sasl2Element::Success(success))) => success,
        _ => panic!("waited for success: {}", xml(outcome)),
    }
}

#[track_caller]
pub fn fails_with(outcome: &Element, condition: &str) {
    assert!(outcome.is(SASL2, "failure"), "{}", xml(outcome));
    let found = outcome.find(super::client::SASL, condition);
    assert!(found.is_some(), "expected {condition}: {}", xml(outcome));
}

/// The token that came with a success.
#[track_caller]
pub fn given(outcome: &Element) -> Option<GivenToken> {
    let success = success(outcome);
    success.inline.iter().find_map(GivenToken::from_element)
}

/// A client that signs in and binds at once; stream management too, where `managed`. A success with
/// the features that follow it.
#[track_caller]
pub fn sign_in(
    address: SocketAddr,
    account: &str,
    trust: &Arc<ClientConfig>,
    client: Option<&str>,
    managed: bool,
) -> Client {
    let (mut stream, _) = encrypted_as(address, Some(account), trust);
    let enable = match managed {
        true => format!("<enable xmlns='{SM}' resume='true'/>"),
        false => String::new(),
    };
    let agent = client.map(user_agent).unwrap_or_default();
    let inline = format!("{agent}<bind xmlns='{BIND2}'><tag>Tests</tag>{enable}</bind>");
    let mechanism = Mechanism::ScramSha256Plus;
    let outcome = by_password(&mut stream, mechanism, account, PASSWORD, &inline);
    bound(stream, account, &outcome, managed)
}

/// The client whose success this is.
#[track_caller]
pub fn bound(mut stream: Stream, account: &str, outcome: &Element, managed: bool) -> Client {
    let success = success(outcome);
    let words = xml(outcome);
    assert!(success.identity.is_full(), "{words}");
    let bound = success.inline.iter().find(|one| one.is(BIND2, "bound"));
    let enabled = bound.expect("a resource was bound").find(SM, "enabled");
    assert_eq!(enabled.is_some(), managed, "{words}");
    let features = Features::from_element(&stream.element()).expect("features follow");
    assert!(!features.bind, "a resource is bound already");
    assert_eq!(features.sm, !managed, "{words}");
    let mut client = Client::known(stream, account, success.identity.as_str());
    client.counts = enabled.map(|enabled| Counts::new(enabled, Answers::Always));
    client
}
