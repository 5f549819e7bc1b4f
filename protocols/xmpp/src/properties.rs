//! What must hold for any octets: nothing panics, and what was understood is written and understood
//! again. Not for examples: see the tests of each module.

use pollux_domain::jid::Jid;
use pollux_xml::{Element, StreamNamespaces};

use crate::bind2::Bind2;
use crate::delay::Delay;
use crate::disco::DiscoInfo;
use crate::fast::{Fast, GivenToken, TokenProof};
use crate::features::Features;
use crate::roster::{Roster, RosterRequest};
use crate::sasl::scram::{ClientFirst, ScramClient, ScramHash, ScramKeys};
use crate::sasl::{Mechanism, Offer, SaslElement, Sent, chosen_address};
use crate::sasl2::Sasl2Element;
use crate::sm::SmElement;
use crate::stanza::{PlainMessage, Stanza, StanzaError, StanzaKind};
use crate::starttls::Starttls;
use crate::stream_error::StreamError;
use crate::stream_header::{ContentNamespace, StreamHeader};
use crate::{bind, disco, external_services, fast, ns};

/// One frame of a stream, taken for everything that it could be.
pub fn check_frame(octets: &[u8]) {
    if let Ok(header) = StreamHeader::parse(octets, ContentNamespace::Client) {
        let mut out = Vec::new();
        header.write(&mut out);
        let frame = out
            .strip_prefix(b"<?xml version='1.0'?>".as_slice())
            .unwrap_or(&out);
        let again = StreamHeader::parse(frame, ContentNamespace::Client);
        assert_eq!(
            again.map(|again| (again.to, again.from, again.id)),
            Ok((header.to, header.from, header.id))
        );
    }
    let Ok(element) = Element::parse(octets, &StreamNamespaces::new(ns::CLIENT)) else {
        return;
    };
    check_nonzas(&element);
    match Stanza::from_element(element) {
        Ok(stanza) => {
            check_stanza(&stanza);
            check_plain(octets, &stanza);
        }
        Err(problem) => {
            assert!(problem.reply().is_none() || problem.stream_error().is_none());
            if let Some(reply) = problem.reply() {
                assert_eq!(
                    reparse(&reply).map(|again| again.error()),
                    Ok(reply.error())
                );
            }
        }
    }
}

/// A message that is passed on without a tree says what it would say with one.
fn check_plain(octets: &[u8], stanza: &Stanza) {
    let Some(plain) = PlainMessage::scan(octets, &StreamNamespaces::new(ns::CLIENT)) else {
        return;
    };
    assert_eq!(StanzaKind::Message(plain.kind), stanza.kind);
    let from = Jid::parse("ann@example.org/desk").expect("an address");
    let to = stanza.to.clone().unwrap_or_else(|| from.clone());
    for lang in [None, Some("de")] {
        let Some(bytes) = plain.to_bytes(&from, &to, lang) else {
            return;
        };
        let again = Element::parse(&bytes, &StreamNamespaces::new(ns::CLIENT));
        let again = again.map(|element| Stanza::from_element(element).expect("a stanza"));
        let expected = Stanza {
            from: Some(from.clone()),
            lang: stanza.lang.clone().or(lang.map(Into::into)),
            ..stanza.clone()
        };
        assert_eq!(again.as_ref(), Ok(&expected));
    }
}

fn reparse(stanza: &Stanza) -> Result<Stanza, String> {
    let context = StreamNamespaces::new(ns::CLIENT);
    let element =
        Element::parse(&stanza.to_bytes(), &context).map_err(|error| error.to_string())?;
    Stanza::from_element(element).map_err(|problem| format!("{problem:?}"))
}

fn check_stanza(stanza: &Stanza) {
    assert_eq!(reparse(stanza).as_ref(), Ok(stanza));
    let _ = (
        stanza.priority(),
        stanza.show(),
        stanza.status(),
        stanza.body(),
        stanza.error(),
    );
    if let Some(Ok(request)) = RosterRequest::from_stanza(stanza) {
        let mut again = stanza.clone();
        again.payload = vec![request.to_element()];
        assert_eq!(RosterRequest::from_stanza(&again), Some(Ok(request)));
    }
    let _ = (
        bind::BindRequest::from_stanza(stanza),
        bind::bound_jid(stanza),
        disco::info_request(stanza),
        external_services::ExternalRequest::from_stanza(stanza),
    );
    for child in &stanza.payload {
        let error = StanzaError::from_element(child);
        assert_eq!(
            StanzaError::from_element(&error.to_element()).condition,
            error.condition
        );
        if let Some(delay) = Delay::from_element(child) {
            let again = Delay::from_element(&delay.to_element());
            assert!(again.is_none_or(|again| again.from == delay.from));
        }
        let _ = (Roster::from_element(child), DiscoInfo::from_element(child));
    }
}

fn check_nonzas(element: &Element) {
    if let Some(Ok(sm)) = SmElement::from_element(element) {
        assert_eq!(SmElement::from_element(&sm.to_element()), Some(Ok(sm)));
    }
    for sent in [Sent::ByInitiator, Sent::ByReceiver] {
        if let Some(Ok(sasl)) = SaslElement::from_element(element, sent) {
            assert_eq!(
                SaslElement::from_element(&sasl.to_element(), sent),
                Some(Ok(sasl))
            );
        }
        if let Some(Ok(sasl)) = Sasl2Element::from_element(element, sent) {
            assert_eq!(
                Sasl2Element::from_element(&sasl.to_element(), sent),
                Some(Ok(sasl))
            );
        }
    }
    check_inline(element);
    if let Some(error) = StreamError::from_element(element) {
        let again = StreamError::from_element(&error.to_element());
        assert_eq!(again.map(|again| again.condition), Some(error.condition));
    }
    let _ = (
        Features::from_element(element),
        Starttls::from_element(element),
    );
}

/// What may be asked for with a proof, at any depth.
fn check_inline(element: &Element) {
    if let Some(bind) = Bind2::from_element(element) {
        assert_eq!(Bind2::from_element(&bind.to_element()), Some(bind));
    }
    if let Some(Ok(known)) = Fast::from_element(element) {
        assert_eq!(Fast::from_element(&known.to_element()), Some(Ok(known)));
    }
    if let Some(binding) = fast::requested(element) {
        assert_eq!(
            fast::requested(&fast::request_token(binding)),
            Some(binding)
        );
    }
    let _ = GivenToken::from_element(element);
    for child in element.elements() {
        check_inline(child);
    }
}

/// One message of a mechanism: of SCRAM taken for each of the four, of a token, of EXTERNAL.
pub fn check_scram(octets: &[u8]) {
    let Ok(keys) = ScramKeys::derive(ScramHash::Sha1, "pencil", b"salt", 1) else {
        return;
    };
    let Ok(identity) = pollux_domain::jid::BareJid::parse("user@example.com") else {
        return;
    };
    let offer = Offer::of(Vec::new());
    let first = ClientFirst::parse(octets, Mechanism::ScramSha1, &offer);
    if let Ok(first) = first
        && let Ok(challenge) = first.challenge(keys.clone(), &identity, "b")
    {
        assert!(challenge.verify(octets).is_err());
    }
    if let Ok(first) = ClientFirst::parse(b"n,,n=user,r=a", Mechanism::ScramSha1, &offer)
        && let Ok(challenge) = first.challenge(keys, &identity, "b")
    {
        assert!(challenge.verify(octets).is_err(), "nobody knows the proof");
    }
    if let Ok(proof) = TokenProof::parse(octets) {
        assert!(!proof.username.is_empty() && !proof.hashed.is_empty());
    }
    assert!(chosen_address(octets, &[]).is_err(), "nobody is named");
    // Iterations would take the time of the test.
    if !String::from_utf8_lossy(octets).contains("i=")
        && let Ok(client) = ScramClient::new(ScramHash::Sha1, "user", "pencil", None, "a")
    {
        let _ = client.answer(octets);
    }
}

#[cfg(test)]
mod tests {
    use pollux_domain::properties::Dice;

    use super::*;
    use proptest::prelude::*;

    const SEEDS: &[&str] = &[
        "<message to='a@b/c' from='d@e' id='1' type='chat' xml:lang='en'><body>x &amp; y</body>\
         <delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z' from='a'>z</delay></message>",
        "<presence type='unavailable' to='a@b'><show>away</show><priority>-5</priority></presence>",
        "<iq id='1' type='set'><query xmlns='jabber:iq:roster' ver='1'><item jid='a@b' name='c' \
         subscription='remove'>\
         <group>d</group></item></query></iq>",
        "<iq id='1' type='error'><error type='cancel' by='a'><gone \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:a</gone>\
         </error></iq>",
        "<iq id='1' type='set'><bind \
         xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>a</resource></bind></iq>",
        "<iq id='1' type='get'><query xmlns='http://jabber.org/protocol/disco#info' \
         node='a'><identity category='a' \
         type='b'/><feature var='c'/></query></iq>",
        "<enable xmlns='urn:xmpp:sm:3' resume='true' max='5'/>",
        "<resume xmlns='urn:xmpp:sm:3' h='5' previd='a'/>",
        "<failed xmlns='urn:xmpp:sm:3' h='5'><conflict \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>",
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biws</auth>",
        "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</success>",
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-1'><initial-response>biws\
         </initial-response><user-agent id='a'><software>b</software><device>c</device>\
         </user-agent><bind xmlns='urn:xmpp:bind:0'><tag>d</tag><enable \
         xmlns='urn:xmpp:sm:3'/></bind><fast xmlns='urn:xmpp:fast:0' count='1' \
         invalidate='true'/><request-token xmlns='urn:xmpp:fast:0' \
         mechanism='HT-SHA-256-NONE'/></authenticate>",
        "<success xmlns='urn:xmpp:sasl:2'><additional-data>YQ==</additional-data>\
         <authorization-identifier>a@b/c</authorization-identifier><token \
         xmlns='urn:xmpp:fast:0' expiry='2020-03-12T14:36:15Z' token='e'/></success>",
        "<failure xmlns='urn:xmpp:sasl:2'><aborted \
         xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/><text>a</text></failure>",
        "<stream:features><authentication xmlns='urn:xmpp:sasl:2'><mechanism>PLAIN</mechanism>\
         <inline><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/></inline>\
         </bind><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast>\
         </inline></authentication></stream:features>",
        "<stream:error><see-other-host \
         xmlns='urn:ietf:params:xml:ns:xmpp-streams'>a:1</see-other-host></stream:error>",
        "<stream:stream to='a' from='b@c' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>",
        "n,a=user@example.com,n=user,r=fyko+d2lbb,x=y",
        "r=ab,s=QSXCR+Q6sek8bf92,x=1",
        "c=biws,r=ab,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        "user\0hashed",
        "user@example.com",
    ];

    fn octets(dice: &mut Dice) -> Vec<u8> {
        let mut octets = SEEDS[dice.below(SEEDS.len())].as_bytes().to_vec();
        for _ in 0..dice.below(4) {
            let at = dice.below(octets.len());
            let end = (at + 1 + dice.below(12)).min(octets.len());
            let other = SEEDS[dice.below(SEEDS.len())].as_bytes();
            let from = dice.below(other.len());
            match dice.below(4) {
                0 => octets[at] = dice.below(128) as u8,
                1 => drop(octets.drain(at..end)),
                2 => drop(octets.splice(at..end, other[from..].iter().take(20).copied())),
                _ => octets.swap(at, end - 1),
            }
            if octets.is_empty() {
                break;
            }
        }
        octets
    }

    #[test]
    fn mutated_frames_keep_the_properties() {
        for seed in 0..40_000 {
            let octets = octets(&mut Dice(seed));
            let result = std::panic::catch_unwind(|| {
                check_frame(&octets);
                check_scram(&octets);
            });
            assert!(
                result.is_ok(),
                "seed {seed}: {:?}",
                String::from_utf8_lossy(&octets)
            );
        }
    }

    proptest! {
        #[test]
        fn any_octets_keep_the_properties(
            octets: Vec<u8>,
            text in "[nyp],(a=\\PC{0,9})?,n=\\PC{0,9},r=\\PC{0,9}",
        ) {
            check_frame(&octets);
            check_scram(&octets);
            check_scram(text.as_bytes());
        }
    }
}
