//! A pair with its witness: clients come to either node, a node dies, its twin goes on with the
//! same sessions, users go home again.

use pollux_xmpp::sasl::Mechanism;

use super::common::client::{Client, authenticate};
use super::common::node::PASSWORD;
use super::common::stream::{Stream, xml};
use super::site::{Member, hear, pair, say};

#[test]
fn a_twin_goes_on_with_the_same_sessions() {
    let [mut castor, pollux, witness] = pair();
    castor.add_user("alice");
    pollux.add_user("bob");
    castor.ctl(&["settings", "set", "client.bytes-a-second=unlimited"]);
    // Bob comes to Castor and is served by Pollux: his stream is relayed.
    let mut alice = castor.client("alice");
    let mut bob = castor.client("bob");
    say(&mut alice, "bob", "m1");
    hear(&mut bob, "m1");
    say(&mut bob, "alice", "m2");
    hear(&mut alice, "m2");

    castor.kill();
    pollux.wait_served(&[(1, 2), (2, 2)]);
    // What was set at one node holds at the other, and can be changed there.
    let settings = pollux.ctl(&["settings", "list"]);
    assert!(settings.contains("* client.bytes-a-second  "), "{settings}");
    pollux.ctl(&["settings", "reset", "client.bytes-a-second"]);
    alice.resume(pollux.clients());
    bob.resume(pollux.clients());
    say(&mut alice, "bob", "m3");
    hear(&mut bob, "m3");
    say(&mut bob, "alice", "m4");
    hear(&mut alice, "m4");

    castor.begin();
    pollux.wait_protected();
    pollux.fall_back();
    castor.wait_served(&[(1, 1), (2, 2)]);
    // Alice's stream was sent away; her session waits for her at home.
    alice.resume(castor.clients());
    say(&mut bob, "alice", "m5");
    hear(&mut alice, "m5");
    let verdict = witness.ctl(&["subcluster", "verify"]);
    assert!(verdict.contains("all replicas are equal"), "{verdict}");
}

#[test]
fn a_session_is_resumed_where_the_server_said() {
    let [mut castor, pollux, _witness] = pair();
    castor.add_user("alice");
    let location = |client: &Client| client.counts.as_ref()?.location.clone();
    let mut alice = castor.client("alice");
    assert_eq!(location(&alice), Some(pollux.clients().to_string()));
    castor.kill();
    pollux.wait_served(&[(1, 2)]);
    let told = location(&alice).and_then(|text| text.parse().ok());
    alice.resume(told.expect("an address"));
    alice.round_trip();
    // A session that begins with the twin has to come back to the first node.
    let later = pollux.client("alice");
    assert_eq!(location(&later), Some(castor.clients().to_string()));
}

#[test]
fn a_client_is_sent_on_where_that_is_set() {
    let castor = Member::first("castor");
    let mut pollux = castor.invite("pollux", &[]);
    castor.wait_served(&[(1, 1), (2, 2)]);
    pollux.stop();
    let set = "allow_plaintext = true\nsee_other_host = true";
    pollux.change_setting("allow_plaintext = true", set);
    pollux.begin();
    pollux.wait_served(&[(1, 1), (2, 2)]);
    castor.add_user("alice");
    let mut lost = Stream::connect(pollux.clients());
    lost.open();
    let outcome = authenticate(&mut lost, Mechanism::ScramSha256, "alice", PASSWORD);
    assert_eq!(outcome.name(), "success", "{}", xml(&outcome));
    // The next stream is hers, and she is served elsewhere.
    lost.restart();
    lost.send(Stream::header());
    let error = lost.ends_with("see-other-host");
    let conditions = "urn:ietf:params:xml:ns:xmpp-streams";
    let other = error.find(conditions, "see-other-host");
    let other = other.map(|other| other.text_content().to_string());
    let castors = Some(castor.clients().to_string());
    assert_eq!(other, castors, "{}", xml(&error));
    let mut alice = castor.client("alice");
    alice.round_trip();
}

#[test]
fn what_was_said_to_a_dead_nodes_user_waits_with_the_twin() {
    let [mut castor, pollux, _witness] = pair();
    castor.add_user("alice");
    pollux.add_user("bob");
    let alice = castor.client("alice");
    let mut bob = pollux.client("bob");
    bob.round_trip();
    castor.kill();
    drop(alice.stream);
    // Her session is detached, not gone: what is said to her waits in it.
    say(&mut bob, "alice", "m1");
    pollux.wait_served(&[(1, 2)]);
    let mut later = pollux.client("alice");
    hear(&mut later, "m1");
}

#[test]
fn a_node_that_stops_leaves_its_users_to_its_twin() {
    let [mut castor, pollux, _witness] = pair();
    castor.add_user("alice");
    let mut alice = castor.client("alice");
    alice.round_trip();
    castor.stop();
    assert!(
        castor.log().contains("home is given back"),
        "{}",
        castor.log()
    );
    pollux.wait_served(&[(1, 2)]);
    // Her users were moved first, so she is told where to go (RFC 6120 section 4.9.3.19).
    alice.ends_with("see-other-host");
    alice.resume(pollux.clients());
    alice.round_trip();
}

#[test]
fn high_availability_is_refused_without_a_witness() {
    let castor = super::site::Member::first("castor");
    let _pollux = castor.invite("pollux", &[]);
    castor.wait_served(&[(1, 1), (2, 2)]);
    let refused = castor.run(&["ctl", "--config", "pollux.toml", "subcluster", "ha", "on"]);
    assert_ne!(refused.code, Some(0));
    assert!(
        refused.err.contains("two nodes and a witness"),
        "{}",
        refused.err
    );
}
