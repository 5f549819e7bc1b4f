//! A client as a person would run it: signs in, binds, counts what it sends and receives
//! (XEP-0198), resumes. What it is told waits until the test looks.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_xml::{Element, Frame, Framer, Limits, StreamNamespaces};
use pollux_xmpp::sasl::Mechanism;
use pollux_xmpp::sasl::scram::ScramClient;
use rustls::ClientConfig;

use super::deadline::Deadline;
use super::node::PASSWORD;
use super::stream::{Event, Stream, shown, stream_condition, xml};
use super::tls::trust;

pub const CLIENT: &str = "jabber:client";
pub const SM: &str = "urn:xmpp:sm:3";
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
pub const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";

/// Whether the client says by itself what it has received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// To every `<r/>`, and at the end of each step of a play.
    Always,
    Never,
}

/// Counts of a session under stream management.
#[derive(Debug)]
pub struct Counts {
    /// By which the session is resumed, if it may be.
    pub id: Option<String>,
    /// Where the server said that it should be resumed.
    pub location: Option<String>,
    pub received: u32,
    /// Stanzas that the server has not acknowledged.
    pub unacknowledged: VecDeque<String>,
    pub acknowledged: u32,
    pub answers: Answers,
}

/// See the module.
pub struct Client {
    pub account: String,
    /// The full address, once a resource is bound.
    pub jid: String,
    pub stream: Stream,
    pub counts: Option<Counts>,
    waiting: VecDeque<Element>,
}

impl Client {
    /// Signs in; nothing is bound. With a certificate under TLS.
    #[track_caller]
    pub fn sign_in(address: SocketAddr, account: &str, certificate: Option<&Path>) -> Client {
        let trust = certificate.map(|certificate| trust(&[certificate]));
        Client::sign_in_with(address, account, trust.as_ref())
    }

    /// As [`Client::sign_in`], under the TLS of somebody who may have been here before.
    #[track_caller]
    pub fn sign_in_with(
        address: SocketAddr,
        account: &str,
        trust: Option<&Arc<ClientConfig>>,
    ) -> Client {
        let mut stream = Stream::connect(address);
        stream.open();
        if let Some(trust) = trust {
            stream.encrypt_with(trust);
            stream.open();
        }
        Client::prove(stream, account)
    }

    /// As [`Client::sign_in_with`], at a port on which a stream begins with TLS.
    #[track_caller]
    pub fn sign_in_direct(address: SocketAddr, account: &str, trust: &Arc<ClientConfig>) -> Client {
        let mut stream = Stream::connect_direct(address, trust);
        stream.open();
        Client::prove(stream, account)
    }

    #[track_caller]
    fn prove(mut stream: Stream, account: &str) -> Client {
        let outcome = authenticate(&mut stream, Mechanism::ScramSha256, account, PASSWORD);
        assert!(outcome.is(SASL, "success"), "{}", xml(&outcome));
        stream.restart();
        stream.open();
        Client::known(stream, account, "")
    }

    /// Who has signed in, with the address that it was given, if it was.
    pub fn known(stream: Stream, account: &str, jid: &str) -> Client {
        Client {
            account: account.to_owned(),
            jid: jid.to_owned(),
            stream,
            counts: None,
            waiting: VecDeque::new(),
        }
    }

    /// Signs in without TLS and binds.
    #[track_caller]
    pub fn connect(address: SocketAddr, account: &str, resource: Option<&str>) -> Client {
        let mut client = Client::sign_in(address, account, None);
        client.bind(resource);
        client
    }

    #[track_caller]
    pub fn bind(&mut self, resource: Option<&str>) {
        let wanted = resource.map(|name| format!("<resource>{name}</resource>"));
        let wanted = wanted.unwrap_or_default();
        self.stream.send(format!(
            "<iq type='set' id='bind'><bind xmlns='{BIND}'>{wanted}</bind></iq>"
        ));
        let answer = self.stream.element();
        let bound = answer
            .find(BIND, "bind")
            .and_then(|bind| bind.find(BIND, "jid"));
        let bound = bound.unwrap_or_else(|| panic!("no resource was bound: {}", xml(&answer)));
        self.jid = bound.text_content().to_string();
        let bare = self.jid.split('/').next().unwrap_or_default();
        assert_eq!(bare, format!("{}@{}", self.account, super::node::DOMAIN));
        if let Some(resource) = resource {
            assert_eq!(
                self.jid,
                format!("{bare}/{resource}"),
                "the resource that was chosen"
            );
        }
    }

    /// Stream management from here on, with resumption where `resumable`.
    #[track_caller]
    pub fn enable(&mut self, resumable: bool, answers: Answers) {
        let resume = if resumable { " resume='true'" } else { "" };
        self.stream.send(format!("<enable xmlns='{SM}'{resume}/>"));
        let enabled = loop {
            match self.stream.element() {
                element if element.is(SM, "enabled") => break element,
                // Sent before the node knew of it, so that nobody counts it.
                stanza if stanza.namespace() == CLIENT => self.waiting.push_back(stanza),
                other => panic!("waited for enabled: {}", xml(&other)),
            }
        };
        let counts = Counts::new(&enabled, answers);
        assert_eq!(counts.id.is_some(), resumable, "{}", xml(&enabled));
        self.counts = Some(counts);
    }

    /// Comes back in a new connection: `<resumed/>` is checked, and what it does not cover is sent
    /// again.
    #[track_caller]
    pub fn resume(&mut self, address: SocketAddr) {
        self.resume_with(address, None);
    }

    /// As [`Client::resume`], under TLS.
    #[track_caller]
    pub fn resume_with(&mut self, address: SocketAddr, trust: Option<&Arc<ClientConfig>>) {
        let fresh = Client::sign_in_with(address, &self.account, trust);
        self.stream = fresh.stream;
        self.stream.send(self.resume_element());
        let resumed = self.stream.element();
        self.resumed(&resumed);
    }

    /// `<resume/>` with what this client has received.
    #[track_caller]
    pub fn resume_element(&self) -> String {
        let counts = self.counts.as_ref();
        let counts = counts.expect("a session under stream management");
        let id = counts.id.as_ref().expect("a session that may be resumed");
        let received = counts.received;
        format!("<resume xmlns='{SM}' previd='{id}' h='{received}'/>")
    }

    /// The session goes on in the stream that there is now.
    #[track_caller]
    pub fn resumed(&mut self, resumed: &Element) {
        assert!(resumed.is(SM, "resumed"), "{}", xml(resumed));
        let counts = self
            .counts
            .as_mut()
            .expect("a session under stream management");
        let known = counts.acknowledged;
        assert_eq!(resumed.attribute("previd"), counts.id.as_deref());
        let h = h_of(resumed);
        assert!(
            known <= h,
            "the server acknowledged {known} before, and {h} now"
        );
        counts.acknowledge(h);
        for stanza in counts.unacknowledged.clone() {
            self.stream.send(stanza);
        }
    }

    /// Sends, and counts the stanzas in it.
    pub fn send(&mut self, text: &str) {
        if let Some(counts) = &mut self.counts {
            for (bytes, element) in elements(text).unwrap_or_default() {
                if is_stanza(&element) {
                    counts.unacknowledged.push_back(bytes);
                }
            }
        }
        self.stream.send(text);
    }

    /// What comes next, but for the counting.
    #[track_caller]
    pub fn next(&mut self) -> Event {
        if let Some(element) = self.waiting.pop_front() {
            return Event::Element(element);
        }
        self.arrive()
    }

    /// As [`Client::next`], which must be an element.
    #[track_caller]
    pub fn element(&mut self) -> Element {
        match self.next() {
            Event::Element(element) => element,
            other => panic!("{} waited for an element: {}", self.account, shown(&other)),
        }
    }

    /// Puts something back that came too early for its reader.
    pub fn put_back(&mut self, element: Element) {
        self.waiting.push_back(element);
    }

    pub fn waiting(&self) -> &VecDeque<Element> {
        &self.waiting
    }

    /// The next from the socket.
    #[track_caller]
    pub fn arrive(&mut self) -> Event {
        loop {
            let event = self.stream.next();
            let Event::Element(element) = &event else {
                return event;
            };
            let Some(counts) = &mut self.counts else {
                return event;
            };
            if is_stanza(element) {
                counts.received += 1;
                return event;
            }
            match element.name() {
                "r" if element.namespace() == SM => {
                    if counts.answers == Answers::Always {
                        self.answer();
                    }
                }
                "a" if element.namespace() == SM => counts.acknowledge(h_of(element)),
                _ => return event,
            }
        }
    }

    /// Says what was received.
    pub fn answer(&mut self) {
        if let Some(counts) = &self.counts {
            self.stream
                .send(format!("<a xmlns='{SM}' h='{}'/>", counts.received));
        }
    }

    /// Asks what the server has taken, until that is everything.
    #[track_caller]
    pub fn all_acknowledged(&mut self) {
        let deadline = Deadline::new();
        self.stream.send(format!("<r xmlns='{SM}'/>"));
        while self
            .counts
            .as_ref()
            .is_some_and(|counts| !counts.unacknowledged.is_empty())
        {
            deadline
                .left()
                .expect("the server acknowledges everything in time");
            let event = self.stream.next();
            let Event::Element(element) = event else {
                panic!("waited for <a/>: {}", shown(&event));
            };
            let Some(counts) = &mut self.counts else {
                return;
            };
            if element.is(SM, "a") {
                counts.acknowledge(h_of(&element));
            } else if is_stanza(&element) {
                counts.received += 1;
                self.waiting.push_back(element);
            } else if element.is(SM, "r") && counts.answers == Answers::Always {
                self.answer();
            }
        }
    }

    /// All that this client sent before is done, and all that was meant for it has come: a request
    /// goes to itself through the node. Twice, because what is not counted may follow what is.
    #[track_caller]
    pub fn round_trip(&mut self) {
        for number in 0..2 {
            let id = format!("round-trip-{number}");
            let jid = self.jid.clone();
            self.send(&format!(
                "<iq type='get' id='{id}' to='{jid}'><round-trip xmlns='urn:pollux:test'/></iq>"
            ));
            loop {
                match self.arrive() {
                    Event::Element(element) if element.attribute("id") == Some(id.as_str()) => {
                        assert_eq!(element.attribute("type"), Some("get"), "{}", xml(&element));
                        break;
                    }
                    Event::Element(element) => self.waiting.push_back(element),
                    other => panic!("{} waited for itself: {}", self.account, shown(&other)),
                }
            }
        }
    }

    /// The stream ends with this error; no stanza comes before it.
    #[track_caller]
    pub fn ends_with(&mut self, condition: &str) {
        match self.next() {
            Event::Element(error) if error.is(pollux_xml::STREAM_NAMESPACE, "error") => {
                assert_eq!(stream_condition(&error), condition, "{}", xml(&error));
            }
            other => panic!("waited for the error {condition}: {}", shown(&other)),
        }
        assert_eq!(
            self.arrive(),
            Event::Closed,
            "a stream error closes the stream"
        );
        assert_eq!(
            self.arrive(),
            Event::Gone,
            "a stream error ends the connection"
        );
    }

    /// `</stream:stream>` both ways.
    #[track_caller]
    pub fn close(&mut self) {
        self.stream.send("</stream:stream>");
        loop {
            match self.arrive() {
                Event::Closed => break,
                Event::Element(element) => self.waiting.push_back(element),
                other => panic!("waited for the end of the stream: {}", shown(&other)),
            }
        }
        assert_eq!(self.stream.next(), Event::Gone);
    }
}

impl Counts {
    /// As `<enabled/>` says.
    pub fn new(enabled: &Element, answers: Answers) -> Counts {
        Counts {
            id: enabled.attribute("id").map(str::to_owned),
            location: enabled.attribute("location").map(str::to_owned),
            received: 0,
            unacknowledged: VecDeque::new(),
            acknowledged: 0,
            answers,
        }
    }

    /// The server has taken `h` stanzas: never fewer than before, never more than were sent.
    #[track_caller]
    fn acknowledge(&mut self, h: u32) {
        let new = h.checked_sub(self.acknowledged);
        let new = new.unwrap_or_else(|| panic!("h went from {} back to {h}", self.acknowledged));
        for _ in 0..new {
            let taken = self.unacknowledged.pop_front();
            assert!(
                taken.is_some(),
                "the server acknowledged {h}, more than were sent"
            );
        }
        self.acknowledged = h;
    }
}

/// The SASL exchange, and its outcome.
#[track_caller]
pub fn authenticate(
    stream: &mut Stream,
    mechanism: Mechanism,
    account: &str,
    password: &str,
) -> Element {
    authenticate_with(stream, mechanism, account, password, |scram| scram)
}

/// The same, by a client that is made ready by `prepare`.
#[track_caller]
pub fn authenticate_with(
    stream: &mut Stream,
    mechanism: Mechanism,
    account: &str,
    password: &str,
    prepare: impl FnOnce(ScramClient) -> ScramClient,
) -> Element {
    let nonce = "a nonce of the tests".replace(' ', "-");
    let hash = mechanism.hash().expect("a form of SCRAM");
    let scram = ScramClient::new(hash, account, password, None, &nonce);
    let scram = prepare(scram.expect("a name and a password that can be ones"));
    let first = STANDARD.encode(scram.first_message());
    stream.send(format!(
        "<auth xmlns='{SASL}' mechanism='{mechanism}'>{first}</auth>"
    ));
    let challenge = stream.element();
    if !challenge.is(SASL, "challenge") {
        return challenge;
    }
    let challenge = STANDARD
        .decode(challenge.text_content().as_str())
        .expect("base64");
    let (answer, expected) = scram.answer(&challenge).expect("a challenge");
    stream.send(format!(
        "<response xmlns='{SASL}'>{}</response>",
        STANDARD.encode(answer)
    ));
    let outcome = stream.element();
    if outcome.is(SASL, "success") {
        let proof = STANDARD
            .decode(outcome.text_content().as_str())
            .expect("base64");
        expected
            .check(&proof)
            .expect("the server knows the password too");
    }
    outcome
}

/// The first-level elements of a text, each as it is written and as a value. None where the text is
/// not what a stream may hold.
pub fn elements(text: &str) -> Option<Vec<(String, Element)>> {
    let limits = Limits {
        bytes_max: 4 * 1024 * 1024,
        ..Limits::DEFAULTS
    };
    let mut framer = Framer::new(limits);
    framer.push(Stream::header().as_bytes());
    framer.push(text.as_bytes());
    let mut elements = Vec::new();
    while let Some(frame) = framer.next().ok()? {
        if let Frame::Element(bytes) = frame {
            let element = Element::parse(&bytes, &StreamNamespaces::new(CLIENT)).ok()?;
            elements.push((String::from_utf8(bytes.to_vec()).ok()?, element));
        }
    }
    Some(elements)
}

fn is_stanza(element: &Element) -> bool {
    element.namespace() == CLIENT && matches!(element.name(), "message" | "presence" | "iq")
}

#[track_caller]
fn h_of(element: &Element) -> u32 {
    let h = element.attribute("h").and_then(|h| h.parse().ok());
    h.unwrap_or_else(|| panic!("no count: {}", xml(element)))
}
