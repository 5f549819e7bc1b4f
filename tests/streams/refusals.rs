//! Whoever is refused is told so each time anew, the others notice nothing of it, and memory is
//! afterwards what it was. Each kind of refusal again and again; what each may look like in all its
//! forms stands where its rule is tested.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_xmpp::fast::{self, Fast, TokenBinding};
use pollux_xmpp::sasl::{Mechanism, Secret};
use rustls::ClientConfig;

use crate::common::client::{Client, SASL, SM};
use crate::common::deadline::{PATIENCE, found, wait_for};
use crate::common::node::{PASSWORD, Plaintext, TestNode};
use crate::common::sasl2::{
    self, BIND2, PHONE, SASL2, authenticate, by_password, by_token, encrypted_as, given, success,
    user_agent,
};
use crate::common::stream::{Stream, xml};
use crate::common::tls::trust;
use crate::connect;
use crate::external;

/// Until caches and the log's tail are full, and the allocator has the pages that it keeps.
const ROUNDS_BEFORE: usize = 100;
/// In which nothing may be left behind.
const ROUNDS: usize = 300;
/// What the node may grow by in these, whatever the kind: the allocator's luck, and a snapshot. If
/// each left four kibibytes behind, it would be more.
const GROWN_MAX_KIB: u64 = 1_024;

const HEADER: &str = "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";

/// A node with two who talk, and with mallory.
struct Scene {
    node: TestNode,
    alice: Client,
    bob: Client,
    /// Who says what is refused as a stanza.
    mallory: Client,
    /// Streams of these and of others who stay.
    streams: u64,
}

/// The tail of the log is in memory: let it be full soon.
const SETTINGS: &str = "[cluster]\nsnapshot_entries = 100";

impl Scene {
    fn new() -> Scene {
        let mut node = TestNode::prepare(Plaintext::Allowed);
        node.set(SETTINGS);
        node.begin();
        for user in ["alice", "bob"] {
            node.add_user(user);
        }
        Scene::of(node)
    }

    /// With a node that has alice and bob.
    fn of(node: TestNode) -> Scene {
        for user in ["carol", "mallory"] {
            node.add_user(user);
        }
        node.set_cluster(&[
            "sign-in.lockout-account-failures=unlimited",
            "sign-in.lockout-address-failures=unlimited",
            "client.bytes-a-second=unlimited",
            "client.stanzas-a-second=unlimited",
            "client.conflict=refuse",
        ]);
        let of = |name: &str| Client::connect(node.address(), name, Some("here"));
        let (alice, bob, mallory) = (of("alice"), of("bob"), of("mallory"));
        Scene {
            node,
            alice,
            bob,
            mallory,
            streams: 3,
        }
    }

    /// A client that trusts the node.
    fn trust(&self) -> Arc<ClientConfig> {
        trust(&[&self.node.path("data/certificate.pem")])
    }

    /// One kind, many times.
    fn kind(&mut self, name: &str, mut strike: impl FnMut(&mut Scene)) {
        for _ in 0..ROUNDS_BEFORE {
            strike(self);
        }
        self.wait_for_the_gone();
        let before = self.node.memory_kib();
        for _ in 0..ROUNDS {
            strike(self);
        }
        self.wait_for_the_gone();
        // The allocator gives back what it has kept for a moment.
        let mut grown = 0;
        let returned = found(PATIENCE, || {
            grown = self.node.memory_kib().saturating_sub(before);
            (grown < GROWN_MAX_KIB).then_some(())
        });
        eprintln!("{name}: {before} KiB and {grown} more");
        assert!(
            returned.is_some(),
            "{name}: {before} KiB, then {grown} more"
        );
        self.others_notice_nothing();
    }

    /// Who has broken off is let go when the node hears of it.
    fn wait_for_the_gone(&self) {
        wait_for("those who stay", || {
            let strangers = self.node.figure("pollux_preauth_connections")?;
            let sessions = self.node.figure("pollux_session_streams")?;
            (strangers == 0 && sessions == self.streams).then_some(())
        });
    }

    fn others_notice_nothing(&mut self) {
        self.alice
            .send("<message to='bob@localhost/here'><body>Still there?</body></message>");
        let came = self.bob.element();
        assert_eq!(
            came.attribute("from"),
            Some("alice@localhost/here"),
            "{}",
            xml(&came)
        );
        for client in [&mut self.alice, &mut self.bob] {
            client.round_trip();
            assert!(client.waiting().is_empty(), "{:?}", client.waiting());
        }
    }

    /// As [`Scene::kind`], each time a sign-in that fails, which is counted.
    fn failure(&mut self, name: &str, strike: impl FnMut(&mut Scene)) {
        let figure = "pollux_sign_in_failures_total";
        let before = self.node.figure(figure).unwrap_or_default();
        self.kind(name, strike);
        let counted = self.node.figure(figure).unwrap_or_default() - before;
        assert_eq!(counted, (ROUNDS_BEFORE + ROUNDS) as u64, "{name}: {figure}");
    }

    /// Said under TLS by one who claims to be carol.
    fn by_carol(&mut self, name: &str, config: &Arc<ClientConfig>, said: &str, condition: &str) {
        self.failure(name, |scene| {
            let (mut stream, _) = encrypted_as(scene.node.address(), Some("carol"), config);
            stream.send(said);
            sasl2::fails_with(&stream.element(), condition);
        });
    }

    /// As [`Scene::kind`], each time an error of the stream, which is counted.
    fn error(&mut self, name: &str, condition: &str, strike: impl FnMut(&mut Scene)) {
        let figure = format!("pollux_stream_errors_total{{condition={condition}}}");
        let before = self.node.figure(&figure).unwrap_or_default();
        self.kind(name, strike);
        let counted = self.node.figure(&figure).unwrap_or_default() - before;
        assert_eq!(counted, (ROUNDS_BEFORE + ROUNDS) as u64, "{name}: {figure}");
    }

    /// Said without a header of a stream before it.
    fn at_the_door(&mut self, said: &str, condition: &str) {
        self.error(said.get(..40).unwrap_or(said), condition, |scene| {
            let mut stream = connect(&scene.node);
            stream.send(said);
            stream.ends_with(condition);
        });
    }

    /// Said by one who has not signed in.
    fn by_a_stranger(&mut self, name: &str, said: &str, condition: &str) {
        self.error(name, condition, |scene| {
            let mut stream = opened(&scene.node);
            stream.send(said);
            stream.ends_with(condition);
        });
    }

    /// Said instead of a proof.
    fn in_a_sign_in(&mut self, name: &str, said: &str, condition: &str) {
        self.kind(name, |scene| {
            let mut stream = opened(&scene.node);
            stream.send(said);
            let failure = stream.element();
            assert_eq!(failure.name(), "failure", "{}", xml(&failure));
            let found = failure
                .elements()
                .next()
                .map(|child| child.name().to_owned());
            assert_eq!(found.as_deref(), Some(condition), "{}", xml(&failure));
        });
    }

    /// Said by one who has signed in, whose stream ends of it.
    fn by_a_client(&mut self, name: &str, said: &str, condition: &str) {
        self.error(name, condition, |scene| {
            let mut carol = Client::connect(scene.node.address(), "carol", None);
            carol.stream.send(said);
            carol.ends_with(condition);
        });
    }

    /// Said by one whose stream goes on.
    fn as_a_stanza(&mut self, said: &str, condition: &str) {
        self.kind(said.get(..60).unwrap_or(said), |scene| {
            scene.mallory.send(said);
            let answer = scene.mallory.element();
            assert_eq!(answer.attribute("type"), Some("error"), "{}", xml(&answer));
            let error = answer.find("jabber:client", "error").expect("an error");
            let found = error.find("urn:ietf:params:xml:ns:xmpp-stanzas", condition);
            assert!(found.is_some(), "{condition}: {}", xml(&answer));
        });
    }
}

#[track_caller]
fn opened(node: &TestNode) -> Stream {
    let mut stream = connect(node);
    stream.open();
    stream
}

fn scram(message: &str) -> String {
    let data = STANDARD.encode(message);
    format!("<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{data}</auth>")
}

#[test]
fn at_the_door() {
    let mut scene = Scene::new();
    scene.at_the_door("GET / HTTP/1.1\r\n\r\n", "not-well-formed");
    scene.at_the_door("<!DOCTYPE lol [<!ENTITY a 'b'>]>", "restricted-xml");
    scene.at_the_door(
        &HEADER.replace("localhost", "elsewhere.example"),
        "host-unknown",
    );
    scene.at_the_door(&HEADER.replace("1.0", "0.9"), "unsupported-version");
    scene.at_the_door(
        &HEADER.replace("jabber:client", "jabber:server"),
        "invalid-namespace",
    );
    scene.at_the_door(&format!("<{}", "x".repeat(9_000)), "policy-violation");
    let spaces = " ".repeat(8 * 1024);
    let long = format!("<auth xmlns='{SASL}'>{}", "A".repeat(8 * 1024));
    let many = format!("<auth xmlns='{SASL}'>{}", "<a/>".repeat(32));
    scene.by_a_stranger("white space", &spaces, "policy-violation");
    scene.by_a_stranger("8 KiB", &long, "policy-violation");
    scene.by_a_stranger("32 elements", &many, "policy-violation");
    let message = "<message to='alice@localhost'><body>Hello</body></message>";
    scene.by_a_stranger("a message", message, "not-authorized");
}

#[test]
fn in_a_sign_in() {
    let mut scene = Scene::new();
    scene.in_a_sign_in("no message of SCRAM", &scram("hello"), "malformed-request");
    let other = scram("n,a=bob@localhost,n=alice,r=nonce");
    scene.in_a_sign_in("another's name", &other, "invalid-authzid");
    let unknown = format!("<auth xmlns='{SASL}' mechanism='CRAM-MD5'/>");
    scene.in_a_sign_in("no such mechanism", &unknown, "invalid-mechanism");
    let unknown = format!("<authenticate xmlns='{SASL2}' mechanism='CRAM-MD5'/>");
    scene.in_a_sign_in("no such mechanism, SASL2", &unknown, "invalid-mechanism");
    scene.kind("a wrong password", |scene| {
        let mut stream = opened(&scene.node);
        stream.send(scram("n,,n=alice,r=nonce"));
        let challenge = stream.element();
        assert_eq!(challenge.name(), "challenge", "{}", xml(&challenge));
        let nonce = STANDARD
            .decode(challenge.text_content().as_str())
            .expect("base64");
        let nonce = String::from_utf8(nonce).expect("text");
        let nonce = nonce.split(',').next().expect("a nonce").to_owned();
        let proof = STANDARD.encode(format!("c=biws,{nonce},p={}", STANDARD.encode([7; 32])));
        stream.send(format!("<response xmlns='{SASL}'>{proof}</response>"));
        let failure = stream.element();
        assert!(
            xml(&failure).contains("<not-authorized"),
            "{}",
            xml(&failure)
        );
    });
    scene.kind("a resource that another has", |scene| {
        let mut alice = Client::sign_in(scene.node.address(), "alice", None);
        alice.stream.send(
            "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
             <resource>here</resource></bind></iq>",
        );
        let answer = xml(&alice.stream.element());
        assert!(answer.contains("<conflict"), "{answer}");
    });
    scene.kind("no session to resume", |scene| {
        let mut alice = Client::sign_in(scene.node.address(), "alice", None);
        alice.stream.send(format!(
            "<resume xmlns='{SM}' previd='77-00000000000000000000000000000000' h='0'/>"
        ));
        let failed = xml(&alice.stream.element());
        assert!(failed.contains("<item-not-found"), "{failed}");
    });
}

#[test]
fn by_a_client() {
    let mut scene = Scene::new();
    let to = "<message to='alice@localhost/here'>";
    let large = format!("{to}<body>{}", "x".repeat(257 * 1024));
    scene.by_a_client("a large stanza", &large, "policy-violation");
    let deep = format!("{to}{}", "<a>".repeat(33));
    scene.by_a_client("a deep stanza", &deep, "policy-violation");
    let attributes: String = (0..65).map(|number| format!(" a{number}=''")).collect();
    scene.by_a_client(
        "many attributes",
        &format!("<message{attributes}/>"),
        "policy-violation",
    );
    scene.by_a_client("no XML", "<message><body></message>", "not-well-formed");
    scene.by_a_client("an entity", &format!("{to}&lol;"), "restricted-xml");
    scene.by_a_client("no stanza", "<hello/>", "unsupported-stanza-type");
    scene.by_a_client(
        "another's address",
        "<message from='bob@localhost'/>",
        "invalid-from",
    );
}

#[test]
fn as_a_stanza() {
    let mut scene = Scene::new();
    scene.node.set_cluster(&[
        "contacts.max=1",
        "messages.offline-max=1",
        "messages.broadcast-max=1",
    ]);
    // Carol has her one message, mallory the one contact.
    let to_carol = "<message to='carol@localhost' type='chat' id='m'><body>Hello</body></message>";
    let contact = |name: &str| {
        format!(
            "<iq type='set' id='c'><query xmlns='jabber:iq:roster'>\
             <item jid='{name}@localhost'/></query></iq>"
        )
    };
    scene.mallory.send(to_carol);
    scene.mallory.send(&contact("bob"));
    let _added = scene.mallory.element();
    scene.as_a_stanza(to_carol, "service-unavailable");
    scene.as_a_stanza(&contact("carol"), "resource-constraint");
    let nobody = "<message to='nobody@localhost' type='chat' id='m'><body>Hello</body></message>";
    scene.as_a_stanza(nobody, "service-unavailable");
    let elsewhere = "<message to='bob@elsewhere.example' id='m'><body>Hello</body></message>";
    scene.as_a_stanza(elsewhere, "remote-server-not-found");
    let nowhere = "<message to='@' id='m'><body>Hello</body></message>";
    scene.as_a_stanza(nowhere, "jid-malformed");
    let addresses = "<address type='to' jid='alice@localhost'/>\
                     <address type='to' jid='bob@localhost'/>";
    let broadcast = format!(
        "<message to='localhost' id='b'><addresses xmlns='http://jabber.org/protocol/address'>\
         {addresses}</addresses><body>Hello</body></message>"
    );
    scene.as_a_stanza(&broadcast, "not-acceptable");
    let photo = "A".repeat(65 * 1024);
    let vcard = format!(
        "<iq type='set' id='v'><vCard xmlns='vcard-temp'><PHOTO><BINVAL>{photo}</BINVAL></PHOTO>\
         </vCard></iq>"
    );
    scene.as_a_stanza(&vcard, "policy-violation");
    let many: String = (0..1_001)
        .map(|number| format!("<item jid='u{number}@elsewhere.example'/>"))
        .collect();
    let block =
        format!("<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>{many}</block></iq>");
    scene.as_a_stanza(&block, "resource-constraint");
    let unknown = "<iq type='get' id='i' to='localhost'><query xmlns='urn:example:none'/></iq>";
    scene.as_a_stanza(unknown, "service-unavailable");
    let to_alice = "<message to='alice@localhost' type='chat' id='m'><body>Hi</body></message>";
    let blocked = "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'>\
                   <item jid='mallory@localhost'/></block></iq>";
    scene.alice.send(blocked);
    let _done = scene.alice.element();
    scene.as_a_stanza(to_alice, "service-unavailable");
}

/// XEP-0388, XEP-0386.
#[test]
fn in_a_sign_in_at_once() {
    let mut scene = Scene::new();
    let trust = scene.trust();
    let said =
        |mechanism: &str, initial: &[u8], inline: &str| authenticate(mechanism, initial, inline);
    let malformed = "malformed-request";
    let scram = said("SCRAM-SHA-256", b"hello", "");
    scene.by_carol("no message of SCRAM", &trust, &scram, malformed);
    let long = user_agent(&"x".repeat(65));
    let long = said("SCRAM-SHA-256", b"n,,n=carol,r=nonce", &long);
    scene.by_carol("a long name of a client", &trust, &long, malformed);
    let other = said("SCRAM-SHA-256", b"n,a=bob@localhost,n=carol,r=nonce", "");
    scene.by_carol("another's name", &trust, &other, "invalid-authzid");
    let unknown = said("CRAM-MD5", b"", "");
    scene.by_carol("no such mechanism", &trust, &unknown, "invalid-mechanism");
    scene.failure("a wrong password", |scene| {
        let (mut stream, _) = encrypted_as(scene.node.address(), Some("carol"), &trust);
        let mechanism = Mechanism::ScramSha256Plus;
        let outcome = by_password(&mut stream, mechanism, "carol", "wrong", "");
        sasl2::fails_with(&outcome, "not-authorized");
    });

    // Her phone is there, and its resource is its own.
    let address = scene.node.address();
    let _phone = sasl2::sign_in(address, "carol", &trust, Some(PHONE), false);
    scene.streams += 1;
    let bind = format!("<bind xmlns='{BIND2}'><tag>Tests</tag></bind>");
    let resume = format!(
        "<resume xmlns='{SM}' previd='77-{}' h='0'/>",
        "0".repeat(32)
    );
    let bind = format!("{}{bind}{resume}", user_agent(PHONE));
    scene.kind(
        "a resource that another has, no session to resume",
        |scene| {
            let (mut stream, _) = encrypted_as(scene.node.address(), Some("carol"), &trust);
            let mechanism = Mechanism::ScramSha256Plus;
            let outcome = by_password(&mut stream, mechanism, "carol", PASSWORD, &bind);
            let success = success(&outcome);
            assert!(!success.identity.is_full(), "{}", xml(&outcome));
            let [failed] = success.inline.as_slice() else {
                panic!("{}", xml(&outcome));
            };
            assert!(xml(failed).contains("<item-not-found"), "{}", xml(failed));
            let features = xml(&stream.element());
            assert!(features.contains("<bind "), "{features}");
        },
    );
}

/// XEP-0484.
#[test]
fn in_a_sign_in_by_a_token() {
    let mut scene = Scene::new();
    let (trust, none) = (scene.trust(), TokenBinding::None);
    let said = |count| Fast {
        count,
        invalidate: false,
    };
    let agent = user_agent(PHONE);
    let request = format!("{agent}{}", xml(&fast::request_token(none)));
    let (mut stream, _) = encrypted_as(scene.node.address(), Some("carol"), &trust);
    let mechanism = Mechanism::ScramSha256Plus;
    let outcome = by_password(&mut stream, mechanism, "carol", PASSWORD, &request);
    let token = given(&outcome).expect("a token").token;
    drop(stream);
    let comes = |scene: &Scene, token: &Secret, count| {
        let (mut stream, _) = encrypted_as(scene.node.address(), Some("carol"), &trust);
        by_token(&mut stream, none, "carol", token, said(count), &agent)
    };
    success(&comes(&scene, &token, Some(1)));
    let inline = format!("{agent}{}", xml(&said(None).to_element()));
    let malformed = authenticate("HT-SHA-256-NONE", b"carol", &inline);
    scene.by_carol("no message", &trust, &malformed, "malformed-request");
    let unasked = authenticate("HT-SHA-256-NONE", b"carol\0x", &agent);
    scene.by_carol("without `fast`", &trust, &unasked, "malformed-request");
    let wrong = Secret::new(b"wrong".to_vec());
    scene.failure("a wrong token", |scene| {
        sasl2::fails_with(&comes(scene, &wrong, None), "not-authorized");
    });
    scene.failure("a count that was there", |scene| {
        sasl2::fails_with(&comes(scene, &token, Some(1)), "not-authorized");
    });
    let file = scene.node.path("other");
    std::fs::write(&file, "another one 7\n").expect("a password file");
    let file = file.to_str().expect("a plain name");
    let change = ["user", "set-password", "carol", "--password-file", file];
    scene.node.ctl_done(&change);
    scene.failure("a token of the old password", |scene| {
        sasl2::fails_with(&comes(scene, &token, Some(2)), "credentials-expired");
    });
}

/// XEP-0178.
#[test]
fn in_a_sign_in_by_a_certificate() {
    let scene = external::Scene::with(Plaintext::Allowed, SETTINGS);
    let address = external::address;
    let carols = scene.shows("carol", "clients", &address("carol@localhost"));
    let nobodys = scene.shows("nobody", "clients", &address("nobody@localhost"));
    let others = scene.shows("other", "others", &address("carol@localhost"));
    let mut scene = Scene::of(scene.node);
    let plain = scene.trust();
    let said = |authzid: &[u8]| authenticate("EXTERNAL", authzid, "");
    let as_bob = said(b"bob@localhost");
    scene.by_carol("another's name", &carols, &as_bob, "invalid-authzid");
    let unknown = said(b"");
    scene.by_carol(
        "nobody's certificate",
        &nobodys,
        &unknown,
        "invalid-mechanism",
    );
    scene.by_carol("no certificate", &plain, &unknown, "invalid-mechanism");
    scene.kind("the certificate of another authority", |scene| {
        external::is_refused(&scene.node, &others);
    });
    let (mut stream, _) = encrypted_as(scene.node.address(), Some("carol"), &carols);
    stream.send(&unknown);
    success(&stream.element());
}
