//! Every error of RFC 6120 section 6.5 that the server sends, each by its name and in both
//! profiles. It does not send one: what is too weak is not offered.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_xml::Element;

use crate::common::client::SASL;
use crate::common::node::{PASSWORD, Plaintext, TestNode};
use crate::common::sasl2::{self, SASL2};
use crate::common::stream::{Stream, xml};
use crate::{connect, sasl};

/// Where something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Profile {
    Sasl,
    Sasl2,
}

impl Profile {
    const EACH: [Profile; 2] = [Profile::Sasl, Profile::Sasl2];

    fn begins(self, mechanism: &str, data: &str) -> String {
        match self {
            Profile::Sasl => format!("<auth xmlns='{SASL}' mechanism='{mechanism}'>{data}</auth>"),
            Profile::Sasl2 => format!(
                "<authenticate xmlns='{SASL2}' mechanism='{mechanism}'>\
                 <initial-response>{data}</initial-response></authenticate>"
            ),
        }
    }

    fn says(self, name: &str, data: &str) -> String {
        let namespace = match self {
            Profile::Sasl => SASL,
            Profile::Sasl2 => SASL2,
        };
        format!("<{name} xmlns='{namespace}'>{data}</{name}>")
    }

    #[track_caller]
    fn fails_with(self, answer: &Element, condition: &str) {
        match self {
            Profile::Sasl => sasl::fails_with(answer, condition),
            Profile::Sasl2 => sasl2::fails_with(answer, condition),
        }
    }
}

fn node() -> TestNode {
    let node = TestNode::start(Plaintext::Refused);
    node.add_user("alice");
    node
}

#[track_caller]
fn encrypted(node: &TestNode) -> Stream {
    sasl2::encrypted(node).0
}

/// What is said under TLS gets this error, in each profile.
#[track_caller]
fn gets(mechanism: &str, message: &[u8], condition: &str) {
    let node = node();
    for profile in Profile::EACH {
        let mut stream = encrypted(&node);
        stream.send(profile.begins(mechanism, &STANDARD.encode(message)));
        profile.fails_with(&stream.element(), condition);
    }
}

/// What is said in answer to a challenge gets this error, in each profile.
#[track_caller]
fn gets_after_challenge(name: &str, data: &str, condition: &str) {
    let node = node();
    for profile in Profile::EACH {
        let mut stream = encrypted(&node);
        let first = STANDARD.encode("n,,n=alice,r=nonce");
        stream.send(profile.begins("SCRAM-SHA-256", &first));
        let challenge = stream.element();
        assert_eq!(challenge.name(), "challenge", "{}", xml(&challenge));
        stream.send(profile.says(name, data));
        profile.fails_with(&stream.element(), condition);
    }
}

#[test]
fn aborted() {
    gets_after_challenge("abort", "", "aborted");
}

/// Only to who has proved the password; more of it: see `disabled`.
#[test]
fn account_disabled() {
    let node = node();
    node.set_cluster(&["sign-in.plain=on"]);
    node.ctl_done(&["user", "disable", "alice"]);
    let right = STANDARD.encode(format!("\0alice\0{PASSWORD}"));
    let wrong = STANDARD.encode("\0alice\0wrong");
    for profile in Profile::EACH {
        let mut stream = encrypted(&node);
        stream.send(profile.begins("PLAIN", &wrong));
        profile.fails_with(&stream.element(), "not-authorized");
        stream.send(profile.begins("PLAIN", &right));
        profile.fails_with(&stream.element(), "account-disabled");
    }
}

/// Of a token: see `fast`, where it is the second profile's alone.
#[test]
fn credentials_expired() {
    crate::fast::is_told_that_it_has_expired();
}

#[test]
fn encryption_required() {
    let node = node();
    for profile in Profile::EACH {
        let mut stream = connect(&node);
        stream.open();
        let first = STANDARD.encode("n,,n=alice,r=nonce");
        stream.send(profile.begins("SCRAM-SHA-256", &first));
        profile.fails_with(&stream.element(), "encryption-required");
    }
}

#[test]
fn incorrect_encoding() {
    gets_after_challenge("response", "!", "incorrect-encoding");
}

#[test]
fn invalid_authzid() {
    let message = b"n,a=bob@localhost,n=alice,r=nonce";
    gets("SCRAM-SHA-256", message, "invalid-authzid");
}

#[test]
fn invalid_mechanism() {
    gets("CRAM-MD5", b"", "invalid-mechanism");
    gets("PLAIN", b"\0alice\0wrong", "invalid-mechanism");
}

#[test]
fn malformed_request() {
    gets("SCRAM-SHA-256", b"hello", "malformed-request");
    gets_after_challenge("response", "", "malformed-request");
}

#[test]
fn not_authorized() {
    let answer = STANDARD.encode("c=biws,r=nonce,p=AAAA");
    gets_after_challenge("response", &answer, "not-authorized");
}

/// Nothing is tried after too many failures.
#[test]
fn temporary_auth_failure() {
    let mut node = node();
    node.announce("locked out after too many failures");
    node.set_cluster(&["sign-in.lockout-account-failures=3", "sign-in.plain=on"]);
    let wrong = STANDARD.encode("\0alice\0wrong");
    for profile in [Profile::Sasl, Profile::Sasl2, Profile::Sasl] {
        let mut stream = encrypted(&node);
        stream.send(profile.begins("PLAIN", &wrong));
        profile.fails_with(&stream.element(), "not-authorized");
    }
    for profile in Profile::EACH {
        let mut stream = encrypted(&node);
        stream.send(profile.begins("PLAIN", &wrong));
        profile.fails_with(&stream.element(), "temporary-auth-failure");
    }
}
