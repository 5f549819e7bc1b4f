//! A certificate that is renewed while clients are there: new streams get the new one, at both
//! ports, and are bound to it; what does not fit changes nothing, and nobody is thrown out.

use std::path::Path;

use pollux_xmpp::sasl::scram::ScramClient;
use pollux_xmpp::sasl::{ChannelBinding, Mechanism};

use crate::common::client::{Client, SASL, authenticate_with};
use crate::common::deadline::wait_for;
use crate::common::node::{PASSWORD, Plaintext, TestNode};
use crate::common::sasl2::channel;
use crate::common::stream::{Stream, xml};
use crate::common::tls::trust;
use crate::connect;

/// Signs in, bound to the certificate that was shown, which must be this one.
#[track_caller]
fn is_served(node: &TestNode, certificate: &Path) {
    let mut direct = Stream::connect_direct(node.direct_tls_address(), &trust(&[certificate]));
    direct.open();
    let mut stream = connect(node);
    stream.open();
    stream.encrypt(certificate);
    stream.open();
    let data = channel(&stream).into_iter();
    let mut data = data.filter(|(binding, _)| *binding == ChannelBinding::TlsServerEndPoint);
    let (binding, data) = data.next().expect("there is a certificate");
    let prepare = |scram: ScramClient| scram.bound_to(binding, data);
    let mechanism = Mechanism::ScramSha256Plus;
    let outcome = authenticate_with(&mut stream, mechanism, "alice", PASSWORD, prepare);
    assert!(outcome.is(SASL, "success"), "{}", xml(&outcome));
}

fn wait_for_word(node: &TestNode, word: &str) {
    wait_for(word, || node.log().contains(word).then_some(()));
}

#[test]
fn a_renewed_certificate_is_served_when_its_key_is_there_too() {
    let mut node = TestNode::start(Plaintext::Refused);
    node.add_user("alice");
    let certificate = node.path("data/certificate.pem");
    let earlier = node.path("earlier.pem");
    std::fs::copy(&certificate, &earlier).expect("a copy");
    let mut alice = Client::sign_in(node.address(), "alice", Some(&certificate));
    alice.bind(Some("phone"));

    // As somebody else has made them.
    let other = TestNode::start(Plaintext::Refused);
    let refused = "new certificate cannot be served";
    node.announce(refused);
    std::fs::copy(other.path("data/certificate.pem"), &certificate).expect("a new certificate");
    wait_for_word(&node, refused);
    is_served(&node, &earlier);
    std::fs::copy(other.path("data/key.pem"), node.path("data/key.pem")).expect("its key");
    wait_for_word(&node, "new certificate is served");
    is_served(&node, &certificate);
    alice.round_trip();

    // And one that is gone.
    std::fs::remove_file(&certificate).expect("nobody needs it");
    wait_for("another refusal", || {
        (node.log().matches(refused).count() == 2).then_some(())
    });
    is_served(&node, &other.path("data/certificate.pem"));
    alice.close();
}
