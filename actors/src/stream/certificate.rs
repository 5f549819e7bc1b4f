//! Certificates of the client port: read from PEM files, again when these change, or made and kept
//! in the data folder.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use pollux_domain::ids::WallMs;
use pollux_domain::jid::BareJid;
use pollux_links::end_point;
use pollux_links::secret_file;
use pollux_links::tickets::{Secrets, SharedTickets};
use pollux_links::xmpp_address;
use pollux_xmpp::sasl::Secret;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

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
    /// Who judges certificates of clients; none are asked for without.
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl Loaded {
    /// The addresses that a client has proved by its certificate. Judged once more: a resumed
    /// session of TLS brings one that was judged then.
    pub fn addresses(&self, chain: &[CertificateDer<'static>], now: WallMs) -> Vec<BareJid> {
        let (Some(clients), Some((own, others))) = (&self.clients, chain.split_first()) else {
            return Vec::new();
        };
        let now = UnixTime::since_unix_epoch(Duration::from_millis(now.0));
        if let Err(error) = clients.verify_client_cert(own, others, now) {
            tracing::debug!(%error, "certificate of a client is not good any more");
            return Vec::new();
        }
        let addresses = xmpp_address::all_of(own).into_iter();
        addresses
            .filter_map(|address| BareJid::parse(&address).ok())
            .collect()
    }
}

/// Where it is read from.
#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    /// Whoever signs certificates of clients; nobody else is believed.
    client_ca: Option<PathBuf>,
    /// Of all nodes of a cluster, so that a client resumes its TLS at any of them; else those of
    /// this process.
    tickets: Option<Arc<SharedTickets>>,
}

/// How the files were at the last look, and when they were read.
#[derive(Debug)]
struct Looks {
    last: [Look; 3],
    read: [Look; 3],
}

/// Of one file; none where there is none.
type Look = Option<(SystemTime, u64, u64)>;

impl Tls {
    /// A chain and its key from PEM files, and who signs certificates of clients.
    pub fn read(
        certificate: &Path,
        key: &Path,
        client_ca: Option<&Path>,
        tickets: Option<SharedTickets>,
    ) -> Result<Arc<Tls>, CertificateError> {
        let files = Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            client_ca: client_ca.map(Path::to_owned),
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

    /// For the port of administrators: the certificate that is served at the moment, and no
    /// question for one of the client's.
    pub fn pages(self: &Arc<Tls>) -> Result<ServerConfig, CertificateError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Current(self.clone())));
        Ok(config)
    }

    /// Tickets are made and taken with the secrets that the cluster has.
    fn follow_tickets(&self, node: &Node) {
        let secrets = node
            .configuration
            .read(|configuration| configuration.topology().ticket_secrets());
        if let (Some(tickets), Some(secrets)) = (&self.files.tickets, secrets)
            && tickets.set(Secrets {
                make: secrets.make,
                take: secrets.take,
                former: secrets.former,
            })
        {
            tracing::debug!("tickets of TLS are made as the cluster makes them");
        }
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

/// Whatever certificate is loaded when somebody comes.
#[derive(Debug)]
struct Current(Arc<Tls>);

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.loaded().starttls.cert_resolver.resolve(hello)
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
        tls.follow_tickets(&node);
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
    fn look(&self) -> [Look; 3] {
        let files = [
            Some(&self.certificate),
            Some(&self.key),
            self.client_ca.as_ref(),
        ];
        files.map(|path| {
            let about = std::fs::metadata(path?).ok()?;
            Some((about.modified().ok()?, about.len(), about.ino()))
        })
    }

    fn read(&self) -> Result<Loaded, CertificateError> {
        let Files {
            certificate, key, ..
        } = self;
        let chain = certificates(certificate)?;
        let end_point = chain.first().and_then(|first| end_point::digest_of(first));
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients = self.clients(&provider)?;
        let asked = clients.clone();
        let mut starttls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(asked.unwrap_or_else(WebPkiClientVerifier::no_client_auth))
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
            clients,
        })
    }

    /// Who judges certificates of clients: by this file, never by what the system trusts. A client
    /// may come without one; with one that is not good it is refused by an alert.
    fn clients(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, CertificateError> {
        let Some(path) = &self.client_ca else {
            return Ok(None);
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| failed(path, &error))?;
        }
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let verifier = builder.allow_unauthenticated().build();
        Ok(Some(verifier.map_err(|error| failed(path, &error))?))
    }
}

/// All certificates of a PEM file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| failed(path, &error))?;
    match certificates.is_empty() {
        false => Ok(certificates),
        true => Err(failed(path, &"it holds no certificate")),
    }
}

fn failed(path: &Path, reason: &dyn std::fmt::Display) -> CertificateError {
    CertificateError::Read {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// The self-signed certificate of this folder, made at the first start. Clients must be told to
/// trust it.
pub fn self_signed(
    folder: &Path,
    domain: &str,
    client_ca: Option<&Path>,
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
    Tls::read(&certificate, &key, client_ca, tickets)
}

#[cfg(test)]
mod tests {
    use pollux_domain::seams::Clock;
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd,
    };

    use super::*;
    use crate::system::SystemClock;

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
    }

    /// Of ann, good from 2000 to 2100.
    fn of_ann(authority: &CertifiedIssuer<'static, KeyPair>) -> Vec<CertificateDer<'static>> {
        let mut parameters = CertificateParams::default();
        let kind = vec![1, 3, 6, 1, 5, 5, 7, 8, 5];
        for text in ["ann@example.org", "no @ address"] {
            let name = SanType::OtherName((kind.clone(), text.into()));
            parameters.subject_alt_names.push(name);
        }
        parameters.not_before = date_time_ymd(2000, 1, 1);
        parameters.not_after = date_time_ymd(2100, 1, 1);
        let key = KeyPair::generate().unwrap();
        vec![
            parameters
                .signed_by(&key, &**authority)
                .unwrap()
                .der()
                .clone(),
        ]
    }

    /// A resumed session of TLS brings a certificate that nobody has looked at since.
    #[test]
    fn a_certificate_is_judged_when_it_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, others) = (authority(), authority());
        let client_ca = folder.path().join("clients.pem");
        std::fs::write(&client_ca, ours.pem()).unwrap();
        let tls = self_signed(folder.path(), "example.org", Some(&client_ca), None).unwrap();
        let now = SystemClock.wall();
        let (chain, loaded) = (of_ann(&ours), tls.loaded());
        let ann = BareJid::parse("ann@example.org").unwrap();
        assert_eq!(loaded.addresses(&chain, now), [ann]);
        assert_eq!(loaded.addresses(&chain, WallMs(0)), [], "before its time");
        let year_2101 = WallMs(4_133_980_800_000);
        assert_eq!(loaded.addresses(&chain, year_2101), [], "after its time");
        assert_eq!(loaded.addresses(&of_ann(&others), now), []);
        assert_eq!(loaded.addresses(&[], now), []);
        let unasked = self_signed(folder.path(), "example.org", None, None).unwrap();
        assert_eq!(unasked.loaded().addresses(&chain, now), []);
    }
}
