//! What is said of an account at one node holds at all of them, and outlives the node at which it
//! was said.

use pollux_xmpp::sasl::Mechanism;
use pollux_xmpp::sasl::scram::ScramHash;
use pollux_xmpp::upgrades;

use super::common::client::{SASL, authenticate};
use super::common::node::PASSWORD;
use super::common::sasl2::{KEYS, by_password, encrypted_as, success, upgrade};
use super::common::stream::{Stream, xml};
use super::common::tls::trust;
use super::site::{Member, hear, pair, say};

/// How a sign-in ends.
#[track_caller]
fn outcome(member: &Member, account: &str) -> String {
    let mut stream = Stream::connect(member.clients());
    stream.open();
    let outcome = authenticate(&mut stream, Mechanism::ScramSha256, account, PASSWORD);
    match outcome.is(SASL, "success") {
        true => "success".to_owned(),
        false => xml(&outcome),
    }
}

/// RFC 6120 section 6.5.2.
#[test]
fn a_disabled_account_is_disabled_at_the_twin_too() {
    let [mut castor, pollux, _witness] = pair();
    castor.add_user("alice");
    pollux.add_user("bob");
    let mut alice = castor.client("alice");
    alice.round_trip();
    let mut bob = pollux.client("bob");
    // At the node that does not serve her.
    pollux.ctl(&["user", "disable", "alice"]);
    while alice.stream.next() != super::common::stream::Event::Gone {}
    for member in [&castor, &pollux] {
        let outcome = outcome(member, "alice");
        assert!(outcome.contains("account-disabled"), "{outcome}");
    }
    castor.kill();
    say(&mut bob, "alice", "m1");
    pollux.wait_served(&[(1, 2), (2, 2)]);
    let refused = outcome(&pollux, "alice");
    assert!(refused.contains("account-disabled"), "{refused}");
    say(&mut bob, "alice", "m2");
    pollux.ctl(&["user", "enable", "alice"]);
    let mut alice = pollux.client("alice");
    hear(&mut alice, "m1");
    hear(&mut alice, "m2");
    say(&mut alice, "bob", "m3");
    hear(&mut bob, "m3");
}

/// XEP-0480 section 3: added at the node that does not serve her, used after its twin took over.
#[test]
fn keys_that_a_client_has_added_are_good_at_the_twin_of_a_dead_node() {
    let [mut castor, pollux, _witness] = pair();
    std::fs::write(castor.path("keys"), KEYS).expect("a file of keys");
    castor.ctl(&["user", "import", "olga", "--keys-file", "keys"]);
    let trust = trust(&[&castor.certificate(), &pollux.certificate()]);
    let stream = || encrypted_as(pollux.clients(), Some("olga"), &trust).0;
    let asked = xml(&upgrades::upgrade(ScramHash::Sha512));
    let mut adding = stream();
    let mechanism = Mechanism::ScramSha1Plus;
    let outcome = by_password(&mut adding, mechanism, "olga", PASSWORD, &asked);
    success(&upgrade(&mut adding, &outcome, ScramHash::Sha512, PASSWORD));
    castor.kill();
    pollux.wait_served(&[(1, 2), (2, 2)]);
    let mechanism = Mechanism::ScramSha512Plus;
    success(&by_password(&mut stream(), mechanism, "olga", PASSWORD, ""));
}
