//! What breaks the stream of a client that has signed in, and what does not (RFC 6120 sections
//! 4.9.3.1, 4.9.3.9, 4.9.3.13, 4.9.3.14, 4.9.3.18, 4.9.3.22, 4.9.3.24, 11.1 and 11.7). Each mistake
//! ends its own stream and disturbs no other.

use crate::common::client::Client;
use crate::common::node::{Plaintext, TestNode};
use crate::common::stream::{Event, xml};
use crate::{Delivery, case};

/// A node with mallory, who breaks streams, and alice, who must not notice.
struct Scene {
    node: TestNode,
    alice: Client,
}

impl Scene {
    fn new() -> Scene {
        let node = TestNode::start(Plaintext::Allowed);
        node.add_user("alice");
        node.add_user("mallory");
        let alice = Client::connect(node.address(), "alice", Some("phone"));
        Scene { node, alice }
    }

    /// A fresh stream of mallory's gets this error for these octets.
    #[track_caller]
    fn breaks(&mut self, said: &[u8], condition: &str, deliveries: &[Delivery]) {
        for delivery in deliveries {
            case(
                &String::from_utf8_lossy(&said[..said.len().min(100)]),
                *delivery,
            );
            let mut mallory = Client::connect(self.node.address(), "mallory", Some("here"));
            delivery.send(&mut mallory.stream, said);
            mallory.ends_with(condition);
            self.alice.round_trip();
            assert!(self.alice.waiting().is_empty());
        }
    }

    /// Mallory's stream goes on, and alice receives it.
    #[track_caller]
    fn passes(&mut self, said: &[u8], expected: &str, deliveries: &[Delivery]) {
        for delivery in deliveries {
            case(
                &String::from_utf8_lossy(&said[..said.len().min(100)]),
                *delivery,
            );
            let mut mallory = Client::connect(self.node.address(), "mallory", Some("here"));
            delivery.send(&mut mallory.stream, said);
            mallory.round_trip();
            let came = self.alice.element();
            assert_eq!(came.text_content().trim(), "");
            let body = came
                .find("jabber:client", "body")
                .expect("a body")
                .text_content();
            assert!(body.as_str() == expected, "{}", xml(&came));
        }
    }
}

/// A message to alice with this in its body.
fn to_alice(body: &str) -> String {
    format!("<message to='alice@localhost/phone'><body>{body}</body></message>")
}

#[test]
fn restricted_xml() {
    let mut scene = Scene::new();
    for said in [
        "<!-- a comment -->".to_owned(),
        to_alice("<!-- a comment -->"),
        "<?a processing instruction?>".to_owned(),
        to_alice("<?a processing instruction?>"),
        "<!DOCTYPE a [<!ENTITY b 'c'>]>".to_owned(),
        to_alice("<!DOCTYPE a>"),
        to_alice("&lol;"),
        "<message to='&lol;'/>".to_owned(),
    ] {
        scene.breaks(said.as_bytes(), "restricted-xml", &Delivery::EACH);
    }
}

#[test]
fn not_well_formed() {
    let mut scene = Scene::new();
    for said in [
        "<message><body></message>",
        "</message>",
        "<message a='1' a='2'/>",
        "<message xmlns:p='urn:a' xmlns:q='urn:a' p:a='1' q:a='2'/>",
        "<message to=alice/>",
        "<message to='alice' type/>",
        "<message <",
        "<message to='<'/>",
        "<p:message/>",
        "<message p:to='x'/>",
        "<1message/>",
        "<message>&#0;</message>",
        "<message>&#xD800;</message>",
        "<message>&amp</message>",
        "<message>]]></message>",
        "<message>\u{1}</message>",
        "<message>\u{ffff}</message>",
        "<message to='\u{b}'/>",
        "< message/>",
        "<message/ >",
    ] {
        scene.breaks(said.as_bytes(), "not-well-formed", &Delivery::EACH);
    }
}

#[test]
fn broken_utf_8() {
    let mut scene = Scene::new();
    for octets in [
        &b"\xff"[..],
        b"\xc3(",
        b"\xc0\x80",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\x80",
    ] {
        let said = [b"<message><body>", octets, b"</body></message>"].concat();
        scene.breaks(&said, "unsupported-encoding", &Delivery::EACH);
    }
}

#[test]
fn not_a_stanza() {
    let mut scene = Scene::new();
    scene.breaks(b"hello", "bad-format", &Delivery::EACH);
    scene.breaks(b"<message/>&amp;", "bad-format", &Delivery::EACH);
    scene.breaks(b"<massage/>", "unsupported-stanza-type", &Delivery::EACH);
    scene.breaks(
        b"<message xmlns='jabber:server'/>",
        "unsupported-stanza-type",
        &Delivery::EACH,
    );
    scene.breaks(
        b"<a xmlns='urn:xmpp:sm:3' h='many'/>",
        "bad-format",
        &Delivery::EACH,
    );
    scene.breaks(b"<message from='@'/>", "invalid-from", &Delivery::EACH);
    scene.breaks(
        b"<presence from='alice@localhost/phone'/>",
        "invalid-from",
        &Delivery::EACH,
    );
    scene.breaks(
        b"<iq type='get' id='1' from='localhost'/>",
        "invalid-from",
        &Delivery::EACH,
    );
}

#[test]
fn too_much_of_it() {
    let mut scene = Scene::new();
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let attributes =
        |count: usize| -> String { (0..count).map(|number| format!(" a{number}='x'")).collect() };
    let namespaces = |count: usize| -> String {
        (0..count)
            .map(|number| format!(" xmlns:n{number}='urn:{number}'"))
            .collect()
    };
    // One level for the message, one for its body.
    let message = |attributes: &str, inside: &str| {
        format!(
            "<message to='alice@localhost/phone'{attributes}><body>Hello</body>{inside}</message>"
        )
    };
    let too_much = "policy-violation";
    scene.breaks(
        message("", &nested(32)).as_bytes(),
        too_much,
        &Delivery::EACH,
    );
    scene.passes(
        message("", &nested(31)).as_bytes(),
        "Hello",
        &Delivery::EACH,
    );
    scene.breaks(
        message(&attributes(64), "").as_bytes(),
        too_much,
        &Delivery::EACH,
    );
    scene.passes(
        message(&attributes(63), "").as_bytes(),
        "Hello",
        &Delivery::EACH,
    );
    scene.breaks(
        message(&namespaces(17), "").as_bytes(),
        too_much,
        &Delivery::EACH,
    );
    scene.passes(
        message(&namespaces(16), "").as_bytes(),
        "Hello",
        &Delivery::EACH,
    );
}

#[test]
fn stanzas_of_up_to_256_kibibytes() {
    let mut scene = Scene::new();
    const LIMIT: usize = 256 * 1024;
    let frame = to_alice("").len();
    let largest = "x".repeat(LIMIT - frame);
    scene.passes(to_alice(&largest).as_bytes(), &largest, &[Delivery::Whole]);
    let larger = to_alice(&"x".repeat(LIMIT - frame + 1));
    scene.breaks(larger.as_bytes(), "policy-violation", &[Delivery::Whole]);
    let endless = format!("<message to='{}", "x".repeat(4 * LIMIT));
    scene.breaks(endless.as_bytes(), "policy-violation", &[Delivery::Whole]);
}

#[test]
fn what_is_allowed_passes() {
    let mut scene = Scene::new();
    scene.passes(
        to_alice("<![CDATA[<b>&amp;]]>").as_bytes(),
        "<b>&amp;",
        &Delivery::EACH,
    );
    scene.passes(
        to_alice("&lt;&#x1F600;&#65;&apos;").as_bytes(),
        "<😀A'",
        &Delivery::EACH,
    );
    scene.passes(
        to_alice("Grüße, 世界 😀").as_bytes(),
        "Grüße, 世界 😀",
        &Delivery::EACH,
    );
    let spaced = format!(" \r\n\t {} \n", to_alice("Hello"));
    scene.passes(spaced.as_bytes(), "Hello", &Delivery::EACH);
    let prefixed = "<c:message xmlns:c='jabber:client' to='alice@localhost/phone'>\
                    <c:body>Hello</c:body></c:message>";
    scene.passes(prefixed.as_bytes(), "Hello", &Delivery::EACH);
}

/// An error ends the stream, not the session: whoever resumes it goes on (XEP-0198 section 5).
#[test]
fn a_broken_stream_leaves_its_session() {
    use crate::common::client::Answers;
    let node = TestNode::start(Plaintext::Allowed);
    node.add_user("alice");
    let mut alice = Client::connect(node.address(), "alice", Some("phone"));
    alice.enable(true, Answers::Always);
    alice.stream.send("<broken");
    alice.stream.send("<");
    alice.ends_with("not-well-formed");
    alice.resume(node.address());
    alice.round_trip();
    assert!(alice.waiting().is_empty());
    alice.close();
    assert_eq!(alice.stream.next(), Event::Gone);
}
