//! Authentication that is bound to the TLS below it (RFC 5802 section 6, RFC 9266, RFC 5929), what
//! is offered of it (XEP-0440 sections 2 and 3), and that nobody takes it away unnoticed (XEP-0474
//! sections 6.1 and 7).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_xmpp::features::Features;
use pollux_xmpp::sasl::scram::ScramClient;
use pollux_xmpp::sasl::{ChannelBinding, Mechanism, Offer};

use crate::common::client::{SASL, authenticate_with};
use crate::common::node::{PASSWORD, Plaintext, TestNode};
use crate::common::sasl2::channel;
use crate::common::stream::{Stream, xml};
use crate::connect;
use crate::sasl::fails_with;

fn node_with_alice() -> TestNode {
    let node = TestNode::start(Plaintext::Refused);
    node.add_user("alice");
    node
}

/// A stream under TLS, with what it offers.
#[track_caller]
pub fn encrypted(node: &TestNode) -> (Stream, Features) {
    let mut stream = connect(node);
    stream.open();
    stream.encrypt(&node.path("data/certificate.pem"));
    let features = Features::from_element(&stream.open());
    (stream, features.expect("features"))
}

fn bound() -> impl Iterator<Item = Mechanism> {
    let all = Mechanism::ALL.iter().copied();
    all.filter(|mechanism| mechanism.binds())
}

#[test]
fn each_mechanism_binds_to_each_type_and_what_was_offered_is_signed() {
    let node = node_with_alice();
    for mechanism in bound() {
        for binding in ChannelBinding::ALL {
            let (mut stream, features) = encrypted(&node);
            assert_eq!(features.channel_bindings, ChannelBinding::ALL);
            let seen = Offer {
                mechanisms: features.mechanisms,
                bindings: channel(&stream),
            };
            let data = seen.binding(*binding).expect("it has each").clone();
            let prepare = |scram: ScramClient| scram.bound_to(*binding, data).having_seen(&seen);
            let outcome = authenticate_with(&mut stream, mechanism, "alice", PASSWORD, prepare);
            let words = xml(&outcome);
            assert!(
                outcome.is(SASL, "success"),
                "{mechanism} {binding}: {words}"
            );
        }
    }
}

/// Whoever stands between two streams has two channels.
#[test]
fn the_data_of_another_stream_are_refused() {
    let node = node_with_alice();
    let (other, _) = encrypted(&node);
    let of_other = channel(&other);
    for mechanism in bound() {
        let (mut stream, _) = encrypted(&node);
        let (binding, data) = of_other[0].clone();
        let prepare = |scram: ScramClient| scram.bound_to(binding, data);
        let outcome = authenticate_with(&mut stream, mechanism, "alice", PASSWORD, prepare);
        fails_with(&outcome, "not-authorized");
        // The stream goes on, and the right data are right.
        let (binding, data) = channel(&stream)[0].clone();
        let prepare = |scram: ScramClient| scram.bound_to(binding, data);
        let outcome = authenticate_with(&mut stream, mechanism, "alice", PASSWORD, prepare);
        assert!(outcome.is(SASL, "success"), "{}", xml(&outcome));
    }
}

#[test]
fn it_can_be_switched_off() {
    let node = node_with_alice();
    node.set_cluster(&["sign-in.channel-binding=off"]);
    let (mut stream, features) = encrypted(&node);
    assert_eq!(features.channel_bindings, []);
    assert!(
        features
            .mechanisms
            .iter()
            .all(|mechanism| !mechanism.binds())
    );
    let first = STANDARD.encode("y,,n=alice,r=nonce");
    stream.send(format!(
        "<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{first}</auth>"
    ));
    assert!(stream.element().is(SASL, "challenge"));
}

#[test]
fn a_flag_that_does_not_go_with_the_mechanism_or_the_offer_is_refused() {
    let node = node_with_alice();
    for (mechanism, flag, condition) in [
        ("SCRAM-SHA-256-PLUS", "n", "malformed-request"),
        ("SCRAM-SHA-256-PLUS", "y", "malformed-request"),
        ("SCRAM-SHA-256-PLUS", "p=tls-unique", "malformed-request"),
        ("SCRAM-SHA-256", "p=tls-exporter", "malformed-request"),
        // The client would have bound, had it been offered: somebody has taken that away.
        ("SCRAM-SHA-256", "y", "not-authorized"),
    ] {
        let (mut stream, _) = encrypted(&node);
        let first = STANDARD.encode(format!("{flag},,n=alice,r=nonce"));
        stream.send(format!(
            "<auth xmlns='{SASL}' mechanism='{mechanism}'>{first}</auth>"
        ));
        fails_with(&stream.element(), condition);
    }
    let log = node.log();
    assert!(log.contains("unsupported-channel-binding-type"), "{log}");
    assert!(log.contains("sign-in.channel-binding=off"), "{log}");
}
