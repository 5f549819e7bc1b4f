//! A pair with its witness: clients come to either node, a node dies, its twin goes on with the
//! same sessions, users go home again.

use pollux_xml::Element;
use pollux_xmpp::sasl::Mechanism;

use super::common::client::{Answers, Client, authenticate};
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

/// Carbons, a block list, a policy, a reply that ties a conversation to a device, what is kept for
/// one who is away, and settings: all of it is there on the twin.
#[test]
fn what_a_user_has_switched_on_is_there_on_the_twin() {
    let [mut castor, pollux, _witness] = pair();
    for user in ["alice", "carol", "dave"] {
        castor.add_user(user);
    }
    pollux.add_user("bob");
    castor.ctl(&["settings", "set", "messages.offline-max=1"]);
    castor.ctl(&["user", "privacy", "bob", "external=block"]);
    castor.ctl(&[
        "user",
        "privacy",
        "dave",
        "internal=block",
        "allowed=alice@localhost",
    ]);
    let mut desk = castor.client("alice");
    let mut sofa = Client::connect(castor.clients(), "alice", Some("sofa"));
    sofa.enable(true, Answers::Always);
    sofa.send("<presence/>");
    let mut bob = castor.client("bob");
    sofa.send("<iq type='set' id='c1'><enable xmlns='urn:xmpp:carbons:2'/></iq>");
    answered(&mut sofa, "c1");
    desk.send(
        "<iq type='set' id='b1'><block xmlns='urn:xmpp:blocking'>\
         <item jid='carol@localhost'/></block></iq>",
    );
    answered(&mut desk, "b1");
    // Her reply from the desk ties the conversation to it; the sofa has copies.
    say(&mut desk, "bob", "m1");
    hear(&mut bob, "m1");
    copied(&mut sofa, "sent", "m1");
    for (to, body) in [("carol", "kept"), ("carol", "too much")] {
        say(&mut bob, to, body);
    }
    refused(&mut bob, "too much");

    castor.kill();
    pollux.wait_served(&[(1, 2), (2, 2)]);
    for client in [&mut desk, &mut sofa, &mut bob] {
        client.resume(pollux.clients());
    }
    say(&mut bob, "alice", "m2");
    hear(&mut desk, "m2");
    copied(&mut sofa, "received", "m2");
    say(&mut bob, "carol", "too much again");
    refused(&mut bob, "too much again");
    let mut carol = pollux.client("carol");
    hear(&mut carol, "kept");
    say(&mut carol, "alice", "blocked");
    refused(&mut carol, "blocked");
    // The policy: a stranger is refused, and an exception is kept for the one who is away.
    say(&mut bob, "dave", "stranger");
    refused(&mut bob, "stranger");
    say(&mut desk, "dave", "exception");
    let mut dave = pollux.client("dave");
    hear(&mut dave, "exception");
    let privacy = pollux.ctl(&["user", "privacy", "bob"]);
    assert!(privacy.contains("* external  block"), "{privacy}");
}

/// The result of a request.
#[track_caller]
fn answered(client: &mut Client, id: &str) {
    let answer = find(client, |element| element.attribute("id") == Some(id));
    assert_eq!(answer.attribute("type"), Some("result"), "{}", xml(&answer));
}

/// A message comes back to its sender.
#[track_caller]
fn refused(client: &mut Client, id: &str) {
    let error = find(client, |element| element.attribute("id") == Some(id));
    assert_eq!(error.attribute("type"), Some("error"), "{}", xml(&error));
}

/// The copy of a message (XEP-0280).
#[track_caller]
fn copied(client: &mut Client, wrapper: &str, id: &str) {
    let copy = find(client, |element| element.name() == "message");
    let inner = copy
        .find("urn:xmpp:carbons:2", wrapper)
        .and_then(|copy| copy.find("urn:xmpp:forward:0", "forwarded"))
        .and_then(|forwarded| forwarded.find("jabber:client", "message"));
    let inner = inner.unwrap_or_else(|| panic!("no copy: {}", xml(&copy)));
    assert_eq!(inner.attribute("id"), Some(id), "{}", xml(&copy));
}

#[track_caller]
fn find(client: &mut Client, wanted: impl Fn(&Element) -> bool) -> Element {
    loop {
        let element = client.element();
        if wanted(&element) {
            return element;
        }
    }
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
    let pollux = castor.invite("pollux", &[]);
    castor.wait_served(&[(1, 1), (2, 2)]);
    pollux.ctl(&["settings", "set", "client.see-other-host=on"]);
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
    while !alice.waiting().is_empty() {
        alice.element();
    }
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

/// Her session lives on the other node, which goes on (RFC 6120 section 4.9.3.20): the node that
/// she came to says why her stream ends, behind all that was said to her before, and she goes on
/// with the same session.
#[test]
fn a_node_that_stops_says_so_to_those_whom_it_relays() {
    let [mut castor, pollux, _witness] = pair();
    for user in ["alice", "bob", "carol"] {
        pollux.add_user(user);
    }
    let mut alice = pollux.client("alice");
    let mut bob = castor.client("bob");
    say(&mut alice, "bob", "m1");
    hear(&mut bob, "m1");
    bob.round_trip();
    while !bob.waiting().is_empty() {
        bob.element();
    }
    // One more who has not bound a resource there.
    let mut carol = Client::sign_in(castor.clients(), "carol", None);
    castor.stop();
    bob.ends_with("system-shutdown");
    carol.ends_with("system-shutdown");
    pollux.wait_served(&[(1, 2), (2, 2)]);
    say(&mut alice, "bob", "m2");
    bob.resume(pollux.clients());
    hear(&mut bob, "m2");
    say(&mut bob, "alice", "m3");
    hear(&mut alice, "m3");
}
