//! TLS for the clients of tests: trusts the certificates that nodes made, and no other; keeps what
//! a session of TLS is resumed by.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, ConfigBuilder, HandshakeKind, RootCertStore, StreamOwned,
};

#[expect(
    clippy::disallowed_types,
    reason = "clients of tests block, each on a thread that has nothing else to do"
)]
pub type Tcp = std::net::TcpStream;

/// What a client trusts, with the tickets that it was given. They are kept by the name of the
/// server, so that what one node gave is shown to all that have the same name.
pub fn trust(certificates: &[&Path]) -> Arc<ClientConfig> {
    Arc::new(trusting(certificates).with_no_client_auth())
}

/// As [`trust`], by a client that shows a certificate of its own where it is asked for one.
pub fn trust_and_show(certificate: &Path, own: &Path, key: &Path) -> Arc<ClientConfig> {
    let own = CertificateDer::pem_file_iter(own).expect("a certificate");
    let own = own.map(|certificate| certificate.expect("PEM")).collect();
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let config = trusting(&[certificate]).with_client_auth_cert(own, key);
    Arc::new(config.expect("a certificate that fits its key"))
}

fn trusting(certificates: &[&Path]) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    for path in certificates {
        for certificate in CertificateDer::pem_file_iter(path).expect("a certificate") {
            let certificate = certificate.expect("PEM");
            let added = roots.add(certificate);
            added.expect("a certificate that can be trusted");
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions that the provider has")
        .with_root_certificates(roots)
}

/// As [`trust`], by a client that asks for these protocols (RFC 7301).
pub fn trust_and_ask(certificate: &Path, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut config = ClientConfig::clone(&trust(&[certificate]));
    let names = protocols.iter().map(|name| name.as_bytes().to_vec());
    config.alpn_protocols = names.collect();
    Arc::new(config)
}

/// A connection, encrypted or not.
pub enum Socket {
    Plain(Tcp),
    Tls(Box<StreamOwned<ClientConnection, Tcp>>),
    /// While one becomes the other.
    Between,
}

impl Socket {
    fn tcp(&self) -> io::Result<&Tcp> {
        match self {
            Socket::Plain(tcp) => Ok(tcp),
            Socket::Tls(tls) => Ok(&tls.sock),
            Socket::Between => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The handshake, which the next read or write completes.
    pub fn encrypt(&mut self, trust: &Arc<ClientConfig>, domain: &str) {
        let Socket::Plain(tcp) = std::mem::replace(self, Socket::Between) else {
            panic!("encrypted already");
        };
        let name = ServerName::try_from(domain.to_owned()).expect("a name");
        let client = ClientConnection::new(trust.clone(), name).expect("a TLS client");
        *self = Socket::Tls(Box::new(StreamOwned::new(client, tcp)));
    }

    /// How the handshake went, once it is complete.
    pub fn handshake(&self) -> Option<HandshakeKind> {
        match self {
            Socket::Tls(tls) => tls.conn.handshake_kind(),
            Socket::Plain(_) | Socket::Between => None,
        }
    }

    /// What both sides agreed to speak, once the handshake is complete.
    pub fn protocol(&self) -> Option<&[u8]> {
        match self {
            Socket::Tls(tls) => tls.conn.alpn_protocol(),
            Socket::Plain(_) | Socket::Between => None,
        }
    }

    /// What only the two ends know, and the certificate of the other one; once the handshake is
    /// complete.
    pub fn channel(&self) -> Option<([u8; 32], CertificateDer<'static>)> {
        let Socket::Tls(tls) = self else {
            return None;
        };
        let label = b"EXPORTER-Channel-Binding";
        let exported = tls.conn.export_keying_material([0; 32], label, Some(&[]));
        let certificate = tls.conn.peer_certificates()?.first()?;
        Some((exported.ok()?, certificate.clone()))
    }

    pub fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.tcp()?.set_read_timeout(Some(patience))?;
        self.tcp()?.set_write_timeout(Some(patience))
    }

    /// Both directions end at once, without a word of XMPP or TLS.
    pub fn cut(&self) {
        if let Ok(tcp) = self.tcp() {
            let _gone = tcp.shutdown(Shutdown::Both);
        }
    }

    /// Nothing more will be sent; what comes is still read.
    pub fn end_sending(&self) {
        if let Ok(tcp) = self.tcp() {
            let _gone = tcp.shutdown(Shutdown::Write);
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(tcp) => tcp.read(buffer),
            Socket::Tls(tls) => tls.read(buffer),
            Socket::Between => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(tcp) => tcp.write(bytes),
            Socket::Tls(tls) => tls.write(bytes),
            Socket::Between => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(tcp) => tcp.flush(),
            Socket::Tls(tls) => tls.flush(),
            Socket::Between => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}
