//! SASL EXTERNAL (XEP-0178 section 2, RFC 6120 section 13.7.2.2): who shows a certificate of the
//! right authority is who it names, in either profile; every other certificate is refused or says
//! nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_xml::Element;
use pollux_xmpp::features::Features;
use pollux_xmpp::sasl::Mechanism;
use rustls::ClientConfig;

use crate::common::client::{Client, SASL};
use crate::common::deadline::wait_for;
use crate::common::node::{PASSWORD, Plaintext, TestNode};
use crate::common::sasl2::{BIND2, authenticate, bound, by_password, encrypted_as, success};
use crate::common::stream::{Event, Stream, xml};
use crate::common::tls::{trust, trust_and_show};
use crate::sasl::fails_with;

/// A node that believes the authority `clients`, with alice and bob.
pub struct Scene {
    pub node: TestNode,
}

impl Scene {
    fn new() -> Scene {
        Scene::with(Plaintext::Refused, "")
    }

    /// With more settings.
    pub fn with(plaintext: Plaintext, more: &str) -> Scene {
        let mut node = TestNode::prepare(plaintext);
        node.set(more);
        for authority in ["clients", "others"] {
            let subject = format!("/CN={authority}");
            let (certificate, key) = (format!("{authority}.pem"), format!("{authority}.key"));
            new_key(&node, &["-x509"], &subject, &key, &certificate);
        }
        let settings = std::fs::read_to_string(node.settings()).expect("the settings");
        let named = settings.replace("[xmpp]\n", "[xmpp]\nclient_ca = \"clients.pem\"\n");
        std::fs::write(node.settings(), named).expect("the settings can be written");
        node.begin();
        for user in ["alice", "bob"] {
            node.add_user(user);
        }
        Scene { node }
    }

    /// A certificate with these alternative names, as openssl writes them; its file and its key's.
    fn certificate(&self, name: &str, authority: &str, names: &str) -> (PathBuf, PathBuf) {
        let key = format!("{name}.key");
        let request = format!("{name}.csr");
        let certificate = format!("{name}.pem");
        let extensions = format!("{name}.cnf");
        let subject = format!("/CN={name}");
        let usage = "extendedKeyUsage = clientAuth\n";
        let names = match names.is_empty() {
            true => String::new(),
            false => format!("subjectAltName = {names}\n"),
        };
        std::fs::write(self.node.path(&extensions), format!("{usage}{names}")).expect("a file");
        new_key(&self.node, &[], &subject, &key, &request);
        let (authority, secret) = (format!("{authority}.pem"), format!("{authority}.key"));
        openssl(
            &self.node,
            &[
                "x509",
                "-req",
                "-in",
                &request,
                "-CA",
                &authority,
                "-CAkey",
                &secret,
                "-days",
                "2",
                "-extfile",
                &extensions,
                "-out",
                &certificate,
            ],
        );
        (self.node.path(&certificate), self.node.path(&key))
    }

    /// A client that shows a certificate.
    pub fn shows(&self, name: &str, authority: &str, names: &str) -> Arc<ClientConfig> {
        let (certificate, key) = self.certificate(name, authority, names);
        trust_and_show(&self.node.path("data/certificate.pem"), &certificate, &key)
    }

    /// A stream under TLS, with what it offers.
    #[track_caller]
    fn stream(&self, config: &Arc<ClientConfig>) -> (Stream, Features) {
        let mut stream = Stream::connect(self.node.address());
        stream.open();
        stream.encrypt_with(config);
        let features = Features::from_element(&stream.open());
        (stream, features.expect("features"))
    }

    #[track_caller]
    fn says(&self, config: &Arc<ClientConfig>, message: &str) -> (Stream, Element) {
        let (mut stream, _) = self.stream(config);
        stream.send(format!(
            "<auth xmlns='{SASL}' mechanism='EXTERNAL'>{message}</auth>"
        ));
        let outcome = stream.element();
        (stream, outcome)
    }
}

/// A key of its own, and what openssl makes of it: a request, or with `-x509` a certificate.
#[track_caller]
fn new_key(node: &TestNode, kind: &[&str], subject: &str, key: &str, made: &str) {
    let curve = "ec_paramgen_curve:prime256v1";
    let how = [
        "-newkey", "ec", "-pkeyopt", curve, "-nodes", "-subj", subject,
    ];
    let files = ["-keyout", key, "-out", made];
    openssl(node, &[&["req"][..], kind, &how, &files].concat());
}

fn openssl(node: &TestNode, arguments: &[&str]) {
    let mut command = Command::new("openssl");
    let ended = command.args(arguments).current_dir(node.folder()).output();
    let ended = ended.expect("openssl is installed");
    let words = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "openssl {arguments:?}: {words}");
}

/// One alternative name that is an address.
pub fn address(text: &str) -> String {
    format!("otherName:1.3.6.1.5.5.7.8.5;UTF8:{text}")
}

pub fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

#[test]
fn who_is_named_signs_in_by_either_profile_at_either_port() {
    let scene = Scene::new();
    let config = scene.shows("alice", "clients", &address("alice@localhost"));
    let (_, features) = scene.stream(&config);
    assert_eq!(features.mechanisms.first(), Some(&Mechanism::External));
    for message in [
        "=",
        &encoded("alice@localhost"),
        &encoded("Alice@LocalHost"),
    ] {
        let (mut stream, outcome) = scene.says(&config, message);
        assert!(outcome.is(SASL, "success"), "{message}: {}", xml(&outcome));
        assert!(outcome.text_content().is_empty());
        stream.restart();
        stream.open();
        let mut alice = Client::known(stream, "alice", "");
        alice.bind(Some("desk"));
        alice.round_trip();
    }
    // As the answer to an empty challenge.
    let (mut stream, _) = scene.stream(&config);
    stream.send(format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'/>"));
    assert!(stream.element().is(SASL, "challenge"));
    stream.send(format!("<response xmlns='{SASL}'/>"));
    assert!(stream.element().is(SASL, "success"));

    let (mut stream, offered) = encrypted_as(scene.node.address(), Some("alice"), &config);
    assert_eq!(offered.mechanisms.first(), Some(&Mechanism::External));
    let bind = format!("<bind xmlns='{BIND2}'/>");
    stream.send(authenticate("EXTERNAL", b"", &bind));
    let outcome = stream.element();
    bound(stream, "alice", &outcome, false).round_trip();

    let mut direct = Stream::connect_direct(scene.node.direct_tls_address(), &config);
    direct.open();
    direct.send(authenticate("EXTERNAL", b"", &bind));
    let outcome = direct.element();
    bound(direct, "alice", &outcome, false).round_trip();
}

/// RFC 6120 section 6.5.2.
#[test]
fn whose_account_is_disabled_is_told_so() {
    let scene = Scene::new();
    let config = scene.shows("alice", "clients", &address("alice@localhost"));
    scene.node.ctl_done(&["user", "disable", "alice"]);
    fails_with(&scene.says(&config, "=").1, "account-disabled");
    scene.node.ctl_done(&["user", "enable", "alice"]);
    let (_, outcome) = scene.says(&config, "=");
    assert!(outcome.is(SASL, "success"), "{}", xml(&outcome));
}

#[test]
fn who_is_named_twice_says_as_whom() {
    let scene = Scene::new();
    let names = [
        "alice@localhost",
        "bob@localhost",
        "alice@elsewhere.example",
    ];
    let config = scene.shows("both", "clients", &names.map(address).join(","));
    fails_with(&scene.says(&config, "=").1, "invalid-authzid");
    for (authzid, condition) in [
        ("alice@localhost", None),
        ("bob@localhost", None),
        ("carol@localhost", Some("invalid-authzid")),
        ("alice@elsewhere.example", Some("invalid-authzid")),
        ("alice", Some("invalid-authzid")),
        ("alice@localhost/desk", Some("invalid-authzid")),
    ] {
        let (_, outcome) = scene.says(&config, &encoded(authzid));
        match condition {
            Some(condition) => fails_with(&outcome, condition),
            None => assert!(outcome.is(SASL, "success"), "{}", xml(&outcome)),
        }
    }
    // One of them, as another.
    let config = scene.shows("alice", "clients", &address("alice@localhost"));
    let (mut stream, outcome) = scene.says(&config, &encoded("bob@localhost"));
    fails_with(&outcome, "invalid-authzid");
    let mechanism = Mechanism::ScramSha256;
    success(&by_password(&mut stream, mechanism, "alice", PASSWORD, ""));
}

#[test]
fn a_certificate_that_names_nobody_here_says_nothing() {
    let scene = Scene::new();
    for (number, names) in [
        String::new(),
        address("mallory@localhost"),
        address("alice@elsewhere.example"),
        "email:alice@localhost".to_owned(),
        "otherName:1.3.6.1.5.5.7.8.7;UTF8:alice@localhost".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let config = scene.shows(&format!("nobody{number}"), "clients", names);
        let (mut stream, features) = scene.stream(&config);
        assert!(
            !features.mechanisms.contains(&Mechanism::External),
            "{names}"
        );
        stream.send(format!(
            "<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>"
        ));
        fails_with(&stream.element(), "invalid-mechanism");
        let mechanism = Mechanism::ScramSha256Plus;
        success(&by_password(&mut stream, mechanism, "alice", PASSWORD, ""));
    }
    // A user who goes takes the offer along.
    let config = scene.shows("bob", "clients", &address("bob@localhost"));
    let (mut stream, _) = scene.stream(&config);
    scene.node.ctl_done(&["user", "remove", "bob"]);
    stream.send(format!(
        "<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>"
    ));
    fails_with(&stream.element(), "not-authorized");
    let (_, features) = scene.stream(&config);
    assert!(!features.mechanisms.contains(&Mechanism::External));
}

/// What a certificate calls its subject names nobody, whatever it looks like.
#[test]
fn a_common_name_is_no_address() {
    let scene = Scene::new();
    for (name, names) in [
        ("alice@localhost", String::new()),
        ("alice", address("mallory@localhost")),
    ] {
        let config = scene.shows(name, "clients", &names);
        let (mut stream, features) = scene.stream(&config);
        assert!(
            !features.mechanisms.contains(&Mechanism::External),
            "{name}"
        );
        for message in ["=", &encoded("alice@localhost")] {
            stream.send(format!(
                "<auth xmlns='{SASL}' mechanism='EXTERNAL'>{message}</auth>"
            ));
            fails_with(&stream.element(), "invalid-mechanism");
        }
    }
}

#[track_caller]
pub fn is_refused(node: &TestNode, config: &Arc<ClientConfig>) {
    let mut stream = Stream::connect(node.address());
    stream.open();
    stream.encrypt_with(config);
    stream.send(Stream::header());
    let end = stream.next_before(crate::common::deadline::Deadline::new());
    let alert = match end {
        Ok(event) => {
            assert_eq!(event, Event::Gone);
            return;
        }
        Err(error) => error.to_string(),
    };
    assert!(alert.contains("received fatal alert"), "{alert}");
}

#[test]
fn whoever_shows_a_certificate_of_another_authority_is_refused_and_whoever_shows_none_is_not() {
    let scene = Scene::new();
    let other = scene.shows("alice", "others", &address("alice@localhost"));
    is_refused(&scene.node, &other);
    let none = trust(&[&scene.node.path("data/certificate.pem")]);
    let (mut stream, features) = scene.stream(&none);
    assert!(!features.mechanisms.contains(&Mechanism::External));
    let mechanism = Mechanism::ScramSha256Plus;
    success(&by_password(&mut stream, mechanism, "alice", PASSWORD, ""));

    // Until the authority is replaced, without a restart.
    let ours = scene.shows("bob", "clients", &address("bob@localhost"));
    assert!(scene.says(&ours, "=").1.is(SASL, "success"));
    std::fs::copy(
        scene.node.path("others.pem"),
        scene.node.path("clients.pem"),
    )
    .expect("the file is replaced");
    wait_for("the new authority", || {
        scene
            .node
            .log()
            .contains("new certificate is served")
            .then_some(())
    });
    assert!(scene.says(&other, "=").1.is(SASL, "success"));
    is_refused(&scene.node, &ours);
}

#[test]
fn nobody_is_asked_where_no_authority_is_set() {
    let scene = Scene::new();
    let (certificate, key) = scene.certificate("alice", "clients", &address("alice@localhost"));
    let node = TestNode::start(Plaintext::Refused);
    node.add_user("alice");
    let own = node.path("data/certificate.pem");
    let config = trust_and_show(Path::new(&own), &certificate, &key);
    let (mut stream, offered) = encrypted_as(node.address(), Some("alice"), &config);
    assert!(!offered.mechanisms.contains(&Mechanism::External));
    stream.send(authenticate("EXTERNAL", b"", ""));
    crate::common::sasl2::fails_with(&stream.element(), "invalid-mechanism");
}
