//! XEP-0388 and its tokens in a cluster: a client that comes to a node that does not serve it, a
//! token that is used at the twin of a dead node, and at a node of another subcluster.

use pollux_xmpp::fast::{Fast, TokenBinding};
use pollux_xmpp::sasl::Mechanism;

use super::common::node::PASSWORD;
use super::common::sasl2::{
    BIND2, PHONE, bound, by_password, by_token, encrypted_as, given, sign_in, success, user_agent,
};
use super::common::stream::xml;
use super::common::tls::trust;
use super::site::{Member, hear, pair, say};

#[test]
fn a_client_signs_in_and_resumes_at_once_at_either_node_of_a_pair() {
    let [mut castor, pollux, _witness] = pair();
    castor.add_user("alice");
    pollux.add_user("bob");
    let trust = trust(&[&castor.certificate(), &pollux.certificate()]);
    // She comes to the node that does not serve her: her stream is relayed as it is.
    let mut alice = sign_in(pollux.clients(), "alice", &trust, Some(PHONE), true);
    alice.send("<presence/>");
    alice.round_trip();
    let mut bob = pollux.client("bob");
    say(&mut bob, "alice", "m1");
    hear(&mut alice, "m1");
    castor.kill();
    say(&mut bob, "alice", "m2");
    pollux.wait_served(&[(1, 2), (2, 2)]);
    let (mut stream, _) = encrypted_as(pollux.clients(), Some("alice"), &trust);
    let inline = alice.resume_element();
    let mechanism = Mechanism::ScramSha512Plus;
    let outcome = by_password(&mut stream, mechanism, "alice", PASSWORD, &inline);
    alice.stream = stream;
    alice.resumed(&success(&outcome).inline[0]);
    hear(&mut alice, "m2");
    say(&mut alice, "bob", "m3");
    hear(&mut bob, "m3");
}

#[test]
fn a_token_of_a_dead_node_is_good_at_its_twin_and_elsewhere() {
    let [mut castor, pollux, _witness] = pair();
    let romulus = castor.invite("romulus", &["--subcluster", "2"]);
    romulus.wait_served(&[(4, 4)]);
    castor.add_user("alice");
    let members = [&castor, &pollux, &romulus];
    let certificates = members.map(Member::certificate);
    let trust = trust(&certificates.each_ref().map(|path| path.as_path()));
    let request = xml(&pollux_xmpp::fast::request_token(TokenBinding::Exporter));
    let inline = format!("{}{request}", user_agent(PHONE));
    let (mut stream, _) = encrypted_as(castor.clients(), Some("alice"), &trust);
    let mechanism = Mechanism::ScramSha256Plus;
    let outcome = by_password(&mut stream, mechanism, "alice", PASSWORD, &inline);
    let token = given(&outcome).expect("a token").token;
    let comes = |member: &Member, count| {
        let (mut stream, _) = encrypted_as(member.clients(), Some("alice"), &trust);
        let inline = format!("{}<bind xmlns='{BIND2}'/>", user_agent(PHONE));
        let said = Fast {
            count: Some(count),
            invalidate: false,
        };
        let binding = TokenBinding::Exporter;
        let outcome = by_token(&mut stream, binding, "alice", &token, said, &inline);
        (stream, outcome)
    };
    for (count, member) in [(1, &castor), (2, &pollux), (3, &romulus)] {
        let (stream, outcome) = comes(member, count);
        bound(stream, "alice", &outcome, false).round_trip();
        // What was used at one node was used at all of them.
        for member in [&castor, &pollux, &romulus] {
            let (_, again) = comes(member, count);
            super::common::sasl2::fails_with(&again, "not-authorized");
        }
    }
    castor.kill();
    pollux.wait_served(&[(1, 2), (2, 2)]);
    for (count, member) in [(4, &pollux), (5, &romulus)] {
        let (stream, outcome) = comes(member, count);
        bound(stream, "alice", &outcome, false).round_trip();
    }
}
