//! XEP-0077 over TLS: strangers make accounts where they may (sections 3.1, 4, 6, 8, 9 and 10),
//! users change their passwords (section 3.3), each refusal by its name; and no password is found
//! afterwards in what the node has written.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use pollux_xml::Element;
use pollux_xmpp::fast::{self, Fast, TokenBinding};
use pollux_xmpp::features::Features;
use pollux_xmpp::sasl::Mechanism;
use rustls::ClientConfig;

use crate::common::client::Client;
use crate::common::node::{PASSWORD, Plaintext, TestNode};
use crate::common::sasl2::{
    PHONE, bound, by_password, by_token, encrypted_as, fails_with, given, success, user_agent,
};
use crate::common::stream::{Event, Stream, xml};
use crate::common::tls::trust;

const REGISTER: &str = "jabber:iq:register";
const DATA: &str = "jabber:x:data";
const CONDITIONS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const CHOSEN: &str = "Calliope is my 7";

/// A node with alice.
struct Scene {
    node: TestNode,
    trust: Arc<ClientConfig>,
}

impl Scene {
    fn new(settings: &[&str]) -> Scene {
        let node = TestNode::start(Plaintext::Allowed);
        node.add_user("alice");
        if !settings.is_empty() {
            node.set_cluster(settings);
        }
        let trust = trust(&[&node.path("data/certificate.pem")]);
        Scene { node, trust }
    }

    /// A stranger under TLS, from this address, and what it is offered.
    #[track_caller]
    fn stranger_from(&self, address: IpAddr) -> (Stream, Features) {
        let mut stream = Stream::connect_from(address, self.node.address());
        stream.open();
        stream.encrypt_with(&self.trust);
        let features = Features::from_element(&stream.open());
        (stream, features.expect("features"))
    }

    #[track_caller]
    fn stranger(&self) -> (Stream, Features) {
        self.stranger_from(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// What a sign-in comes to.
    #[track_caller]
    fn signs_in(&self, name: &str, password: &str, inline: &str) -> (Stream, Element) {
        let (mut stream, _) = encrypted_as(self.node.address(), Some(name), &self.trust);
        let mechanism = Mechanism::ScramSha512Plus;
        let outcome = by_password(&mut stream, mechanism, name, password, inline);
        (stream, outcome)
    }

    /// Alice in TLS, with a resource.
    #[track_caller]
    fn alice(&self) -> Client {
        let bind = "<bind xmlns='urn:xmpp:bind:0'><tag>Tests</tag></bind>";
        let (stream, outcome) = self.signs_in("alice", PASSWORD, bind);
        bound(stream, "alice", &outcome, false)
    }
}

fn is_offered(features: &Features) -> bool {
    let others = &features.others;
    let namespace = "http://jabber.org/features/iq-register";
    others.iter().any(|one| one.is(namespace, "register"))
}

fn iq(kind: &str, inner: &str) -> String {
    format!("<iq type='{kind}' id='reg'><query xmlns='{REGISTER}'>{inner}</query></iq>")
}

fn filled(name: &str, password: &str) -> String {
    let inner = format!("<username>{name}</username><password>{password}</password>");
    iq("set", &inner)
}

/// The same as a form.
fn filled_form(name: &str, password: &str) -> String {
    let field =
        |name: &str, value: &str| format!("<field var='{name}'><value>{value}</value></field>");
    let fields = [
        field("FORM_TYPE", REGISTER),
        field("username", name),
        field("password", password),
    ];
    let fields = fields.concat();
    iq(
        "set",
        &format!("<x xmlns='{DATA}' type='submit'>{fields}</x>"),
    )
}

#[track_caller]
fn says(stream: &mut Stream, said: &str) -> Element {
    stream.send(said);
    let answer = stream.element();
    assert_eq!(answer.attribute("id"), Some("reg"), "{}", xml(&answer));
    answer
}

#[track_caller]
fn is_done(answer: &Element) {
    let words = xml(answer);
    assert_eq!(answer.attribute("type"), Some("result"), "{words}");
    assert_eq!(answer.elements().count(), 0, "{words}");
}

/// With type and code, and without what was sent.
#[track_caller]
fn is_refused(answer: &Element, condition: &str, kind: &str, code: &str) {
    let words = xml(answer);
    assert_eq!(answer.attribute("type"), Some("error"), "{words}");
    assert_eq!(answer.elements().count(), 1, "{words}");
    let error = answer.elements().next().expect("an error");
    let found = error.find(CONDITIONS, condition);
    assert!(found.is_some(), "expected {condition}: {words}");
    let said = (error.attribute("type"), error.attribute("code"));
    assert_eq!(said, (Some(kind), Some(code)), "{words}");
}

/// Whether these octets stand in a file of this folder.
fn is_written(folder: &Path, wanted: &[u8]) -> bool {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").path())
        .any(|path| {
            if path.is_dir() {
                return is_written(&path, wanted);
            }
            // A socket is not read, and a file may go meanwhile.
            let octets = std::fs::read(&path).unwrap_or_default();
            octets.windows(wanted.len()).any(|window| window == wanted)
        })
}

#[test]
fn it_is_offered_in_tls_alone_and_where_it_is_on() {
    let scene = Scene::new(&[]);
    let (mut stream, features) = scene.stranger();
    assert!(!is_offered(&features));
    for said in [iq("get", ""), filled("bill", CHOSEN)] {
        let answer = says(&mut stream, &said);
        is_refused(&answer, "service-unavailable", "cancel", "503");
    }
    scene.node.set_cluster(&["accounts.registration=on"]);
    let (mut stream, features) = scene.stranger();
    assert!(is_offered(&features));
    let form = says(&mut stream, &iq("get", ""));
    let query = form.find(REGISTER, "query").expect("a form");
    let fields: Vec<&str> = query.elements().map(Element::name).collect();
    assert_eq!(fields, ["instructions", "username", "password", "x"]);
    let form = query.find(DATA, "x").expect("a form of XEP-0004");
    assert_eq!(form.attribute("type"), Some("form"));
    let fields = form.elements().filter(|part| part.name() == "field");
    let fields: Vec<_> = fields
        .map(|field| (field.attribute("var"), field.attribute("type")))
        .collect();
    let expected = [
        (Some("FORM_TYPE"), Some("hidden")),
        (Some("username"), Some("text-single")),
        (Some("password"), Some("text-private")),
    ];
    assert_eq!(fields, expected);

    let mut stream = Stream::connect(scene.node.address());
    let features = Features::from_element(&stream.open()).expect("features");
    assert!(!is_offered(&features));
    let answer = says(&mut stream, &filled("bill", CHOSEN));
    is_refused(&answer, "not-authorized", "modify", "401");
    scene
        .node
        .ctl_done(&["settings", "reset", "accounts.registration"]);
    assert!(!is_offered(&scene.stranger().1));
}

#[test]
fn a_stranger_makes_an_account_and_signs_in_by_it() {
    let mut scene = Scene::new(&["accounts.registration=on"]);
    let (mut stream, _) = scene.stranger();
    is_done(&says(&mut stream, &filled("Bill", CHOSEN)));
    // One for each stream (section 3.1.1).
    let answer = says(&mut stream, &filled("ben", CHOSEN));
    is_refused(&answer, "not-acceptable", "modify", "406");
    let mechanism = Mechanism::ScramSha512Plus;
    let outcome = by_password(&mut stream, mechanism, "bill", CHOSEN, "");
    assert_eq!(success(&outcome).identity.as_str(), "bill@localhost");
    stream.element();
    let mut bill = Client::known(stream, "bill", "");
    bill.bind(Some("desk"));
    bill.round_trip();
    bill.stream.send(iq("get", ""));
    let known = bill.stream.element();
    let query = known.find(REGISTER, "query").expect("what is known");
    assert!(
        query.find(REGISTER, "registered").is_some(),
        "{}",
        xml(&known)
    );
    let name = query.find(REGISTER, "username").expect("a name");
    assert_eq!(name.text_content().as_str(), "bill");
    let info = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    bill.stream
        .send(format!("<iq type='get' id='i' to='localhost'>{info}</iq>"));
    assert!(xml(&bill.stream.element()).contains("'jabber:iq:register'"));
    scene.node.kill();
    scene.node.begin();
    success(&scene.signs_in("bill", CHOSEN, "").1);
    let log = scene.node.log();
    assert!(log.contains("account was registered"), "{log}");
    assert!(!log.contains(CHOSEN), "{log}");
    assert!(!is_written(&scene.node.path("data"), CHOSEN.as_bytes()));
    // The search finds what there is.
    assert!(is_written(&scene.node.path("data"), b"bill@localhost"));
}

#[test]
fn a_stranger_is_told_why_not() {
    let scene = Scene::new(&[
        "accounts.registration=on",
        "accounts.registrations-an-hour=unlimited",
    ]);
    let long = "x".repeat(65);
    let half = iq("set", "<username>bill</username>");
    let (modify, not_acceptable) = ("modify", "not-acceptable");
    for (said, condition, kind, code) in [
        (filled("alice", CHOSEN), "conflict", "cancel", "409"),
        (filled("ALICE", CHOSEN), "conflict", "cancel", "409"),
        (half, not_acceptable, modify, "406"),
        (iq("set", ""), not_acceptable, modify, "406"),
        (filled("", CHOSEN), not_acceptable, modify, "406"),
        (filled("bill", ""), not_acceptable, modify, "406"),
        (filled("bill", "short"), not_acceptable, modify, "406"),
        (filled("b b", CHOSEN), not_acceptable, modify, "406"),
        (filled("b@b", CHOSEN), not_acceptable, modify, "406"),
        (filled(&long, CHOSEN), not_acceptable, modify, "406"),
        (
            filled("bill", "sev\u{2028}en chars"),
            not_acceptable,
            modify,
            "406",
        ),
        (iq("set", "<remove/>"), "unexpected-request", "wait", "400"),
        (
            iq("set", "<remove/><username>alice</username>"),
            "bad-request",
            modify,
            "400",
        ),
    ] {
        eprintln!("{said}");
        let (mut stream, _) = scene.stranger();
        is_refused(&says(&mut stream, &said), condition, kind, code);
        // It may try again.
        assert_eq!(
            says(&mut stream, &iq("get", "")).attribute("type"),
            Some("result")
        );
    }
    // Nothing else is heard, before and after.
    for said in [
        "<message to='alice@localhost'/>",
        "<iq type='get' id='reg' to='elsewhere.example'><query xmlns='jabber:iq:register'/></iq>",
        "<iq type='get' id='reg'><ping xmlns='urn:xmpp:ping'/></iq>",
    ] {
        let (mut stream, _) = scene.stranger();
        assert_eq!(
            says(&mut stream, &iq("get", "")).attribute("type"),
            Some("result")
        );
        stream.send(said);
        stream.ends_with("not-authorized");
    }
    let (mut stream, _) = scene.stranger();
    is_done(&says(&mut stream, &filled("bill", CHOSEN)));
    stream.send("<presence/>");
    stream.ends_with("not-authorized");
}

/// Section 4.
#[test]
fn a_form_does_what_the_elements_do() {
    let scene = Scene::new(&["accounts.registration=on", "accounts.password-change=on"]);
    let (not_acceptable, bad_request) = (("not-acceptable", "406"), ("bad-request", "400"));
    let right = filled_form("bill", CHOSEN);
    let half = right.replace("var='password'", "var='pass'");
    let other = right.replace(REGISTER, "jabber:iq:register:changepassword");
    // The namespace of the query stays.
    let other = other.replacen("jabber:iq:register:changepassword", REGISTER, 1);
    let both = right.replace("<x ", "<username>bill</username><x ");
    for (said, (condition, code)) in [
        (half, not_acceptable),
        (filled_form("bill", ""), not_acceptable),
        (filled_form("b b", CHOSEN), not_acceptable),
        (other, bad_request),
        (right.replace("FORM_TYPE", "FORM"), bad_request),
        (right.replace("submit", "cancel"), bad_request),
        (both, bad_request),
    ] {
        eprintln!("{said}");
        let (mut stream, _) = scene.stranger();
        is_refused(&says(&mut stream, &said), condition, "modify", code);
        // It may try again.
        let form = says(&mut stream, &iq("get", ""));
        assert_eq!(form.attribute("type"), Some("result"));
    }
    fails_with(&scene.signs_in("bill", CHOSEN, "").1, "not-authorized");
    let (mut stream, _) = scene.stranger();
    is_done(&says(&mut stream, &right));
    success(&scene.signs_in("bill", CHOSEN, "").1);
    // Who has an account may set its password so.
    let mut alice = scene.alice();
    is_done(&says(&mut alice.stream, &filled_form("alice", CHOSEN)));
    success(&scene.signs_in("alice", CHOSEN, "").1);
    assert!(!scene.node.log().contains(CHOSEN));
    assert!(!is_written(&scene.node.path("data"), CHOSEN.as_bytes()));
}

#[test]
fn an_address_makes_so_many_an_hour() {
    let scene = Scene::new(&[
        "accounts.registration=on",
        "accounts.registrations-an-hour=2",
    ]);
    let from = |address: [u8; 4], name: &str| {
        let (mut stream, _) = scene.stranger_from(IpAddr::V4(address.into()));
        says(&mut stream, &filled(name, CHOSEN))
    };
    let (home, away) = ([127, 0, 0, 1], [127, 0, 0, 2]);
    is_done(&from(home, "bill"));
    // Whoever looks for names has used one up.
    is_refused(&from(home, "alice"), "conflict", "cancel", "409");
    let refused = from(home, "ben");
    is_refused(&refused, "resource-constraint", "wait", "500");
    assert!(
        xml(&refused).contains("the next in 60 min"),
        "{}",
        xml(&refused)
    );
    is_refused(&from(home, "alice"), "resource-constraint", "wait", "500");
    let text = scene.node.ctl_done(&["statistics", "--json"]);
    let figures: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let count = |name: &str| figures[name].as_u64();
    assert_eq!(count("pollux_registrations_total"), Some(1));
    assert_eq!(count("pollux_registrations_refused_total"), Some(2));
    is_done(&from(away, "ben"));
    let unlimited = "accounts.registrations-an-hour=unlimited";
    scene.node.set_cluster(&[unlimited]);
    is_done(&from(home, "ann"));
}

#[test]
fn a_user_changes_the_password() {
    let mut scene = Scene::new(&["accounts.password-change=on"]);
    assert!(!is_offered(&scene.stranger().1));
    let none = TokenBinding::None;
    let agent = user_agent(PHONE);
    let request = xml(&fast::request_token(none));
    let (_, outcome) = scene.signs_in("alice", PASSWORD, &format!("{agent}{request}"));
    let token = given(&outcome).expect("a token").token;
    let mut alice = scene.alice();
    for to in ["", " to='localhost'", " to='alice@localhost'"] {
        let said = filled("alice", CHOSEN).replace(" id=", &format!("{to} id="));
        is_done(&says(&mut alice.stream, &said));
    }
    alice.round_trip();
    fails_with(&scene.signs_in("alice", PASSWORD, "").1, "not-authorized");
    success(&scene.signs_in("alice", CHOSEN, "").1);
    let (mut stream, _) = encrypted_as(scene.node.address(), Some("alice"), &scene.trust);
    let said = Fast::default();
    let outcome = by_token(&mut stream, none, "alice", &token, said, &agent);
    fails_with(&outcome, "credentials-expired");
    scene.node.kill();
    scene.node.begin();
    success(&scene.signs_in("alice", CHOSEN, "").1);
    assert!(!scene.node.log().contains(CHOSEN));
    assert!(!is_written(&scene.node.path("data"), CHOSEN.as_bytes()));
}

#[test]
fn a_user_is_told_why_not_and_the_password_stays() {
    let scene = Scene::new(&["accounts.password-change=on"]);
    let mut alice = scene.alice();
    let half = iq("set", &format!("<password>{CHOSEN}</password>"));
    for (said, condition, kind, code) in [
        (half, "bad-request", "modify", "400"),
        (filled("alice", ""), "bad-request", "modify", "400"),
        (filled("bob", CHOSEN), "not-acceptable", "modify", "406"),
        (filled("alice", "short"), "not-acceptable", "modify", "406"),
        (
            filled("alice", "sev\u{2028}en chars"),
            "not-acceptable",
            "modify",
            "406",
        ),
        (iq("set", "<remove/>"), "not-allowed", "cancel", "405"),
    ] {
        eprintln!("{said}");
        is_refused(&says(&mut alice.stream, &said), condition, kind, code);
    }
    let other = filled("bob", CHOSEN).replace(" id=", " to='bob@localhost' id=");
    let answer = says(&mut alice.stream, &other);
    assert!(
        xml(&answer).contains("service-unavailable"),
        "{}",
        xml(&answer)
    );
    scene.node.set_cluster(&["accounts.password-length=2"]);
    scene.node.set_cluster(&["accounts.password-change=off"]);
    let answer = says(&mut alice.stream, &filled("alice", CHOSEN));
    assert!(
        xml(&answer).contains("service-unavailable"),
        "{}",
        xml(&answer)
    );
    scene.node.set_cluster(&["accounts.cancellation=on"]);
    let answer = says(&mut alice.stream, &filled("alice", CHOSEN));
    is_refused(&answer, "not-allowed", "cancel", "405");
    alice.round_trip();
    success(&scene.signs_in("alice", PASSWORD, "").1);
    // In the clear it is not done.
    scene.node.set_cluster(&["accounts.password-change=on"]);
    let mut clear = Client::connect(scene.node.address(), "alice", Some("desk"));
    let answer = says(&mut clear.stream, &filled("alice", CHOSEN));
    is_refused(&answer, "not-authorized", "modify", "401");
    is_done(&says(&mut alice.stream, &filled("alice", "abcdefg")));
}

/// Section 3.2; who else is told: see `registration_cancelled.play`.
#[test]
fn an_account_that_was_cancelled_is_gone_and_can_be_made_anew() {
    let scene = Scene::new(&["accounts.cancellation=on", "accounts.registration=on"]);
    let mut alice = scene.alice();
    is_done(&says(&mut alice.stream, &iq("set", "<remove/>")));
    alice.ends_with("not-authorized");
    fails_with(&scene.signs_in("alice", PASSWORD, "").1, "not-authorized");
    let (mut stream, _) = scene.stranger();
    is_done(&says(&mut stream, &filled("alice", CHOSEN)));
    stream.send("</stream:stream>");
    assert_eq!(stream.next(), Event::Closed);
    success(&scene.signs_in("alice", CHOSEN, "").1);
}
