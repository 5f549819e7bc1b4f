//! What users keep with the server, over the death of a node: contact lists with their versions,
//! vCards, private data, since when somebody is gone.

use pollux_xml::Element;

use super::common::client::Client;
use super::common::stream::xml;
use super::groups::two_groups;
use super::site::pair;

/// The answer to a request; what else comes is of no concern.
#[track_caller]
pub fn ask(client: &mut Client, id: &str, head: &str, payload: &str) -> Element {
    client.send(&format!("<iq id='{id}' {head}>{payload}</iq>"));
    loop {
        let element = client.element();
        let is_answer = element.name() == "iq" && element.attribute("type") != Some("set");
        if is_answer && element.attribute("id") == Some(id) {
            return element;
        }
    }
}

#[track_caller]
pub fn done(client: &mut Client, id: &str, payload: &str) {
    let answer = ask(client, id, "type='set'", payload);
    let kind = answer.attribute("type");
    assert_eq!(kind, Some("result"), "{}", xml(&answer));
    client.all_acknowledged();
}

/// What a vCard says of its owner's name and photo.
pub fn card(answer: &Element) -> Option<(String, usize)> {
    let card = answer.find("vcard-temp", "vCard")?;
    let name = card.find("vcard-temp", "FN")?.text_content();
    let photo = card.find("vcard-temp", "PHOTO")?;
    let photo = photo.find("vcard-temp", "BINVAL")?.text_content();
    Some((name.to_string(), photo.len()))
}

pub const VCARD: &str = "<vCard xmlns='vcard-temp'/>";
pub const LIST: &str = "jabber:iq:roster";

#[test]
fn what_a_user_keeps_is_with_the_twin() {
    let [mut castor, pollux, witness] = pair();
    castor.add_user("alice");
    pollux.add_user("bob");
    let mut alice = castor.client("alice");
    let mut bob = pollux.client("bob");
    bob.send("<presence type='subscribe' to='alice@localhost'/>");
    bob.all_acknowledged();
    let item = format!("<query xmlns='{LIST}'><item jid='carol@localhost'/></query>");
    done(&mut alice, "s1", &item);
    let photo = "x".repeat(60 * 1024);
    let vcard = format!(
        "<vCard xmlns='vcard-temp'><FN>Alice</FN><PHOTO><BINVAL>{photo}</BINVAL></PHOTO></vCard>"
    );
    done(&mut alice, "s2", &vcard);
    let private = "<query xmlns='jabber:iq:private'><prefs xmlns='x'>Hamlet</prefs></query>";
    done(&mut alice, "s3", private);
    let list = ask(
        &mut alice,
        "g1",
        "type='get'",
        &format!("<query xmlns='{LIST}'/>"),
    );
    let version = list
        .find(LIST, "query")
        .and_then(|query| query.attribute("ver").map(str::to_owned))
        .expect("a version");

    castor.kill();
    pollux.wait_served(&[(1, 2), (2, 2)]);
    let answer = ask(&mut bob, "g2", "type='get' to='alice@localhost'", VCARD);
    let expected = Some(("Alice".to_owned(), photo.len()));
    assert_eq!(card(&answer), expected);
    // Her session waits for her: she is there.
    let last = "<query xmlns='jabber:iq:last'/>";
    let answer = ask(&mut bob, "g3", "type='get' to='alice@localhost'", last);
    let query = answer.find("jabber:iq:last", "query");
    let seconds = query.and_then(|query| query.attribute("seconds"));
    assert_eq!(seconds, Some("0"), "{}", xml(&answer));
    alice.resume(pollux.clients());
    let asked = "<query xmlns='jabber:iq:private'><prefs xmlns='x'/></query>";
    let answer = ask(&mut alice, "g4", "type='get'", asked);
    let kept = answer.find("jabber:iq:private", "query");
    let kept = kept.and_then(|query| query.find("x", "prefs"));
    let kept = kept.map(|prefs| prefs.text_content().to_string());
    assert_eq!(kept.as_deref(), Some("Hamlet"), "{}", xml(&answer));
    // What she knows of her list is what it is.
    let known = format!("<query xmlns='{LIST}' ver='{version}'/>");
    let answer = ask(&mut alice, "g5", "type='get'", &known);
    assert!(answer.elements().next().is_none(), "{}", xml(&answer));

    castor.begin();
    pollux.wait_protected();
    let verdict = witness.ctl(&["subcluster", "verify"]);
    assert!(verdict.contains("all replicas are equal"), "{verdict}");
}

#[test]
fn a_user_of_another_group_is_asked_over_a_kill() {
    let [castor, mut romulus] = two_groups();
    let mut alice = castor.client("alice");
    let mut bob = romulus.client("bob");
    let vcard = "<vCard xmlns='vcard-temp'><FN>Bob</FN><PHOTO><BINVAL>x</BINVAL></PHOTO></vCard>";
    done(&mut bob, "s1", vcard);
    let to_bob = "type='get' to='bob@localhost'";
    let answer = ask(&mut alice, "g1", to_bob, VCARD);
    assert_eq!(card(&answer), Some(("Bob".to_owned(), 1)));
    // She does not see him, so that she is not told.
    let last = "<query xmlns='jabber:iq:last'/>";
    let answer = ask(&mut alice, "g2", to_bob, last);
    assert_eq!(answer.attribute("type"), Some("error"), "{}", xml(&answer));
    alice.send("<presence type='subscribe' to='bob@localhost'/>");
    alice.all_acknowledged();
    bob.round_trip();
    alice.round_trip();
    let answer = ask(&mut alice, "g3", to_bob, last);
    assert_eq!(answer.attribute("type"), Some("result"), "{}", xml(&answer));

    romulus.kill();
    alice.send(&format!("<iq id='g4' {to_bob}>{VCARD}</iq>"));
    alice.all_acknowledged();
    romulus.begin();
    loop {
        let answer = alice.element();
        if answer.attribute("id") == Some("g4") {
            assert_eq!(
                card(&answer),
                Some(("Bob".to_owned(), 1)),
                "{}",
                xml(&answer)
            );
            return;
        }
    }
}
