//! Accounts that came from another server with keys of an old hash: they sign in by it, are offered
//! no other, and their clients add the keys of stronger ones (XEP-0480 sections 2.1, 2.2, 2.3, 3
//! and 4; XEP-0388 section 2.6.3).

use std::sync::Arc;

use pollux_xml::Element;
use pollux_xmpp::fast::{self, Fast, TokenBinding};
use pollux_xmpp::sasl::Mechanism;
use pollux_xmpp::sasl::scram::ScramHash;
use pollux_xmpp::sasl2::{Authentication, Sasl2Element};
use pollux_xmpp::upgrades;
use rustls::ClientConfig;

use crate::common::client::Client;
use crate::common::node::{PASSWORD, TestNode};
use crate::common::sasl2::{
    KEYS, PHONE, SASL2, authenticate, by_password, by_token, encrypted_as, fails_with, given,
    node_with_two, success, upgrade, user_agent,
};
use crate::common::stream::{Stream, xml};

/// Alice and bob have all keys; olga came from ejabberd, with one.
struct Scene {
    node: TestNode,
    trust: Arc<ClientConfig>,
}

impl Scene {
    fn new() -> Scene {
        let (node, trust) = node_with_two();
        import(&node, "olga", KEYS);
        Scene { node, trust }
    }

    #[track_caller]
    fn stream(&self, claimed: Option<&str>) -> (Stream, Authentication) {
        encrypted_as(self.node.address(), claimed, &self.trust)
    }

    /// Signs olga in, with more that is asked for.
    #[track_caller]
    fn olga(&self, mechanism: Mechanism, inline: &str) -> (Stream, Element) {
        let (mut stream, _) = self.stream(Some("olga"));
        let outcome = by_password(&mut stream, mechanism, "olga", PASSWORD, inline);
        (stream, outcome)
    }
}

#[track_caller]
fn import(node: &TestNode, name: &str, keys: &str) {
    let file = node.path("keys");
    std::fs::write(&file, keys).expect("a file of keys");
    let file = file.to_str().expect("a plain name");
    node.ctl_done(&["user", "import", name, "--keys-file", file]);
}

/// A request for tasks.
fn wanted(hashes: &[ScramHash]) -> String {
    let wanted = hashes.iter().map(|hash| xml(&upgrades::upgrade(*hash)));
    wanted.collect()
}

fn names(offered: &Authentication) -> Vec<&'static str> {
    offered.mechanisms.iter().map(|m| m.as_str()).collect()
}

const BOTH: [ScramHash; 2] = [ScramHash::Sha512, ScramHash::Sha256];
const OLD: [&str; 2] = ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"];

#[test]
fn what_an_account_lacks_is_not_offered_and_can_be_added() {
    let scene = Scene::new();
    let (_, offered) = scene.stream(Some("olga"));
    assert_eq!(names(&offered), OLD);
    assert_eq!(offered.upgrades, BOTH);
    for claimed in [Some("alice"), Some("mallory")] {
        let (_, offered) = scene.stream(claimed);
        assert_eq!(offered.mechanisms.len(), 6, "{claimed:?}");
        assert_eq!(offered.upgrades, [], "{claimed:?}");
    }
    // Who does not say who it is may be anybody.
    let (_, offered) = scene.stream(None);
    assert_eq!(names(&offered), OLD);
    assert_eq!(offered.upgrades, BOTH);
    let (_, outcome) = scene.olga(Mechanism::ScramSha512, "");
    fails_with(&outcome, "invalid-mechanism");
    // With another password there is nothing for her either.
    let (mut stream, _) = scene.stream(Some("olga"));
    let wrong = by_password(
        &mut stream,
        Mechanism::ScramSha1,
        "olga",
        "wrong",
        &wanted(&BOTH),
    );
    fails_with(&wrong, "not-authorized");
    scene.node.ctl_done(&["user", "remove", "olga"]);
    let (_, offered) = scene.stream(None);
    assert_eq!(offered.mechanisms.len(), 6);
}

#[test]
fn a_client_adds_stronger_keys_and_signs_in_by_them_also_after_a_restart() {
    let mut scene = Scene::new();
    let bind = "<bind xmlns='urn:xmpp:bind:0'><tag>Tests</tag></bind>";
    let inline = format!("{}{bind}", wanted(&[ScramHash::Sha256]));
    let (mut stream, outcome) = scene.olga(Mechanism::ScramSha1Plus, &inline);
    let outcome = upgrade(&mut stream, &outcome, ScramHash::Sha256, PASSWORD);
    let said = success(&outcome);
    assert_eq!(said.additional, None, "said before");
    // The stream goes on as if nothing had been.
    crate::common::sasl2::bound(stream, "olga", &outcome, false).round_trip();
    let (_, offered) = scene.stream(Some("olga"));
    let first = names(&offered)[0];
    assert_eq!((first, offered.mechanisms.len()), ("SCRAM-SHA-256-PLUS", 4));
    assert_eq!(offered.upgrades, [ScramHash::Sha512]);
    scene.node.kill();
    scene.node.begin();
    // Of two that are asked for, one is due.
    let (mut stream, outcome) = scene.olga(Mechanism::ScramSha256Plus, &wanted(&BOTH));
    success(&upgrade(&mut stream, &outcome, ScramHash::Sha512, PASSWORD));
    let (_, offered) = scene.stream(Some("olga"));
    assert_eq!((offered.mechanisms.len(), offered.upgrades.len()), (6, 0));
    scene.node.kill();
    scene.node.begin();
    for mechanism in Mechanism::ALL.iter().copied() {
        if mechanism.hash().is_some() {
            success(&scene.olga(mechanism, &wanted(&BOTH)).1);
        }
    }
}

#[test]
fn two_tasks_follow_each_other_after_the_password_itself() {
    let scene = Scene::new();
    scene.node.set_cluster(&["sign-in.plain=on"]);
    let (mut stream, _) = scene.stream(Some("olga"));
    let plain = format!("\0olga\0{PASSWORD}");
    let asked = wanted(&BOTH);
    stream.send(authenticate("PLAIN", plain.as_bytes(), &asked));
    let mut answer = stream.element();
    for hash in BOTH {
        answer = upgrade(&mut stream, &answer, hash, PASSWORD);
    }
    success(&answer);
    success(&scene.olga(Mechanism::ScramSha512Plus, "").1);
    // Another password gives all keys anew.
    let file = scene.node.path("other");
    std::fs::write(&file, "another one 7\n").expect("a password file");
    let file = file.to_str().expect("a plain name");
    scene
        .node
        .ctl_done(&["user", "set-password", "olga", "--password-file", file]);
    let (_, outcome) = scene.olga(Mechanism::ScramSha512, "");
    fails_with(&outcome, "not-authorized");
}

#[test]
fn a_task_that_goes_wrong_is_a_failure_and_leaves_no_keys() {
    let scene = Scene::new();
    let asked = wanted(&[ScramHash::Sha256]);
    let next = |task: &str| xml(&Sasl2Element::Next(task.to_owned().into()).to_element());
    let data = |inner: &str| format!("<task-data xmlns='{SASL2}'>{inner}</task-data>");
    let hash = |text: &str| {
        data(&format!(
            "<hash xmlns='urn:xmpp:scram-upgrade:0'>{text}</hash>"
        ))
    };
    let right = next("UPGR-SCRAM-SHA-256");
    let abort = format!("<abort xmlns='{SASL2}'/>");
    for (said, condition) in [
        (vec![next("UPGR-SCRAM-SHA-512")], "malformed-request"),
        (
            vec![format!("<next xmlns='{SASL2}'/>")],
            "malformed-request",
        ),
        (vec![abort.clone()], "aborted"),
        (vec![right.clone(), abort], "aborted"),
        (vec![right.clone(), data("")], "malformed-request"),
        (vec![right.clone(), hash("")], "malformed-request"),
        (vec![right.clone(), hash("!")], "incorrect-encoding"),
        (vec![right.clone(), hash("c2hvcnQ=")], "malformed-request"),
    ] {
        eprintln!("{}", said.join(" "));
        let (mut stream, outcome) = scene.olga(Mechanism::ScramSha1, &asked);
        assert!(outcome.is(SASL2, "continue"), "{}", xml(&outcome));
        let (last, before) = said.split_last().expect("something");
        for one in before {
            stream.send(one);
            assert!(stream.element().is(SASL2, "task-data"));
        }
        stream.send(last);
        fails_with(&stream.element(), condition);
        // The stream is still good for another attempt.
        let outcome = by_password(&mut stream, Mechanism::ScramSha1, "olga", PASSWORD, "");
        success(&outcome);
    }
    for said in ["<message/>", &data(""), &right] {
        let (mut stream, outcome) = scene.olga(Mechanism::ScramSha1, &asked);
        assert!(outcome.is(SASL2, "continue"), "{}", xml(&outcome));
        if said == right {
            stream.send(said);
            stream.element();
        }
        stream.send(said);
        stream.ends_with("not-authorized");
    }
    let (_, offered) = scene.stream(Some("olga"));
    assert_eq!(offered.upgrades, BOTH);
    // Where there is no task nobody begins one.
    let (mut stream, _) = scene.stream(Some("alice"));
    stream.send(&right);
    fails_with(&stream.element(), "malformed-request");
}

/// Who has a token need not know the password, and could set one.
#[test]
fn a_token_adds_no_keys() {
    let scene = Scene::new();
    let none = TokenBinding::None;
    let agent = user_agent(PHONE);
    let request = xml(&fast::request_token(none));
    let (_, outcome) = scene.olga(Mechanism::ScramSha1, &format!("{agent}{request}"));
    let token = given(&outcome).expect("a token").token;
    let (mut stream, _) = scene.stream(Some("olga"));
    let inline = format!("{agent}{}", wanted(&BOTH));
    let said = Fast::default();
    let outcome = by_token(&mut stream, none, "olga", &token, said, &inline);
    success(&outcome);
    let (_, offered) = scene.stream(Some("olga"));
    assert_eq!(offered.upgrades, BOTH);
}

/// The forms in which keys are kept elsewhere, and what is none.
#[test]
fn keys_are_imported_as_other_servers_keep_them() {
    let scene = Scene::new();
    let prosody = "return {\n\t[\"iteration_count\"] = 10000;\n\
         \t[\"stored_key\"] = \"fbc99f304814aeee125440704dfdf9a8c1630f8d\";\n\
         \t[\"salt\"] = \"6a8c2f34-5d0e-4d8e-9a51-0c5b1a2d3e4f\";\n\
         \t[\"server_key\"] = \"ca09ceb43b00f0d207a03885b002a298d95d7896\";\n};\n";
    import(&scene.node, "petra", prosody);
    let two = format!(
        "# of ejabberd\n{KEYS}\nSCRAM-SHA-256$4096:YW5vdGhlciBzYWx0$\
         452e/CnuUnh4CpcSs3y1u90uovfCDSzqhshFyppk2q4=:\
         CEeZroixnHE5VzQx/Kjpv4DAI81iHgiaV0/soSSXb7g=\n"
    );
    import(&scene.node, "tom", &two);
    for (name, mechanism) in [
        ("petra", Mechanism::ScramSha1Plus),
        ("tom", Mechanism::ScramSha1),
        ("tom", Mechanism::ScramSha256Plus),
    ] {
        let (mut stream, _) = scene.stream(Some(name));
        let outcome = by_password(&mut stream, mechanism, name, PASSWORD, "");
        success(&outcome);
        let features = stream.element();
        assert_eq!(features.name(), "features");
        let mut client = Client::known(stream, name, "");
        client.bind(Some("desk"));
        client.round_trip();
    }
    for (name, keys, words) in [
        ("olga", KEYS, "the user exists already"),
        ("nina", "hunter2", "these are no keys"),
        ("nina", "", "these are no keys"),
        ("nina", &KEYS.replace("Qe/Y", ""), "another length"),
    ] {
        let file = scene.node.path("keys");
        std::fs::write(&file, keys).expect("a file of keys");
        let file = file.to_str().expect("a plain name");
        let refused = scene
            .node
            .ctl(&["user", "import", name, "--keys-file", file]);
        assert!(refused.err.contains(words), "{keys}: {}", refused.err);
        assert!(!refused.err.contains("hunter2"), "{}", refused.err);
    }
    let log = scene.node.log();
    assert!(log.contains("user.import user=petra"), "{log}");
    assert!(
        !log.contains("Qe/YutUyl") && !log.contains("fbc99f30"),
        "{log}"
    );
}
