//! What is said of an account at one node holds at all of them, and outlives the node at which it
//! was said.

use pollux_xmpp::sasl::Mechanism;
use pollux_xmpp::sasl::scram::ScramHash;
use pollux_xmpp::upgrades;

use super::common::client::{Client, SASL, authenticate};
use super::common::deadline::wait_for;
use super::common::node::PASSWORD;
use super::common::sasl2::{BIND2, KEYS, bound, by_password, encrypted_as, success, upgrade};
use super::common::stream::{Event, Stream, xml};
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

/// Waits until the node has heard of a user.
#[track_caller]
fn knows(member: &Member, account: &str) {
    let row = format!("{account}@localhost");
    wait_for(&row, || {
        let list = member.ctl(&["user", "list"]);
        list.contains(&row).then_some(())
    });
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
    while alice.stream.next() != Event::Gone {}
    let refused = outcome(&pollux, "alice");
    assert!(refused.contains("account-disabled"), "{refused}");
    wait_for("the other node to hear of it", || {
        let outcome = outcome(&castor, "alice");
        outcome.contains("account-disabled").then_some(())
    });
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
    knows(&pollux, "olga");
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

const REGISTER: &str = "jabber:iq:register";

fn filled(password: &str) -> String {
    format!(
        "<iq type='set' id='reg'><query xmlns='{REGISTER}'><username>olga</username>\
         <password>{password}</password></query></iq>"
    )
}

#[track_caller]
fn is_done(stream: &mut Stream, said: &str) {
    stream.send(said);
    let answer = stream.element();
    assert_eq!(answer.attribute("type"), Some("result"), "{}", xml(&answer));
}

/// XEP-0077 sections 3.1, 3.2 and 3.3: made at one node, changed and cancelled by a client that the
/// other relays, all of it after its twin is dead.
#[test]
fn an_account_that_a_stranger_has_made_outlives_the_node() {
    let [mut castor, pollux, _witness] = pair();
    castor.ctl(&[
        "settings",
        "set",
        "accounts.registration=on",
        "accounts.password-change=on",
        "accounts.cancellation=on",
        "sign-in.lockout-account-failures=unlimited",
    ]);
    let trust = trust(&[&castor.certificate(), &pollux.certificate()]);
    let (mut stranger, _) = encrypted_as(castor.clients(), None, &trust);
    is_done(&mut stranger, &filled("first of two"));
    knows(&pollux, "olga");
    // Her home is the node that was asked. What was said there comes to the other in a moment.
    let signs_in = |password: &str| -> Client {
        wait_for("olga to sign in", || {
            let (mut stream, _) = encrypted_as(pollux.clients(), Some("olga"), &trust);
            let bind = format!("<bind xmlns='{BIND2}'/>");
            let mechanism = Mechanism::ScramSha256Plus;
            let outcome = by_password(&mut stream, mechanism, "olga", password, &bind);
            let is_in = outcome.name() == "success";
            is_in.then(|| bound(stream, "olga", &outcome, false))
        })
    };
    let mut olga = signs_in("first of two");
    is_done(&mut olga.stream, &filled("second of two"));
    castor.kill();
    pollux.wait_served(&[(1, 2), (2, 2)]);
    let mut olga = signs_in("second of two");
    let remove = format!("<iq type='set' id='r'><query xmlns='{REGISTER}'><remove/></query></iq>");
    is_done(&mut olga.stream, &remove);
    olga.ends_with("not-authorized");
    assert!(outcome(&pollux, "olga").contains("not-authorized"));
}
