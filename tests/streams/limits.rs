//! Limits that a client reaches after its sign-in, as they stand in `pollux_domain::limits`: what
//! fits is done, what is more is refused by its name, and others notice nothing of it. Not for what
//! a setting makes smaller: see the plays; nor for what is refused again and again: see `refusals`.

use pollux_domain::limits;
use pollux_xml::Element;

use crate::common::client::{Answers, Client};
use crate::common::node::{Plaintext, TestNode};
use crate::common::stream::{Event, shown, stream_condition, xml};

const CONDITIONS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

fn node(users: &[&str]) -> TestNode {
    let node = TestNode::start(Plaintext::Allowed);
    node.set_cluster(&[
        "client.bytes-a-second=unlimited",
        "client.stanzas-a-second=unlimited",
        "contacts.auto-authorise=off",
    ]);
    for user in users {
        node.add_user(user);
    }
    node
}

#[track_caller]
fn available(node: &TestNode, user: &str) -> Client {
    let mut client = Client::connect(node.address(), user, Some("desk"));
    client.send("<presence/>");
    client.round_trip();
    client.element();
    client
}

/// The condition and the type of an error.
fn error(answer: &Element) -> Option<(String, String)> {
    let error = answer.find("jabber:client", "error")?;
    let mut conditions = error
        .elements()
        .filter(|child| child.namespace() == CONDITIONS && child.name() != "text");
    let condition = conditions.next()?.name().to_owned();
    Some((condition, error.attribute("type")?.to_owned()))
}

#[track_caller]
fn hears_nothing(client: &mut Client) {
    client.round_trip();
    assert!(client.waiting().is_empty(), "{:?}", client.waiting());
}

fn iq(kind: &str, payload: &str) -> String {
    format!("<iq type='{kind}' id='x'>{payload}</iq>")
}

fn x(count: usize) -> String {
    "x".repeat(count)
}

/// Of a contact list.
fn item(name: &str, groups: &[String]) -> String {
    let groups: String = groups
        .iter()
        .map(|group| format!("<group>{group}</group>"))
        .collect();
    let item = format!("<item jid='bob@localhost' name='{name}'>{groups}</item>");
    iq(
        "set",
        &format!("<query xmlns='jabber:iq:roster'>{item}</query>"),
    )
}

fn groups(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

fn private(names: impl Iterator<Item = String>, content: &str) -> String {
    let entries: String = names
        .map(|name| format!("<a xmlns='{name}'>{content}</a>"))
        .collect();
    iq(
        "set",
        &format!("<query xmlns='jabber:iq:private'>{entries}</query>"),
    )
}

fn names(prefix: &str, count: usize) -> impl Iterator<Item = String> {
    let prefix = prefix.to_owned();
    (0..count).map(move |number| format!("{prefix}{number}"))
}

/// What fits, what does not, and with which error it comes back.
#[test]
fn what_a_client_asks_and_keeps() {
    let node = node(&["alice", "bob"]);
    let mut alice = Client::connect(node.address(), "alice", Some("phone"));
    let mut bob = available(&node, "bob");
    let (modify, wait) = ("modify", "wait");
    let (too_long, not_acceptable) = ("policy-violation", "not-acceptable");
    let full = "resource-constraint";
    let ask = |size: usize| {
        let node = x(size);
        let info = "http://jabber.org/protocol/disco#info";
        iq("get", &format!("<query xmlns='{info}' node='{node}'/>"))
    };
    let text_max = limits::CONTACT_TEXT_BYTES_MAX;
    // Of the name of an element, its namespace is a part.
    let long_name = |size: usize| private([x(size)].into_iter(), "");
    let vcard = |size: usize| {
        iq(
            "set",
            &format!("<vCard xmlns='vcard-temp'>{}</vCard>", x(size)),
        )
    };
    let half = limits::PRIVATE_BYTES_MAX / 2;
    for (fits, too_much, condition, kind) in [
        (
            ask(limits::ASK_BYTES_MAX / 2),
            ask(limits::ASK_BYTES_MAX),
            too_long,
            modify,
        ),
        (
            item("", &groups(limits::CONTACT_GROUPS_MAX)),
            item("", &groups(limits::CONTACT_GROUPS_MAX + 1)),
            not_acceptable,
            modify,
        ),
        (
            item(&x(text_max), &[]),
            item(&x(text_max + 1), &[]),
            not_acceptable,
            modify,
        ),
        (
            item("", &[x(text_max)]),
            item("", &[x(text_max + 1)]),
            not_acceptable,
            modify,
        ),
        (
            vcard(limits::VCARD_BYTES_MAX / 2),
            vcard(limits::VCARD_BYTES_MAX),
            too_long,
            modify,
        ),
        (
            long_name(limits::PRIVATE_NAME_BYTES_MAX / 2),
            long_name(limits::PRIVATE_NAME_BYTES_MAX + 1),
            not_acceptable,
            modify,
        ),
        // One is there.
        (
            private(names("n", limits::PRIVATE_ENTRIES_MAX - 1), ""),
            private(names("more", 1), ""),
            full,
            wait,
        ),
        (
            private(names("n", 1), &x(half)),
            private(names("n", 2).skip(1), &x(half)),
            full,
            wait,
        ),
    ] {
        eprintln!("{}", too_much.get(..120).unwrap_or(&too_much));
        for (said, expected) in [
            (&fits, None),
            (&too_much, Some((condition.to_owned(), kind.to_owned()))),
            (&fits, None),
        ] {
            alice.send(said);
            let answer = answer(&mut alice);
            let found = error(&answer);
            // That there is no such disco node is no limit.
            let found = found.filter(|(condition, _)| condition != "item-not-found");
            assert_eq!(found, expected, "{}", xml(&answer));
        }
    }
    hears_nothing(&mut bob);
}

/// Pushes come before it or behind.
#[track_caller]
fn answer(client: &mut Client) -> Element {
    loop {
        let element = client.element();
        if element.attribute("id") == Some("x") {
            return element;
        }
    }
}

#[test]
fn a_request_of_subscription_is_short() {
    let node = node(&["alice", "bob"]);
    let mut alice = Client::connect(node.address(), "alice", Some("phone"));
    let mut bob = available(&node, "bob");
    let asks = |size: usize| {
        let status = x(size);
        format!(
            "<presence type='subscribe' to='bob@localhost' id='x'>\
             <status>{status}</status></presence>"
        )
    };
    alice.send(&asks(limits::SUBSCRIPTION_BYTES_MAX));
    let answer = answer(&mut alice);
    let expected = ("policy-violation".to_owned(), "modify".to_owned());
    assert_eq!(error(&answer), Some(expected), "{}", xml(&answer));
    hears_nothing(&mut bob);
    alice.send(&asks(limits::SUBSCRIPTION_BYTES_MAX / 2));
    let request = bob.element();
    assert_eq!(request.attribute("type"), Some("subscribe"));
    let status = request.find("jabber:client", "status").expect("a status");
    let size = status.text_content().len();
    assert_eq!(size, limits::SUBSCRIPTION_BYTES_MAX / 2);
    hears_nothing(&mut bob);
}

#[test]
fn a_message_to_several_is_short_in_all() {
    let node = node(&["alice", "bob"]);
    let mut alice = Client::connect(node.address(), "alice", Some("phone"));
    let mut bob = available(&node, "bob");
    let body = x(limits::BROADCAST_BYTES_MAX / 5);
    let says = |count: usize| {
        let addresses: String = (0..count)
            .map(|number| format!("<address type='bcc' jid='bob@localhost/{number}'/>"))
            .collect();
        format!(
            "<message to='localhost' id='x' type='chat'><addresses \
             xmlns='http://jabber.org/protocol/address'>{addresses}</addresses>\
             <body>{body}</body></message>"
        )
    };
    alice.send(&says(6));
    let answer = answer(&mut alice);
    let expected = ("policy-violation".to_owned(), "modify".to_owned());
    assert_eq!(error(&answer), Some(expected), "{}", xml(&answer));
    hears_nothing(&mut bob);
    alice.send(&says(4));
    for _ in 0..4 {
        let message = bob.element();
        let came = message.find("jabber:client", "body").expect("a body");
        assert_eq!(came.text_content().len(), body.len());
    }
    hears_nothing(&mut bob);
}

/// Whoever is told of a device is told when it goes. Of the first by name that is now, when there
/// is one more than is remembered.
#[test]
fn directed_presence_to_one_too_many_ends_for_the_first() {
    let node = node(&["alice", "bob", "carol"]);
    let mut alice = Client::connect(node.address(), "alice", Some("phone"));
    let (mut bob, mut carol) = (available(&node, "bob"), available(&node, "carol"));
    let from_alice = |client: &mut Client, kind: Option<&str>| {
        let presence = client.element();
        let words = xml(&presence);
        assert_eq!(
            presence.attribute("from"),
            Some("alice@localhost/phone"),
            "{words}"
        );
        assert_eq!(presence.attribute("type"), kind, "{words}");
        hears_nothing(client);
    };
    let others = (1..limits::DIRECTED_MAX).map(|number| format!("u{number}@localhost"));
    for to in ["bob@localhost/desk".to_owned()].into_iter().chain(others) {
        alice.send(&format!("<presence to='{to}'/>"));
    }
    alice.round_trip();
    from_alice(&mut bob, None);
    alice.send("<presence to='carol@localhost/desk'/>");
    from_alice(&mut carol, None);
    from_alice(&mut bob, Some("unavailable"));
    alice.close();
    from_alice(&mut carol, Some("unavailable"));
    hears_nothing(&mut bob);
}

/// Takes requests until the stream ends with an error.
#[track_caller]
fn requests_then_error(client: &mut Client) -> (usize, Element) {
    let mut came = 0;
    loop {
        match client.next() {
            Event::Element(request) if request.name() == "iq" => came += 1,
            Event::Element(error) => {
                assert_eq!(client.arrive(), Event::Closed);
                assert_eq!(client.arrive(), Event::Gone);
                return (came, error);
            }
            other => panic!("waited for an error: {}", shown(&other)),
        }
    }
}

/// What cannot be kept in the store waits in the session, until it is too much: by number or by
/// size.
#[test]
fn for_whom_too_much_waits_the_session_ends() {
    let node = node(&["alice", "bob"]);
    let mut bob = available(&node, "bob");
    // Her own devices may ask each other; two, since what comes back is too much for one.
    let mut others =
        ["phone", "sofa"].map(|name| Client::connect(node.address(), "alice", Some(name)));
    let large = limits::STANZA_BYTES_MAX / 2;
    let by_size = limits::SLOTS_HARD_BYTES_MAX / large + 1;
    for (requests, size) in [(limits::SLOTS_HARD_MAX + 1, 0), (by_size, large)] {
        let mut alice = Client::connect(node.address(), "alice", Some("desk"));
        // She reads, and acknowledges nothing.
        alice.enable(true, Answers::Never);
        let content = x(size);
        let (came, last) = std::thread::scope(|scope| {
            let reader = scope.spawn(|| requests_then_error(&mut alice));
            for number in 0..requests {
                let ping = format!("<ping xmlns='urn:xmpp:ping'>{content}</ping>");
                others[number % 2].send(&format!(
                    "<iq type='get' id='{number}' to='alice@localhost/desk'>{ping}</iq>"
                ));
            }
            // The server answers each in her place.
            for number in 0..requests {
                let answer = others[number % 2].element();
                let id = number.to_string();
                assert_eq!(answer.attribute("id"), Some(&*id));
                // What has waited, or what came when she was gone.
                let (condition, _) = error(&answer).expect("an error");
                let expected = ["recipient-unavailable", "service-unavailable"];
                assert!(expected.contains(&condition.as_str()), "{condition}");
            }
            reader.join().expect("she is told")
        });
        assert!(came <= requests, "{came}");
        let words = xml(&last);
        assert_eq!(stream_condition(&last), "resource-constraint", "{words}");
        assert!(words.contains("too much waits for this session"), "{words}");
        others.iter_mut().for_each(hears_nothing);
        hears_nothing(&mut bob);
    }
    let counted = "pollux_stream_errors_total{condition=resource-constraint}";
    assert_eq!(node.figure(counted), Some(2));
    // The session is over, and the next one is as good as any.
    let mut again = Client::connect(node.address(), "alice", Some("desk"));
    hears_nothing(&mut again);
}
