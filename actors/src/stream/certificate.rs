//! Certificates of the client port: read from PEM files, again when these change, or made and kept
//! in the data folder.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use pollux_links::end_point;
use pollux_links::secret_file;
use pollux_links::tickets::SharedTickets;
use pollux_xmpp::sasl::Secret;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::node::Node;

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

/// What clients are encrypted with, read anew when its files change.
#[derive(Debug)]
pub struct Tls {
    files: Files,
    looks: Mutex<Looks>,
    loaded: RwLock<Arc<Loaded>>,
}

/// One certificate with its key, as it is served. TLS 1.2 and 1.3 (RFC 7590, RFC 9325).
#[derive(Debug)]
pub struct Loaded {
    /// For a stream that asks for TLS.
    pub starttls: Arc<ServerConfig>,
    /// For a port on which a stream begins with TLS. Who asks there for other protocols only is
    /// refused by an alert (RFC 7301 section 3.2).
    pub direct: Arc<ServerConfig>,
    /// What an authentication may be bound to of the certificate (RFC 5929 section 4.1). None where
    /// that says nothing of the signature's algorithm.
    pub end_point: Option<Secret>,
}

/// Where it is read from.
#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    /// Of all nodes of a cluster, so that a client resumes its TLS at any of them; else those of
    /// this process.
    tickets: Option<Arc<SharedTickets>>,
}

/// How both files were at the last look, and when they were read.
#[derive(Debug)]
struct Looks {
    last: [Look; 2],
    read: [Look; 2],
}

/// Of one file; none where there is none.
type Look = Option<(SystemTime, u64, u64)>;

impl Tls {
    /// A chain and its key from PEM files.
    pub fn read(
        certificate: &Path,
        key: &Path,
        tickets: Option<SharedTickets>,
    ) -> Result<Arc<Tls>, CertificateError> {
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            tickets: tickets.map(Arc::new),
        };
        let look = files.look();
        let loaded = files.read()?;
        Ok(Arc::new(Tls {
            files,
            looks: Mutex::new(Looks {
                last: look,
                read: look,
            }),
            loaded: RwLock::new(Arc::new(loaded)),
        }))
    }

    /// What a new stream is encrypted with.
    pub fn loaded(&self) -> Arc<Loaded> {
        let loaded = self.loaded.read();
        loaded.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files again if they are others than those that were read, and have not changed
    /// since the last look: certificate and key are written one after the other. What cannot be
    /// served changes nothing.
    fn look_again(&self) -> Option<Result<(), CertificateError>> {
        let now = self.files.look();
        {
            let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
            let is_still = std::mem::replace(&mut looks.last, now) == now;
            if !is_still || looks.read == now {
                return None;
            }
            looks.read = now;
        }
        Some(self.files.read().map(|loaded| {
            *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        }))
    }
}

/// How often it is looked whether the files have changed.
const INTERVAL: Duration = Duration::from_secs(2);

/// Keeps the certificate as its files are until the node stops.
pub async fn follow(node: Arc<Node>) {
    let Some(tls) = node.settings.tls.clone() else {
        return;
    };
    while !node.is_stopping() {
        tokio::time::sleep(INTERVAL).await;
        let path = tls.files.certificate.display();
        match tls.look_again() {
            None => {}
            Some(Ok(())) => tracing::info!(%path, "new certificate is served to new streams"),
            Some(Err(error)) => {
                let advice = "the earlier one is served on until both files fit";
                tracing::warn!(%path, %error, advice, "new certificate cannot be served");
            }
        }
    }
}

impl Files {
    fn look(&self) -> [Look; 2] {
        [&self.certificate, &self.key].map(|path| {
            let about = std::fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len(), about.ino()))
        })
    }

    fn read(&self) -> Result<Loaded, CertificateError> {
        let Files {
            certificate, key, ..
        } = self;
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
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut starttls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, secret)?;
        if let Some(tickets) = &self.tickets {
            starttls.ticketer = tickets.clone();
            starttls.send_tls13_tickets = 1;
        }
        let mut direct = starttls.clone();
        direct.alpn_protocols = vec![ALPN_CLIENT.to_vec()];
        Ok(Loaded {
            starttls: Arc::new(starttls),
            direct: Arc::new(direct),
            end_point: end_point.map(Secret::new),
        })
    }
}

/// The self-signed certificate of this folder, made at the first start. Clients must be told to
/// trust it.
pub fn self_signed(
    folder: &Path,
    domain: &str,
    tickets: Option<SharedTickets>,
) -> Result<Arc<Tls>, CertificateError> {
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
    Tls::read(&certificate, &key, tickets)
}
