//! A node by hand on the port between nodes: the certificate of a real one, and bytes that no node
//! would say. Not for what a node answers to them.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pollux_domain::ids::{ClusterId, Incarnation, NodeId};
use pollux_links::authority::{name_of, node_name};
use pollux_links::credentials::Credentials;
use pollux_links::frame::{Decoder, Frame, Kind};
use pollux_links::hello::{Hello, Identity, Life, Purpose};
use pollux_links::peers::Lane;
use pollux_links::refusal::{Reason, Refusal};
use pollux_links::security::LINK_PROTOCOL;
use pollux_raft::version;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::common::deadline::PATIENCE;
use super::common::tls::Tcp;
use super::site::Member;

/// See the module.
pub struct Peer {
    stream: StreamOwned<ClientConnection, Tcp>,
    decoder: Decoder,
    /// Whose certificate it shows.
    pub node: NodeId,
    cluster: ClusterId,
    to: NodeId,
}

impl Peer {
    /// Calls a member under the name of another one.
    #[track_caller]
    pub fn call(address: SocketAddr, to: u16, as_if: &Member) -> Peer {
        let credentials = Credentials::read(&as_if.path("data/cluster"));
        Peer::call_with(
            address,
            to,
            credentials.expect("the node has a certificate"),
        )
    }

    /// The same with a certificate from elsewhere.
    #[track_caller]
    pub fn call_with(address: SocketAddr, to: u16, credentials: Credentials) -> Peer {
        let (node, cluster) = name_of(&credentials.certificate).expect("it names a node");
        let to = NodeId(to);
        let name = ServerName::try_from(node_name(to, cluster)).expect("a name");
        let config = Arc::new(config(credentials));
        let client = ClientConnection::new(config, name).expect("a TLS client");
        let tcp = Tcp::connect(address).expect("the node takes connections");
        tcp.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Peer {
            stream: StreamOwned::new(client, tcp),
            decoder: Decoder::new(16 * 1024 * 1024),
            node,
            cluster,
            to,
        }
    }

    /// Says hello and hears the welcome.
    #[track_caller]
    pub fn greeted(address: SocketAddr, to: u16, as_if: &Member, life: u8) -> Peer {
        let mut peer = Peer::call(address, to, as_if);
        let hello = Hello {
            identity: Identity {
                cluster: peer.cluster,
                node: peer.node,
                incarnation: Incarnation(1),
            },
            to: peer.to,
            life: Life([life; 16]),
            purpose: Purpose::Lane(Lane::Control),
            build: version::build(),
            in_use: version::FORMATS.newest,
        };
        peer.send(&Frame::plain(Kind::Hello, 0, hello.write()));
        let welcome = peer.frame().expect("a welcome");
        assert_eq!(welcome.kind, Kind::Welcome, "{welcome:?}");
        peer
    }

    /// The node may have hung up already; what it said before is still to be read.
    pub fn write(&mut self, bytes: &[u8]) {
        let _gone = self
            .stream
            .write_all(bytes)
            .and_then(|()| self.stream.flush());
    }

    pub fn send(&mut self, frame: &Frame) {
        self.write(&bytes_of(frame));
    }

    /// The next frame but pings; none when the node has hung up.
    pub fn frame(&mut self) -> Option<Frame> {
        loop {
            match self.decoder.frame().expect("a node says frames") {
                Some(frame) if frame.kind == Kind::Ping => {
                    self.send(&Frame::plain(Kind::Pong, frame.id, Bytes::new()));
                    continue;
                }
                Some(frame) => return Some(frame),
                None => {}
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.decoder.buffer().extend_from_slice(&bytes[..count]),
            }
        }
    }

    /// Asks something, and hears the words with which that is refused.
    #[track_caller]
    pub fn refused(&mut self, question: &Frame) -> String {
        self.send(question);
        loop {
            let frame = self.frame().expect("an answer");
            if frame.kind == Kind::Refused && frame.id == question.id {
                return String::from_utf8_lossy(&frame.body).into_owned();
            }
        }
    }

    /// Hears why there is no connection.
    #[track_caller]
    pub fn refusal(mut self) -> Refusal {
        loop {
            let frame = self.frame().expect("a refusal");
            if frame.kind == Kind::Refusal {
                return Refusal::read(&frame.body);
            }
        }
    }

    /// Says no frame, and hears so: whoever hears that is let in.
    #[track_caller]
    pub fn garbled(mut self) {
        self.write(&[1; 64]);
        let refusal = self.refusal();
        assert_eq!(refusal.reason, Reason::NotUnderstood, "{refusal}");
    }

    /// Waits until the node has hung up.
    pub fn hung_up(mut self) {
        while self.frame().is_some() {}
    }
}

pub fn bytes_of(frame: &Frame) -> BytesMut {
    let mut out = BytesMut::new();
    frame.write(&mut out);
    out
}

fn config(credentials: Credentials) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let added = roots.add(credentials.authority.clone());
    added.expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![credentials.certificate, credentials.authority];
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("versions that the provider has")
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, PrivateKeyDer::from(credentials.key))
        .expect("a certificate with its key");
    config.alpn_protocols = vec![LINK_PROTOCOL.to_vec()];
    config
}
