//! One stream during its negotiation: frames in, elements out. Knows nothing of what is negotiated.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use pollux_domain::ids::SessionId;
use pollux_domain::jid::{BareJid, Jid};
use pollux_domain::limits;
use pollux_xml::{Element, Frame, Framer, Limits, StreamNamespaces, Text};
use pollux_xmpp::features::Features;
use pollux_xmpp::ns;
use pollux_xmpp::stream_error::{StreamCondition, StreamError};
use pollux_xmpp::stream_header::{ContentNamespace, StreamHeader};
use pollux_xmpp::stream_limits::StreamLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::claims::Arrival;
use crate::node::{Node, hex};
use pollux_links::net::Socket;

/// What a stranger may send (design, section 10; issue of the thin path: 8 KiB and 32 elements in
/// all).
pub const STRANGER: Limits = Limits {
    bytes_max: limits::PREAUTH_BYTES_MAX,
    elements_max: Some(limits::PREAUTH_ELEMENTS_MAX),
    depth_max: limits::STANZA_DEPTH_MAX as u16,
    attributes_max: limits::ATTRIBUTES_MAX as u16,
    namespaces_max: limits::NAMESPACES_MAX as u16,
};

/// What a client that has signed in may send.
pub const CLIENT: Limits = Limits {
    bytes_max: limits::STANZA_BYTES_MAX,
    elements_max: None,
    ..STRANGER
};

/// Of all that the server says to people.
const LANGUAGE: &str = "en";

/// Why a negotiation ended without a session.
#[derive(Debug)]
pub enum Broken {
    /// The client is told, and the stream closed.
    Error(StreamError),
    /// The client closed it, or the socket is gone.
    Gone,
}

impl From<StreamError> for Broken {
    fn from(error: StreamError) -> Broken {
        Broken::Error(error)
    }
}

impl From<StreamCondition> for Broken {
    fn from(condition: StreamCondition) -> Broken {
        Broken::Error(condition.into())
    }
}

impl From<io::Error> for Broken {
    fn from(_error: io::Error) -> Broken {
        Broken::Gone
    }
}

/// See the module.
pub struct Wire {
    pub node: Arc<Node>,
    pub socket: Box<dyn Socket>,
    pub framer: Framer,
    pub namespaces: StreamNamespaces,
    /// The client's header, as it came: a stream that does not begin afresh goes on with it.
    pub header: Vec<u8>,
    /// Who the client says there that it is.
    pub claimed: Option<BareJid>,
    /// Of what the client says to people, where it is another than the server's: then whoever hears
    /// it is told (RFC 6120 section 4.7.4).
    lang: Option<Text>,
    /// Our header is out, so that an error may follow.
    greeted: bool,
    /// This node has said something.
    spoken: bool,
    /// Of the connection that the stream came by to this node.
    pub arrival: Arrival,
    /// Nobody reads it on its way from the client, to whichever node that came.
    pub encrypted: bool,
    /// Bytes that a stranger has sent so far; none are counted for one who has signed in.
    received: Option<usize>,
}

impl Wire {
    pub fn new(node: Arc<Node>, socket: Box<dyn Socket>, arrival: Arrival) -> Wire {
        let mut wire = Wire::resumed(node, socket, Framer::new(STRANGER), arrival);
        wire.received = Some(0);
        wire
    }

    /// Goes on with a socket that has moved here, of a client that is known and begins its stream
    /// afresh.
    pub fn resumed(
        node: Arc<Node>,
        socket: Box<dyn Socket>,
        framer: Framer,
        arrival: Arrival,
    ) -> Wire {
        let namespaces = StreamNamespaces::new(ns::CLIENT);
        Wire {
            node,
            socket,
            framer,
            namespaces,
            header: Vec::new(),
            claimed: None,
            lang: None,
            greeted: false,
            spoken: false,
            arrival,
            encrypted: false,
            received: None,
        }
    }

    /// The stream does not begin afresh: our header is out.
    pub fn has_begun(&mut self) {
        self.greeted = true;
    }

    /// Whether the client has heard anything from this node.
    pub fn has_spoken(&self) -> bool {
        self.spoken
    }

    /// Reads on in a stream that has begun elsewhere with this header.
    pub fn read_on(&mut self, header: &[u8]) -> Result<(), Broken> {
        let rest = self.framer.take_buffered();
        self.framer = Framer::new(CLIENT);
        self.framer.push(header);
        let Some(Frame::Open(bytes)) = self.framer.next().map_err(StreamError::from)? else {
            return Err(StreamCondition::InternalServerError.into());
        };
        let header = StreamHeader::parse(&bytes, ContentNamespace::Client)?;
        self.note_language(&header);
        self.namespaces = header.namespaces;
        self.framer.push(&rest);
        Ok(())
    }

    pub async fn frame(&mut self) -> Result<Frame, Broken> {
        loop {
            if let Some(frame) = self.framer.next().map_err(StreamError::from)? {
                return Ok(frame);
            }
            let mut bytes = [0; 1_024];
            let count = self.socket.read(&mut bytes).await?;
            if count == 0 {
                return Err(Broken::Gone);
            }
            self.framer.push(&bytes[..count]);
            if let Some(received) = &mut self.received {
                *received += count;
                if limits::PREAUTH_BYTES_MAX < *received {
                    let error = StreamError::new(StreamCondition::PolicyViolation);
                    return Err(error.with_text("too many octets before signing in").into());
                }
            }
        }
    }

    /// The next first-level element.
    pub async fn element(&mut self) -> Result<Element, Broken> {
        loop {
            match self.frame().await? {
                Frame::Whitespace => {}
                frame => return self.parsed(frame).await,
            }
        }
    }

    /// The next, with nothing before it (XEP-0388 section 2.4).
    pub async fn element_at_once(&mut self) -> Result<Element, Broken> {
        match self.frame().await? {
            Frame::Whitespace => Err(StreamCondition::NotAuthorized.into()),
            frame => self.parsed(frame).await,
        }
    }

    async fn parsed(&mut self, frame: Frame) -> Result<Element, Broken> {
        match frame {
            Frame::Element(bytes) => {
                Ok(Element::parse(&bytes, &self.namespaces).map_err(StreamError::from)?)
            }
            Frame::Whitespace | Frame::Open(_) => Err(StreamCondition::NotWellFormed.into()),
            Frame::Close => {
                self.close().await?;
                Err(Broken::Gone)
            }
        }
    }

    /// Takes the client's header and answers with ours and the features (RFC 6120 sections 4.2,
    /// 4.3).
    pub async fn open(&mut self, features: Features) -> Result<(), Broken> {
        let greeting = self.hear().await?;
        self.welcome(greeting, features).await
    }

    /// Takes the client's header. Ours, for [`Wire::welcome`], which may depend on who the client
    /// says that it is.
    pub async fn hear(&mut self) -> Result<Vec<u8>, Broken> {
        self.greeted = false;
        let header = loop {
            match self.frame().await? {
                Frame::Open(bytes) => {
                    let header = StreamHeader::parse(&bytes, ContentNamespace::Client)?;
                    self.header = bytes.to_vec();
                    break header;
                }
                Frame::Whitespace => {}
                Frame::Element(_) | Frame::Close => {
                    return Err(StreamCondition::InvalidNamespace.into());
                }
            }
        };
        let domain = self.node.settings.domain.clone();
        let mut out = Vec::new();
        self.greet(Some(&header), &mut out);
        if header.to.as_ref().is_some_and(|to| to.as_str() != domain) {
            self.socket.write_all(&out).await?;
            return Err(StreamCondition::HostUnknown.into());
        }
        // XEP-0388 section 2.1: nobody from elsewhere.
        if header
            .from
            .as_ref()
            .is_some_and(|from| from.domain() != domain)
        {
            self.socket.write_all(&out).await?;
            return Err(StreamCondition::InvalidFrom.into());
        }
        self.note_language(&header);
        self.namespaces = header.namespaces;
        self.claimed = header.from.map(|from| from.to_bare());
        Ok(out)
    }

    /// Our header with the features.
    pub async fn welcome(&mut self, greeting: Vec<u8>, features: Features) -> Result<(), Broken> {
        let mut out = greeting;
        self.write_features(features, &mut out);
        self.send_bytes(&out).await
    }

    fn note_language(&mut self, header: &StreamHeader) {
        let lang = header.lang.as_ref();
        let other = lang.filter(|lang| !lang.eq_ignore_ascii_case(LANGUAGE));
        self.lang = other.cloned();
    }

    /// With what this end takes from here on.
    pub fn write_features(&self, features: Features, out: &mut Vec<u8>) {
        let features = Features {
            limits: Some(self.limits()),
            ..features
        };
        features.to_element().write(out, ns::CLIENT);
    }

    /// What it takes of the client from here on.
    fn limits(&self) -> StreamLimits {
        let (bytes_max, idle_seconds) = match self.received {
            Some(_) => (limits::PREAUTH_BYTES_MAX, Some(limits::PREAUTH_SECONDS_MAX)),
            None => {
                let silence = self.node.cluster_settings().client_silence_seconds;
                (limits::STANZA_BYTES_MAX, silence.most())
            }
        };
        StreamLimits {
            max_bytes: Some(bytes_max as u64),
            idle_seconds,
        }
    }

    fn greet(&mut self, header: Option<&StreamHeader>, out: &mut Vec<u8>) {
        self.greeted = true;
        let own = StreamHeader::new(ContentNamespace::Client);
        let header = header.unwrap_or(&own);
        let Ok(from) = Jid::parse(&self.node.settings.domain) else {
            return;
        };
        header
            .reply(from, hex(&self.node.ambient.rand.token()), LANGUAGE)
            .write(out);
    }

    pub async fn send(&mut self, element: &Element) -> Result<(), Broken> {
        self.send_bytes(&element.to_bytes(ns::CLIENT)).await
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.spoken = true;
        self.socket.write_all(bytes).await?;
        self.socket.flush().await?;
        Ok(())
    }

    /// Ends the stream from our side.
    pub async fn close(&mut self) -> Result<(), Broken> {
        self.socket.write_all(b"</stream:stream>").await?;
        self.socket.flush().await?;
        Ok(())
    }

    /// The stream begins afresh on the same socket.
    pub fn restart(&mut self) {
        self.framer.restart();
    }

    /// Tells the client why it ends (RFC 6120 section 4.9.1.2: after our own header).
    pub async fn end(mut self, broken: Broken) {
        let Broken::Error(error) = broken else { return };
        self.node.metrics.stream_errors.count(error.condition);
        tracing::debug!(condition = %error.condition, "stream ends in an error");
        let mut out = Vec::new();
        if !self.greeted {
            self.greet(None, &mut out);
        }
        error.write(&mut out);
        if self.socket.write_all(&out).await.is_ok() {
            let _closed = self.socket.shutdown().await;
        }
    }

    /// Gives the stream to its session, `last` first.
    pub fn into_stream(self, last: &[u8], inactive: bool) -> crate::session::Stream {
        crate::session::Stream {
            socket: self.socket,
            framer: self.framer,
            namespaces: self.namespaces,
            lang: self.lang,
            arrival: self.arrival,
            write_queue: BytesMut::from(last),
            inactive,
            encrypted: self.encrypted,
        }
    }
}

/// Reads what `resume_id` wrote.
pub fn parse_resume_id(text: &str) -> Option<(SessionId, [u8; 16])> {
    let (session, token) = text.split_once('-')?;
    if token.len() != 32 || !token.is_ascii() {
        return None;
    }
    let mut bytes = [0; 16];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&token[2 * index..2 * index + 2], 16).ok()?;
    }
    Some((SessionId(session.parse().ok()?), bytes))
}
