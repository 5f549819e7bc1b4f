//! One XML stream from the client's end: bytes out, frames in. Knows nothing of sign-in, sessions
//! or counts.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use pollux_xml::{Element, Frame, Framer, Limits, StreamNamespaces, StreamOpen};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustls::ClientConfig;

use super::deadline::Deadline;
use super::node::DOMAIN;
use super::tls::{Socket, Tcp, trust};

/// More than any stanza of a test.
const LIMITS: Limits = Limits {
    bytes_max: 4 * 1024 * 1024,
    elements_max: None,
    depth_max: 256,
    attributes_max: 256,
    namespaces_max: 256,
};

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    Open(Element),
    Element(Element),
    /// `</stream:stream>`
    Closed,
    /// The end of the connection.
    Gone,
}

/// See the module.
pub struct Stream {
    pub socket: Socket,
    framer: Framer,
    namespaces: StreamNamespaces,
}

impl Stream {
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Stream {
        Stream::over(Tcp::connect(address).expect("the node takes connections"))
    }

    /// The same by one who has another address.
    #[track_caller]
    pub fn connect_from(own: IpAddr, address: SocketAddr) -> Stream {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&socket, &SocketAddr::new(own, 0)).expect("the whole of 127.0.0.0/8 is loopback");
        connect(&socket, &address).expect("the node takes connections");
        Stream::over(socket.into())
    }

    fn over(tcp: Tcp) -> Stream {
        tcp.set_nodelay(true).expect("a socket without delay");
        Stream {
            socket: Socket::Plain(tcp),
            framer: Framer::new(LIMITS),
            namespaces: StreamNamespaces::new("jabber:client"),
        }
    }

    /// A connection that begins with TLS; the handshake goes with what is said first.
    #[track_caller]
    pub fn connect_direct(address: SocketAddr, trust: &Arc<ClientConfig>) -> Stream {
        let mut stream = Stream::connect(address);
        stream.socket.encrypt(trust, DOMAIN);
        stream
    }

    /// What a client says first, and again after TLS and SASL.
    pub fn header() -> String {
        format!(
            "<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' xml:lang='en' \
             xmlns='jabber:client' xmlns:stream='{}'>",
            pollux_xml::STREAM_NAMESPACE
        )
    }

    /// The node may be gone already: what it said before is still to be read.
    pub fn send(&mut self, text: impl AsRef<[u8]>) {
        let patience = Deadline::new().left().expect("a new deadline");
        let _gone = self.socket.set_patience(patience);
        let _gone = self
            .socket
            .write_all(text.as_ref())
            .and_then(|()| self.socket.flush());
    }

    /// Every octet in a packet of its own, as far as the kernel agrees.
    pub fn send_octet_by_octet(&mut self, text: impl AsRef<[u8]>) {
        for octet in text.as_ref() {
            self.send([*octet]);
        }
    }

    /// The next that is not whitespace.
    #[track_caller]
    pub fn next(&mut self) -> Event {
        match self.next_before(Deadline::new()) {
            Ok(event) => event,
            Err(error) => panic!("nothing came: {error}"),
        }
    }

    /// As [`Stream::next`], with its own deadline.
    pub fn next_before(&mut self, deadline: Deadline) -> io::Result<Event> {
        loop {
            match self.framer.next().map_err(io::Error::other)? {
                Some(Frame::Whitespace) => continue,
                Some(Frame::Open(bytes)) => {
                    let open = StreamOpen::parse(&bytes).map_err(io::Error::other)?;
                    self.namespaces = open.namespaces;
                    return Ok(Event::Open(open.element));
                }
                Some(Frame::Element(bytes)) => {
                    let element = Element::parse(&bytes, &self.namespaces);
                    return Ok(Event::Element(element.map_err(io::Error::other)?));
                }
                Some(Frame::Close) => return Ok(Event::Closed),
                None => {}
            }
            let left = deadline.left().ok_or(io::ErrorKind::TimedOut)?;
            self.socket.set_patience(left)?;
            let mut bytes = [0; 4096];
            match self.socket.read(&mut bytes) {
                Ok(0) => return Ok(Event::Gone),
                Ok(count) => self.framer.push(&bytes[..count]),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {}
                    // TLS ends without a word where the process was killed.
                    io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::NotConnected => return Ok(Event::Gone),
                    _ => return Err(error),
                },
            }
        }
    }

    /// The next, which must be an element.
    #[track_caller]
    pub fn element(&mut self) -> Element {
        match self.next() {
            Event::Element(element) => element,
            other => panic!("waited for an element: {}", shown(&other)),
        }
    }

    /// Says the header and takes the node's header and features.
    #[track_caller]
    pub fn open(&mut self) -> Element {
        self.send(Stream::header());
        self.opened()
    }

    /// As [`Stream::open`], by a client that says who it is.
    #[track_caller]
    pub fn open_as(&mut self, from: Option<&str>) -> Element {
        let from = from.map(|from| format!("<stream:stream from='{from}'"));
        let named = from.unwrap_or_else(|| "<stream:stream".to_owned());
        self.send(Stream::header().replace("<stream:stream", &named));
        self.opened()
    }

    /// Takes the node's header and features.
    #[track_caller]
    pub fn opened(&mut self) -> Element {
        match self.next() {
            Event::Open(header) => {
                assert_eq!(header.attribute("from"), Some(DOMAIN));
                assert_eq!(header.attribute("version"), Some("1.0"));
                assert!(header.attribute("id").is_some_and(|id| 16 <= id.len()));
            }
            other => panic!("waited for a stream header: {}", shown(&other)),
        }
        let features = self.element();
        assert!(
            features.is(pollux_xml::STREAM_NAMESPACE, "features"),
            "{}",
            xml(&features)
        );
        features
    }

    /// The stream begins afresh, as after SASL.
    pub fn restart(&mut self) {
        self.framer.restart();
    }

    /// STARTTLS from the request to the handshake.
    #[track_caller]
    pub fn encrypt(&mut self, certificate: &Path) {
        self.encrypt_with(&trust(&[certificate]));
    }

    /// As [`Stream::encrypt`], by somebody who may have been here before.
    #[track_caller]
    pub fn encrypt_with(&mut self, trust: &Arc<ClientConfig>) {
        self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        self.proceed_with(trust);
    }

    /// What follows the request.
    #[track_caller]
    pub fn proceed(&mut self, certificate: &Path) {
        self.proceed_with(&trust(&[certificate]));
    }

    #[track_caller]
    fn proceed_with(&mut self, trust: &Arc<ClientConfig>) {
        let answer = self.element();
        assert!(
            answer.is("urn:ietf:params:xml:ns:xmpp-tls", "proceed"),
            "{}",
            xml(&answer)
        );
        self.restart();
        self.socket.encrypt(trust, DOMAIN);
    }

    /// The stream ends with this error, then with its closing tag and the connection.
    #[track_caller]
    pub fn ends_with(&mut self, condition: &str) -> Element {
        let error = loop {
            match self.next() {
                Event::Open(_) => {}
                Event::Element(element) if element.name() == "error" => break element,
                Event::Element(features) if features.name() == "features" => {}
                other => panic!("waited for the error {condition}: {}", shown(&other)),
            }
        };
        assert_eq!(stream_condition(&error), condition, "{}", xml(&error));
        assert_eq!(
            self.next(),
            Event::Closed,
            "a stream error closes the stream"
        );
        assert_eq!(
            self.next(),
            Event::Gone,
            "a stream error ends the connection"
        );
        error
    }
}

/// The condition of a stream error.
pub fn stream_condition(error: &Element) -> &str {
    const CONDITIONS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
    let conditions = error
        .elements()
        .filter(|element| element.namespace() == CONDITIONS);
    conditions
        .map(Element::name)
        .find(|name| *name != "text")
        .unwrap_or("no condition")
}

/// An element as text, for people.
pub fn xml(element: &Element) -> String {
    String::from_utf8_lossy(&element.to_bytes("jabber:client")).into_owned()
}

/// An event as text, for people.
pub fn shown(event: &Event) -> String {
    match event {
        Event::Open(header) => format!("a stream header {}", xml(header)),
        Event::Element(element) => xml(element),
        Event::Closed => "the end of the stream".to_owned(),
        Event::Gone => "the end of the connection".to_owned(),
    }
}
