//! Stanzas in and out, and each refusal with its answer.

use pollux_domain::jid::Jid;
use pollux_xml::{Element, StreamNamespaces};

use super::*;

fn parse_in(input: &str, namespace: &'static str) -> Result<Stanza, StanzaProblem> {
    let element = Element::parse(input.as_bytes(), &StreamNamespaces::new(namespace));
    Stanza::from_element(element.unwrap_or_else(|error| panic!("{input}: {error}")))
}

fn parse(input: &str) -> Result<Stanza, StanzaProblem> {
    parse_in(input, ns::CLIENT)
}

fn text(stanza: &Stanza) -> String {
    String::from_utf8(stanza.to_bytes().to_vec()).unwrap()
}

#[test]
fn written_as_it_was_read() {
    for input in [
        "<message to='juliet@example.com' id='1' type='chat' \
         xml:lang='en'><body>a</body></message>",
        "<message/>",
        "<message type='groupchat'><subject/></message>",
        "<presence/>",
        "<presence from='a@b/c' type='unavailable'><status>gone</status></presence>",
        "<iq from='a@b/c' to='b' id='x' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq id='' type='result'/>",
    ] {
        assert_eq!(text(&parse(input).unwrap()), input);
    }
}

#[test]
fn between_servers_the_namespace_is_another() {
    let input = "<message from='a@b' to='c@d'><body>x</body>\
                 <f xmlns='urn:xmpp:forward:0'><message \
                 xmlns='jabber:client'><body/></message></f></message>";
    let from_server =
        parse_in(&input.replace("jabber:client", "jabber:server"), ns::SERVER).unwrap();
    assert_eq!(from_server.body().unwrap(), "x");
    let stanza = parse(input).unwrap();
    assert_eq!(stanza.to_server_bytes(), input.as_bytes());
    assert_eq!(parse_in(input, ns::SERVER), Ok(stanza));
}

#[test]
fn a_message_of_unknown_type_is_normal() {
    let stanza = parse("<message type='shout'/>").unwrap();
    assert_eq!(stanza.kind, StanzaKind::Message(MessageType::Normal));
}

/// The condition and the octets of the answer.
fn refuse(input: &str, expected: Option<&str>) {
    let problem = parse(input).unwrap_err();
    assert_eq!(problem.stream_error(), None, "{input}");
    let reply = problem.reply();
    let error = reply
        .as_ref()
        .and_then(Stanza::error)
        .map(|error| error.condition.as_str());
    assert_eq!(error, expected, "{input}");
    if let Some(reply) = reply {
        assert_eq!(parse(&text(&reply)).as_ref(), Ok(&reply), "{input}");
        assert_eq!(
            reply.error_reply(ErrorCondition::BadRequest.into()),
            None,
            "{input}"
        );
    }
}

#[test]
fn refusals() {
    refuse("<message to='a b@c'/>", Some("jid-malformed"));
    refuse("<message to='' id='1'/>", Some("jid-malformed"));
    refuse("<message to='@' type='error'/>", None);
    refuse("<presence type='away'/>", Some("bad-request"));
    refuse("<presence type='available'/>", Some("bad-request"));
    refuse("<iq id='1'><a/></iq>", Some("bad-request"));
    refuse("<iq id='1' type='subscribe'><a/></iq>", Some("bad-request"));
    refuse("<iq type='get'><a/></iq>", Some("bad-request"));
    refuse("<iq id='1' type='get'/>", Some("bad-request"));
    refuse("<iq id='1' type='set'><a/><b/></iq>", Some("bad-request"));
    refuse("<iq id='1' type='result'><a/><b/></iq>", None);
    refuse("<iq id='1' type='error'><a/></iq>", None);
    refuse("<iq id='1' type='result' to='@'/>", None);
}

#[test]
fn the_answer_goes_back_without_the_malformed_address() {
    let reply = parse("<iq to='@' from='a@b/c' id='7' type='get'><q/></iq>")
        .unwrap_err()
        .reply();
    assert_eq!(
        text(&reply.unwrap()),
        "<iq to='a@b/c' id='7' type='error'><error type='modify'>\
         <jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>the localpart is \
         empty</text></error></iq>"
    );
}

#[test]
fn what_closes_the_stream() {
    for (input, expected) in [
        ("<pubsub/>", "unsupported-stanza-type"),
        ("<message xmlns='u:x'/>", "unsupported-stanza-type"),
        ("<message from='a b@c'/>", "invalid-from"),
    ] {
        let problem = parse(input).unwrap_err();
        assert_eq!(problem.reply(), None, "{input}");
        assert_eq!(
            problem.stream_error().unwrap().condition.as_str(),
            expected,
            "{input}"
        );
    }
}

#[test]
fn every_condition_is_written_and_read() {
    for &condition in ErrorCondition::ALL {
        let error = StanzaError::new(condition)
            .with_text("why")
            .with_by(Jid::parse("example.com").unwrap())
            .with_application(Element::new("u:a", "more"));
        assert_eq!(StanzaError::from_element(&error.to_element()), error);
        assert_eq!(
            ErrorCondition::from_name(condition.as_str()),
            Some(condition)
        );
    }
    assert_eq!(ErrorCondition::ALL.len(), 22);
    let foreign = Element::new(ns::CLIENT, "error").child(Element::new(ns::STANZA_ERRORS, "new"));
    let error = StanzaError::from_element(&foreign);
    assert_eq!(error, ErrorCondition::UndefinedCondition.into());
}

#[test]
fn answers_swap_the_addresses() {
    let request = parse("<iq from='a@b/c' to='d' id='1' type='get'><q xmlns='u'/></iq>").unwrap();
    assert_eq!(
        text(&request.result(None).unwrap()),
        "<iq from='d' to='a@b/c' id='1' type='result'/>"
    );
    let message = parse("<message from='a@b/c' to='d@e'/>").unwrap();
    assert_eq!(message.result(None), None);
    assert_eq!(
        text(
            &message
                .error_reply(ErrorCondition::ServiceUnavailable.into())
                .unwrap()
        ),
        "<message from='d@e' to='a@b/c' type='error'><error type='cancel'>\
         <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    );
}

#[test]
fn presence_says_show_status_and_priority() {
    let stanza =
        parse("<presence><show>dnd</show><status>busy</status><priority>-1</priority></presence>")
            .unwrap();
    assert_eq!(
        (stanza.show(), stanza.priority()),
        (Some(Show::Dnd), Ok(-1))
    );
    assert_eq!(stanza.status().unwrap(), "busy");
    let plain = parse("<presence/>").unwrap();
    assert_eq!(
        (plain.show(), plain.status(), plain.priority()),
        (None, None, Ok(0))
    );
    for (priority, is_right) in [
        ("127", true),
        ("-128", true),
        ("+5", true),
        ("128", false),
        ("", false),
        ("1.5", false),
    ] {
        let stanza = parse(&format!(
            "<presence><priority>{priority}</priority></presence>"
        ))
        .unwrap();
        assert_eq!(stanza.priority().is_ok(), is_right, "{priority:?}");
    }
}
