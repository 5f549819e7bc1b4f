//! Elements and feature of XEP-0388 as they are written and read.

use super::*;
use pollux_xml::StreamNamespaces;

fn parse(input: &str, sent: Sent) -> Option<Result<Sasl2Element, SaslCondition>> {
    let element = Element::parse(input.as_bytes(), &StreamNamespaces::new(ns::SASL2)).unwrap();
    let parsed = Sasl2Element::from_element(&element, sent)?;
    Some(parsed.map_err(|failure| failure.condition))
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

#[track_caller]
fn check(sent: Sent, element: Sasl2Element, expected: &str) {
    assert_eq!(element.to_element().to_bytes(ns::SASL2), expected);
    assert_eq!(parse(expected, sent), Some(Ok(element)), "{expected}");
}

#[test]
fn a_client_is_written_and_read() {
    let authenticate = Authenticate {
        mechanism: "SCRAM-SHA-1".into(),
        initial: None,
        user_agent: None,
        inline: Vec::new(),
    };
    check(
        Sent::ByInitiator,
        Sasl2Element::Authenticate(authenticate.clone()),
        "<authenticate mechanism='SCRAM-SHA-1'/>",
    );
    let empty = Authenticate {
        initial: Some(secret("")),
        ..authenticate.clone()
    };
    check(
        Sent::ByInitiator,
        Sasl2Element::Authenticate(empty),
        "<authenticate mechanism='SCRAM-SHA-1'><initial-response/></authenticate>",
    );
    let full = Authenticate {
        initial: Some(secret("n,,")),
        user_agent: Some(UserAgent {
            id: Some("d4565fa7-4d72-4749-b3d3-740edbf87770".into()),
            software: Some("AwesomeXMPP".into()),
            device: None,
        }),
        inline: vec![Element::new(ns::BIND2, "bind")],
        ..authenticate
    };
    assert_eq!(full.client(), Some("d4565fa7-4d72-4749-b3d3-740edbf87770"));
    assert!(full.find(ns::BIND2, "bind").is_some());
    check(
        Sent::ByInitiator,
        Sasl2Element::Authenticate(full),
        "<authenticate mechanism='SCRAM-SHA-1'><initial-response>biws</initial-response>\
         <user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'>\
         <software>AwesomeXMPP</software></user-agent>\
         <bind xmlns='urn:xmpp:bind:0'/></authenticate>",
    );
    check(
        Sent::ByInitiator,
        Sasl2Element::Response(secret("a")),
        "<response>YQ==</response>",
    );
    check(Sent::ByInitiator, Sasl2Element::Abort, "<abort/>");
}

#[test]
fn a_server_is_written_and_read() {
    check(
        Sent::ByReceiver,
        Sasl2Element::Challenge(secret("ab")),
        "<challenge>YWI=</challenge>",
    );
    check(
        Sent::ByReceiver,
        Sasl2Element::Challenge(secret("")),
        "<challenge/>",
    );
    check(
        Sent::ByReceiver,
        Sasl2Element::Success(Success {
            additional: Some(secret("v=")),
            identity: Jid::parse("user@example.org").unwrap(),
            inline: vec![Element::new(ns::SM, "failed")],
        }),
        "<success><additional-data>dj0=</additional-data>\
         <authorization-identifier>user@example.org</authorization-identifier>\
         <failed xmlns='urn:xmpp:sm:3'/></success>",
    );
    check(
        Sent::ByReceiver,
        Sasl2Element::Failure(SaslFailure::new(SaslCondition::Aborted).with_text("no")),
        "<failure><aborted xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>\
         <text xml:lang='en'>no</text></failure>",
    );
}

/// Section 2.6.3.
#[test]
fn tasks_are_written_and_read() {
    let task = |additional| {
        Sasl2Element::Continue(Continue {
            additional,
            tasks: vec!["UPGR-SCRAM-SHA-256".into()],
        })
    };
    check(
        Sent::ByReceiver,
        task(None),
        "<continue><tasks><task>UPGR-SCRAM-SHA-256</task></tasks></continue>",
    );
    check(
        Sent::ByReceiver,
        task(Some(secret("v="))),
        "<continue><additional-data>dj0=</additional-data>\
         <tasks><task>UPGR-SCRAM-SHA-256</task></tasks></continue>",
    );
    check(
        Sent::ByInitiator,
        Sasl2Element::Next("UPGR-SCRAM-SHA-256".into()),
        "<next task='UPGR-SCRAM-SHA-256'/>",
    );
    for sent in [Sent::ByInitiator, Sent::ByReceiver] {
        check(
            sent,
            Sasl2Element::TaskData(vec![Element::new(ns::SCRAM_UPGRADE, "salt")]),
            "<task-data><salt xmlns='urn:xmpp:scram-upgrade:0'/></task-data>",
        );
    }
    let malformed = Some(Err(SaslCondition::MalformedRequest));
    assert_eq!(parse("<next/>", Sent::ByInitiator), malformed);
    assert_eq!(parse("<continue/>", Sent::ByReceiver), malformed);
    assert_eq!(parse("<next task='x'/>", Sent::ByReceiver), None);
}

#[test]
fn refusals() {
    let long = format!("<response>{}</response>", "A".repeat(6_000));
    let id = "x".repeat(limits::USER_AGENT_ID_BYTES_MAX + 1);
    let id = format!("<authenticate mechanism='PLAIN'><user-agent id='{id}'/></authenticate>");
    for (input, expected) in [
        ("<authenticate/>", SaslCondition::InvalidMechanism),
        // The equals sign of RFC 6120 section 6.4.2 has no meaning here.
        (
            "<authenticate mechanism='PLAIN'><initial-response>=</initial-response>\
             </authenticate>",
            SaslCondition::IncorrectEncoding,
        ),
        ("<response>YQ</response>", SaslCondition::IncorrectEncoding),
        (
            "<response>a b=</response>",
            SaslCondition::IncorrectEncoding,
        ),
        (&long, SaslCondition::MalformedRequest),
        (&id, SaslCondition::MalformedRequest),
    ] {
        let parsed = parse(input, Sent::ByInitiator);
        assert_eq!(parsed, Some(Err(expected)), "{input:.60}");
    }
    assert_eq!(parse("<success/>", Sent::ByInitiator), None);
    let success = parse("<success/>", Sent::ByReceiver);
    assert_eq!(success, Some(Err(SaslCondition::MalformedRequest)));
    assert_eq!(
        parse("<abort xmlns='urn:xmpp:sasl:1'/>", Sent::ByInitiator),
        None
    );
}

#[test]
fn the_feature_is_written_and_read() {
    for (feature, expected) in [
        (
            Authentication {
                mechanisms: vec![Mechanism::ScramSha1],
                ..Authentication::default()
            },
            "<authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-1</mechanism>\
             </authentication>",
        ),
        (
            Authentication {
                mechanisms: vec![Mechanism::ScramSha1Plus, Mechanism::ScramSha1],
                sm: true,
                bind: Some(vec![ns::SM.into()]),
                tokens: vec![TokenBinding::None],
                upgrades: vec![ScramHash::Sha512, ScramHash::Sha256],
            },
            "<authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-1-PLUS</mechanism>\
             <mechanism>SCRAM-SHA-1</mechanism><inline><sm xmlns='urn:xmpp:sm:3'/>\
             <bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/></inline>\
             </bind><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism>\
             </fast></inline>\
             <upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>\
             <upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>\
             </authentication>",
        ),
    ] {
        let element = feature.to_element();
        assert_eq!(element.to_bytes(ns::CLIENT), expected);
        assert_eq!(Authentication::from_feature(&element), feature);
    }
}
