//! Users whom no node serves for the moment, with nowhere to go: what they are told.

use std::time::Duration;

use pollux_xmpp::sasl::Mechanism;

use super::common::client::authenticate;
use super::common::deadline::{Deadline, wait_for};
use super::common::node::PASSWORD;
use super::common::stream::{Event, Stream, shown, stream_condition, xml};
use super::site::{Member, hear, say};

/// Twice the time for which a client is kept waiting, so that a loaded machine makes no difference.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node that may serve only as long as its witness hears it, and has no twin: who signs in
/// without that is told to try again (RFC 6120 section 4.9.3.17), and finds all as it was when the
/// witness is back.
#[test]
fn a_user_whom_nobody_serves_is_told_to_try_again() {
    let castor = Member::first("castor");
    let mut witness = castor.invite("witness", &["--witness"]);
    wait_for("the witness to vote", || {
        let status = castor.status()?;
        let members = status["members"].as_array()?;
        let votes = members.iter().filter(|member| member["votes"] == true);
        (votes.count() == 2).then_some(())
    });
    castor.add_user("alice");
    castor.add_user("bob");
    let mut alice = castor.client("alice");
    say(&mut alice, "bob", "m1");
    witness.kill();
    // Her stream is closed when the lease is gone for long.
    while alice.next() != Event::Gone {}

    let mut stream = Stream::connect(castor.clients());
    stream.open();
    let outcome = authenticate(&mut stream, Mechanism::ScramSha256, "bob", PASSWORD);
    assert_eq!(outcome.name(), "success", "{}", xml(&outcome));
    stream.restart();
    stream.send(Stream::header());
    let deadline = Deadline::after(PATIENCE);
    let error = loop {
        match stream.next_before(deadline).expect("it is told in time") {
            Event::Open(_) => {}
            Event::Element(error) => break error,
            other => panic!("waited for an error: {}", shown(&other)),
        }
    };
    let words = xml(&error);
    assert_eq!(stream_condition(&error), "resource-constraint", "{words}");
    let text = "nobody serves this user at the moment, try again";
    assert!(words.contains(text), "{words}");
    assert_eq!(stream.next(), Event::Closed);
    assert_eq!(stream.next(), Event::Gone);

    witness.begin();
    castor.wait_served(&[(1, 1)]);
    alice.resume(castor.clients());
    let mut bob = castor.client("bob");
    hear(&mut bob, "m1");
    say(&mut alice, "bob", "m2");
    hear(&mut bob, "m2");
}
