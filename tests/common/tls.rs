//! TLS for the clients of tests: trusts the one certificate that the node made.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

#[expect(
    clippy::disallowed_types,
    reason = "clients of tests block, each on a thread that has nothing else to do"
)]
pub type Tcp = std::net::TcpStream;

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
    pub fn encrypt(&mut self, certificate: &Path, domain: &str) {
        let Socket::Plain(tcp) = std::mem::replace(self, Socket::Between) else {
            panic!("encrypted already");
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(certificate).expect("a certificate") {
            roots
                .add(certificate.expect("PEM"))
                .expect("a certificate that can be trusted");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions that the provider has")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(domain.to_owned()).expect("a name");
        let client = ClientConnection::new(Arc::new(config), name).expect("a TLS client");
        *self = Socket::Tls(Box::new(StreamOwned::new(client, tcp)));
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
