//! What a stanza does, where that is decided from the stanza alone.

use pollux_domain::document::DocumentName;
use pollux_xml::{Element, StreamNamespaces};
use pollux_xmpp::ns;

use super::*;

fn parse(text: &str) -> Stanza {
    let element = Element::parse(text.as_bytes(), &StreamNamespaces::new(ns::CLIENT)).unwrap();
    Stanza::from_element(element).unwrap()
}

fn of(text: &str) -> Action {
    let jid = Jid::parse("ann@localhost/desk").unwrap();
    let sender = Sender {
        jid: &jid,
        domain: "localhost",
        now: WallMs(1),
        lang: None,
    };
    decide(parse(text), sender)
}

/// The condition and the text of an error that is the whole answer.
#[track_caller]
fn error(text: &str) -> (ErrorCondition, String) {
    let Action::Answer(bytes) = of(text) else {
        panic!("no answer to {text}");
    };
    let reply = parse(std::str::from_utf8(&bytes).unwrap());
    assert_eq!(reply.to.unwrap().as_str(), "ann@localhost/desk");
    let error = reply
        .payload
        .iter()
        .find(|child| child.name() == "error")
        .map(StanzaError::from_element)
        .unwrap();
    (error.condition, error.text.unwrap_or_default().to_string())
}

#[test]
fn what_is_another_users_own_business_is_forbidden() {
    for (kind, payload) in [
        (
            "set",
            "<query xmlns='jabber:iq:roster'><item jid='a@b'/></query>",
        ),
        ("set", "<vCard xmlns='vcard-temp'/>"),
        (
            "set",
            "<query xmlns='jabber:iq:private'><a xmlns='x'/></query>",
        ),
        (
            "get",
            "<query xmlns='jabber:iq:private'><a xmlns='x'/></query>",
        ),
        ("get", "<query xmlns='jabber:iq:private'/>"),
    ] {
        let (condition, _) = error(&format!(
            "<iq type='{kind}' id='1' to='ben@localhost'>{payload}</iq>"
        ));
        assert_eq!(condition, ErrorCondition::Forbidden, "{kind} {payload}");
    }
}

#[test]
fn what_the_server_answers_for_another_user_is_asked() {
    for payload in [
        "<vCard xmlns='vcard-temp'/>",
        "<query xmlns='jabber:iq:last'/>",
        "<query xmlns='http://jabber.org/protocol/disco#info'/>",
        "<query xmlns='http://jabber.org/protocol/disco#items'/>",
    ] {
        let text = format!("<iq type='get' id='1' to='ben@localhost'>{payload}</iq>");
        let Action::Inquire(parcel) = of(&text) else {
            panic!("{payload}");
        };
        assert_eq!(parcel.to.as_str(), "ben@localhost");
        let kept = parse(std::str::from_utf8(&parcel.bytes).unwrap());
        assert_eq!(kept.from.unwrap().as_str(), "ann@localhost/desk");
    }
    for payload in [
        "<query xmlns='jabber:iq:roster'/>",
        "<ping xmlns='urn:xmpp:ping'/>",
        "<x xmlns='y'/>",
    ] {
        let (condition, _) = error(&format!(
            "<iq type='get' id='1' to='ben@localhost'>{payload}</iq>"
        ));
        assert_eq!(condition, ErrorCondition::ServiceUnavailable, "{payload}");
    }
    let long = "x".repeat(limits::ASK_BYTES_MAX);
    let (condition, _) = error(&format!(
        "<iq type='get' id='1' to='ben@localhost'><vCard xmlns='vcard-temp'>{long}</vCard></iq>"
    ));
    assert_eq!(condition, ErrorCondition::PolicyViolation);
}

/// XEP-0012 section 4.
#[test]
fn a_device_is_asked_for_its_activity_by_those_who_see_it() {
    for (payload, expected) in [
        ("<query xmlns='jabber:iq:last'/>", true),
        ("<query xmlns='jabber:iq:version'/>", false),
    ] {
        let text = format!("<iq type='get' id='1' to='ben@localhost/desk'>{payload}</iq>");
        let Action::Send(parcel) = of(&text) else {
            panic!("{payload}");
        };
        assert_eq!(parcel.hints.needs_sight, expected, "{payload}");
    }
}

#[test]
fn what_is_kept_is_kept_by_its_name() {
    let Action::Keep { documents, .. } =
        of("<iq type='set' id='1'><vCard xmlns='vcard-temp'><FN>A</FN></vCard></iq>")
    else {
        panic!("a vCard");
    };
    let [(DocumentName::VCard, vcard)] = &documents[..] else {
        panic!("{documents:?}");
    };
    assert_eq!(vcard, "<vCard xmlns='vcard-temp'><FN>A</FN></vCard>");
    let Action::Keep { iq, documents, .. } = of("<iq type='set' id='1' to='ann@localhost'>\
         <query xmlns='jabber:iq:private'><a xmlns='x'>1</a><b xmlns='x'/></query></iq>")
    else {
        panic!("private data");
    };
    assert_eq!(documents.len(), 2);
    // An error is made of it, which needs nothing of what was to be kept.
    assert!(
        parse(std::str::from_utf8(&iq.bytes).unwrap())
            .request()
            .unwrap()
            .is_empty()
    );
    let long = "x".repeat(limits::VCARD_BYTES_MAX);
    let (condition, text) = error(&format!(
        "<iq type='set' id='1'><vCard xmlns='vcard-temp'>{long}</vCard></iq>"
    ));
    assert_eq!(condition, ErrorCondition::PolicyViolation);
    assert!(text.ends_with(" octets of 65536"), "{text}");
}

#[test]
fn a_request_to_see_somebody_has_a_limit() {
    let asks = |octets: usize| {
        let words = "x".repeat(octets);
        format!("<presence type='subscribe' to='ben@localhost'><status>{words}</status></presence>")
    };
    let short = of(&asks(limits::SUBSCRIPTION_BYTES_MAX / 2));
    assert!(matches!(short, Action::Subscription { .. }));
    let (condition, text) = error(&asks(limits::SUBSCRIPTION_BYTES_MAX));
    assert_eq!(condition, ErrorCondition::PolicyViolation);
    assert_eq!(text, "the presence is longer than 4,096 octets");
}

#[test]
fn a_version_of_the_list_is_understood_or_ignored() {
    let version = ListVersion::default();
    for (ver, expected) in [
        (String::new(), None),
        (" ver=''".to_owned(), None),
        (" ver='ver14'".to_owned(), None),
        (format!(" ver='{version}'"), Some(version)),
    ] {
        let text = format!("<iq type='get' id='1'><query xmlns='jabber:iq:roster'{ver}/></iq>");
        let Action::AskList { known, .. } = of(&text) else {
            panic!("{text}");
        };
        assert_eq!(known, expected, "{ver}");
    }
}
