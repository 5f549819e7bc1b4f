//! Tokens of XEP-0484: given with a sign-in, good for one installation of one client and one
//! mechanism, renewed, and worthless when they should be (XEP-0484 sections 3.1, 3.3, 3.4, 3.5 and
//! 3.6).

use std::sync::Arc;

use pollux_xml::Element;
use pollux_xmpp::fast::{self, BINDINGS, Fast, GivenToken, TokenBinding};
use pollux_xmpp::sasl::{Mechanism, Secret};
use rustls::ClientConfig;

use crate::common::deadline::wait_for;
use crate::common::node::{PASSWORD, TestNode};
use crate::common::sasl2::{
    BIND2, FAST, PHONE, authenticate, bound, by_password, by_token, channel, encrypted_as,
    fails_with, given, node_with_two, success, user_agent,
};
use crate::common::stream::{Stream, xml};

struct Scene {
    node: TestNode,
    trust: Arc<ClientConfig>,
}

impl Scene {
    fn new() -> Scene {
        let (node, trust) = node_with_two();
        Scene { node, trust }
    }

    #[track_caller]
    fn stream(&self, account: &str) -> Stream {
        encrypted_as(self.node.address(), Some(account), &self.trust).0
    }

    /// What a client is told that signs in by this password and asks for a token.
    #[track_caller]
    fn asks_with(&self, password: &str, client: &str, binding: TokenBinding) -> Element {
        let request = xml(&fast::request_token(binding));
        let inline = format!("{}{request}", user_agent(client));
        let mut stream = self.stream("alice");
        by_password(
            &mut stream,
            Mechanism::ScramSha256Plus,
            "alice",
            password,
            &inline,
        )
    }

    #[track_caller]
    fn token(&self, client: &str, binding: TokenBinding) -> GivenToken {
        let outcome = self.asks_with(PASSWORD, client, binding);
        given(&outcome).unwrap_or_else(|| panic!("no token: {}", xml(&outcome)))
    }

    /// Signs in by a token alone.
    #[track_caller]
    fn comes(&self, client: &str, binding: TokenBinding, token: &Secret, said: Fast) -> Element {
        let mut stream = self.stream("alice");
        by_token(
            &mut stream,
            binding,
            "alice",
            token,
            said,
            &user_agent(client),
        )
    }

    #[track_caller]
    fn comes_unbound(&self, token: &GivenToken) -> Element {
        self.comes(PHONE, TokenBinding::None, &token.token, Fast::default())
    }
}

fn counted(count: u64) -> Fast {
    Fast {
        count: Some(count),
        invalidate: false,
    }
}

#[test]
fn a_token_signs_in_and_binds_in_one_step() {
    let mut scene = Scene::new();
    for binding in BINDINGS {
        let token = scene.token(PHONE, binding);
        let inline = format!("{}<bind xmlns='{BIND2}'/>", user_agent(PHONE));
        let mut stream = scene.stream("alice");
        let said = Fast::default();
        let outcome = by_token(&mut stream, binding, "alice", &token.token, said, &inline);
        assert_eq!(given(&outcome), None, "it is not due yet");
        let mut alice = bound(stream, "alice", &outcome, false);
        alice.round_trip();
        // It is no less good for having been used, also after the node has died.
        scene.node.kill();
        scene.node.begin();
        success(&scene.comes(PHONE, binding, &token.token, said));
    }
}

#[test]
fn a_token_is_good_for_its_mechanism_and_its_client_alone() {
    let scene = Scene::new();
    for binding in BINDINGS {
        let token = scene.token(PHONE, binding).token;
        let comes = |client: &str, binding: TokenBinding, token: &Secret| {
            scene.comes(client, binding, token, Fast::default())
        };
        for other in BINDINGS.into_iter().filter(|other| *other != binding) {
            fails_with(&comes(PHONE, other, &token), "not-authorized");
        }
        fails_with(&comes("another", binding, &token), "not-authorized");
        let wrong = Secret::new(b"wrong".to_vec());
        fails_with(&comes(PHONE, binding, &wrong), "not-authorized");
        success(&comes(PHONE, binding, &token));
    }
    // The user's own, and nobody else's.
    let token = scene.token(PHONE, TokenBinding::None).token;
    let mut stream = scene.stream("bob");
    let (none, said) = (TokenBinding::None, Fast::default());
    let outcome = by_token(&mut stream, none, "bob", &token, said, &user_agent(PHONE));
    fails_with(&outcome, "not-authorized");
    let unknown = by_token(
        &mut stream,
        none,
        "mallory",
        &token,
        said,
        &user_agent(PHONE),
    );
    assert_eq!(xml(&unknown), xml(&outcome));
}

/// Whoever stands between two streams has two channels.
#[test]
fn what_was_bound_to_another_stream_is_refused() {
    let scene = Scene::new();
    let token = scene.token(PHONE, TokenBinding::Exporter).token;
    let other = scene.stream("alice");
    let (_, data) = channel(&other).remove(0);
    let hashed = fast::initiator_hash(&token, &data);
    let initial = [b"alice\0", hashed.expose()].concat();
    let inline = format!("{}<fast xmlns='{FAST}'/>", user_agent(PHONE));
    let said = authenticate("HT-SHA-256-EXPR", &initial, &inline);
    let mut stream = scene.stream("alice");
    stream.send(&said);
    fails_with(&stream.element(), "not-authorized");
    // On its own stream it is right.
    let mut other = other;
    other.send(&said);
    success(&other.element());
}

#[test]
fn what_is_malformed_is_told_so() {
    let scene = Scene::new();
    let agent = user_agent(PHONE);
    let said = format!("<fast xmlns='{FAST}'/>");
    let many = format!("<fast xmlns='{FAST}' count='many'/>");
    let right = format!("{agent}{said}");
    for (initial, inline, condition) in [
        (&b"alice"[..], &right, "malformed-request"),
        (&b"alice\0"[..], &right, "malformed-request"),
        (&b"\0x"[..], &right, "malformed-request"),
        (&b"alice\0x"[..], &agent, "malformed-request"),
        (&b"alice\0x"[..], &said, "malformed-request"),
        (
            &b"alice\0x"[..],
            &format!("{agent}{many}"),
            "malformed-request",
        ),
        (&b"alice\0x"[..], &right, "not-authorized"),
    ] {
        eprintln!("{} {inline}", String::from_utf8_lossy(initial));
        let mut stream = scene.stream("alice");
        stream.send(authenticate("HT-SHA-256-NONE", initial, inline));
        fails_with(&stream.element(), condition);
    }
    // In the first profile there are none.
    let mut stream = scene.stream("alice");
    let sasl = crate::common::client::SASL;
    stream.send(format!(
        "<auth xmlns='{sasl}' mechanism='HT-SHA-256-NONE'/>"
    ));
    crate::sasl::fails_with(&stream.element(), "invalid-mechanism");
}

#[test]
fn who_does_not_say_what_it_is_called_is_given_none() {
    let scene = Scene::new();
    let request = xml(&fast::request_token(TokenBinding::None));
    let other = format!(
        "{}<request-token xmlns='{FAST}' mechanism='HT-X'/>",
        user_agent(PHONE)
    );
    for inline in [&request, &other, &user_agent(PHONE)] {
        let mut stream = scene.stream("alice");
        let mechanism = Mechanism::ScramSha256;
        let outcome = by_password(&mut stream, mechanism, "alice", PASSWORD, inline);
        assert_eq!(given(&outcome), None, "{inline}");
    }
}

#[test]
fn a_count_is_taken_once() {
    let scene = Scene::new();
    let none = TokenBinding::None;
    let token = scene.token(PHONE, none).token;
    let comes = |count| scene.comes(PHONE, none, &token, counted(count));
    success(&comes(3));
    for count in [3, 2, 0] {
        fails_with(&comes(count), "not-authorized");
    }
    success(&comes(4));
    success(&scene.comes(PHONE, none, &token, Fast::default()));
    fails_with(&comes(4), "not-authorized");
    let next = scene.token(PHONE, none).token;
    success(&scene.comes(PHONE, none, &next, counted(1)));
}

#[test]
fn a_token_is_renewed_and_the_earlier_one_is_good_until_the_later_is_used() {
    let scene = Scene::new();
    // Due after a tenth of that.
    scene.node.set_cluster(&["sign-in.token-seconds=30"]);
    let first = scene.token(PHONE, TokenBinding::None);
    let second = wait_for("another token", || given(&scene.comes_unbound(&first)));
    assert_ne!(first.token, second.token);
    assert!(first.expires_ms < second.expires_ms);
    // As if the second had been lost on its way: the first one is still good, and brings a third.
    let third = given(&scene.comes_unbound(&first)).expect("a third");
    fails_with(&scene.comes_unbound(&second), "not-authorized");
    success(&scene.comes_unbound(&third));
    fails_with(&scene.comes_unbound(&first), "not-authorized");
    success(&scene.comes_unbound(&third));
}

/// A token that is good no more; as a test: see `sasl_errors`.
pub fn is_told_that_it_has_expired() {
    let scene = Scene::new();
    scene.node.set_cluster(&["sign-in.token-seconds=5"]);
    let token = scene.token(PHONE, TokenBinding::None);
    let expired = wait_for("its end", || {
        let outcome = scene.comes_unbound(&token);
        // Not used after it is renewed, so that it stays.
        (outcome.name() == "failure").then_some(outcome)
    });
    fails_with(&expired, "credentials-expired");
    // The same stream goes on with the password (section 4.2).
    let mut stream = scene.stream("alice");
    let (none, said) = (TokenBinding::None, Fast::default());
    let agent = user_agent(PHONE);
    let outcome = by_token(&mut stream, none, "alice", &token.token, said, &agent);
    fails_with(&outcome, "credentials-expired");
    let outcome = by_password(
        &mut stream,
        Mechanism::ScramSha256,
        "alice",
        PASSWORD,
        &agent,
    );
    success(&outcome);
}

#[test]
fn a_client_leaves_with_its_token() {
    let scene = Scene::new();
    let none = TokenBinding::None;
    let token = scene.token(PHONE, none).token;
    let desk = scene.token("desk", none).token;
    let leaves = Fast {
        count: None,
        invalidate: true,
    };
    let outcome = scene.comes(PHONE, none, &token, leaves);
    assert_eq!(given(&outcome), None);
    let again = scene.comes(PHONE, none, &token, Fast::default());
    fails_with(&again, "not-authorized");
    success(&scene.comes("desk", none, &desk, Fast::default()));
    // With a request for another one it is given that.
    let request = xml(&fast::request_token(none));
    let inline = format!("{}{request}", user_agent("desk"));
    let mut stream = scene.stream("alice");
    let outcome = by_token(&mut stream, none, "alice", &desk, leaves, &inline);
    let other = given(&outcome).expect("another one").token;
    fails_with(
        &scene.comes("desk", none, &desk, Fast::default()),
        "not-authorized",
    );
    success(&scene.comes("desk", none, &other, Fast::default()));
}

#[test]
fn a_new_password_makes_all_tokens_worthless_and_so_does_the_end_of_the_user() {
    let scene = Scene::new();
    let token = scene.token(PHONE, TokenBinding::None);
    let file = scene.node.path("other");
    std::fs::write(&file, "another one 7\n").expect("a password file");
    let file = file.to_str().expect("a plain name").to_owned();
    let ctl = |arguments: &[&str]| scene.node.ctl_done(arguments);
    ctl(&["user", "set-password", "alice", "--password-file", &file]);
    fails_with(&scene.comes_unbound(&token), "credentials-expired");
    let outcome = scene.asks_with("another one 7", PHONE, TokenBinding::None);
    let token = given(&outcome).expect("a token");
    success(&scene.comes_unbound(&token));
    ctl(&["user", "remove", "alice"]);
    fails_with(&scene.comes_unbound(&token), "not-authorized");
    ctl(&["user", "add", "alice", "--password-file", &file]);
    fails_with(&scene.comes_unbound(&token), "not-authorized");
}

#[test]
fn they_can_be_switched_off() {
    let scene = Scene::new();
    let token = scene.token(PHONE, TokenBinding::None);
    scene.node.set_cluster(&["sign-in.tokens=off"]);
    let (_, offered) = encrypted_as(scene.node.address(), Some("alice"), &scene.trust);
    assert_eq!(offered.tokens, []);
    fails_with(&scene.comes_unbound(&token), "invalid-mechanism");
    let outcome = scene.asks_with(PASSWORD, PHONE, TokenBinding::None);
    assert_eq!(given(&outcome), None);
    scene
        .node
        .ctl_done(&["settings", "reset", "sign-in.tokens"]);
    success(&scene.comes_unbound(&token));
}

#[test]
fn who_guesses_tokens_is_locked_out() {
    let mut scene = Scene::new();
    scene.node.announce("locked out after too many failures");
    scene
        .node
        .set_cluster(&["sign-in.lockout-account-failures=3"]);
    let token = scene.token(PHONE, TokenBinding::None);
    let wrong = GivenToken {
        token: Secret::new(b"wrong".to_vec()),
        ..token.clone()
    };
    for _ in 0..3 {
        fails_with(&scene.comes_unbound(&wrong), "not-authorized");
    }
    fails_with(&scene.comes_unbound(&token), "temporary-auth-failure");
}
