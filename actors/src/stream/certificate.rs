//! Certificates of the client port: read from PEM files, or made and kept in the data folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pollux_links::end_point;
use pollux_links::secret_file;
use pollux_links::tickets::SharedTickets;
use pollux_xmpp::sasl::Secret;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a client asks for that begins with TLS (XEP-0368 section 3).
const ALPN_CLIENT: &[u8] = b"xmpp-client";

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("failed to read {}: {reason}", .path.display())]
    Read { path: PathBuf, reason: String },
    #[error("failed to write {}: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("failed to make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("the certificate cannot be served: {0}")]
    Unusable(#[from] rustls::Error),
}

/// What clients are encrypted with.
#[derive(Debug, Clone)]
pub struct Tls {
    pub config: Arc<ServerConfig>,
    /// What an authentication may be bound to of the certificate (RFC 5929 section 4.1). None where
    /// that says nothing of the signature's algorithm.
    pub end_point: Option<Secret>,
}

/// A chain and its key from PEM files. TLS 1.2 and 1.3 (RFC 7590, RFC 9325).
///
/// `tickets`: of all nodes of a cluster, so that a client resumes its TLS at any of them; else
/// those of this process.
pub fn read(
    certificate: &Path,
    key: &Path,
    tickets: Option<SharedTickets>,
) -> Result<Tls, CertificateError> {
    let failed = |path: &Path, error: rustls::pki_types::pem::Error| CertificateError::Read {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| failed(certificate, error))?;
    if chain.is_empty() {
        let reason = "it holds no certificate".to_owned();
        return Err(CertificateError::Read {
            path: certificate.to_owned(),
            reason,
        });
    }
    let end_point = chain.first().and_then(|first| end_point::digest_of(first));
    let end_point = end_point.map(Secret::new);
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, secret)?;
    if let Some(tickets) = tickets {
        config.ticketer = Arc::new(tickets);
        config.send_tls13_tickets = 1;
    }
    Ok(Tls {
        config: Arc::new(config),
        end_point,
    })
}

/// The same certificate and tickets for a port on which a stream begins with TLS. Who asks there
/// for other protocols only is refused by an alert (RFC 7301 section 3.2).
pub fn for_direct_tls(config: &ServerConfig) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![ALPN_CLIENT.to_vec()];
    Arc::new(config)
}

/// The self-signed certificate of this folder, made at the first start. Clients must be told to
/// trust it.
pub fn self_signed(
    folder: &Path,
    domain: &str,
    tickets: Option<SharedTickets>,
) -> Result<Tls, CertificateError> {
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    if !certificate.exists() || !key.exists() {
        let write = |path: &Path, contents: &[u8]| {
            secret_file::write(path, contents).map_err(|source| CertificateError::Write {
                path: path.to_owned(),
                source,
            })
        };
        let made = rcgen::generate_simple_self_signed(vec![domain.to_owned()])?;
        write(&key, made.signing_key.serialize_pem().as_bytes())?;
        write(&certificate, made.cert.pem().as_bytes())?;
    }
    read(&certificate, &key, tickets)
}
