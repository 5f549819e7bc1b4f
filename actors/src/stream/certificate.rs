//! Certificates of the client port: read from PEM files, or made and kept in the data folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pollux_links::secret_file;
use pollux_links::tickets::SharedTickets;
use pollux_xmpp::sasl::Secret;
use ring::digest;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::signature_algorithm::SignatureAlgorithm;

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
    let end_point = chain.first().and_then(|certificate| end_point(certificate));
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

/// The digest of a certificate by the hash of its signature, SHA-256 where that is weaker. Not
/// defined where the signature has none of its own, as Ed25519.
fn end_point(certificate: &[u8]) -> Option<Secret> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let hash = match SignatureAlgorithm::try_from(&parsed.signature_algorithm).ok()? {
        SignatureAlgorithm::RSASSA_PSS(parameters) => {
            by_hash(&parameters.hash_algorithm_oid().to_id_string())
        }
        _ => by_signature(&parsed.signature_algorithm.algorithm.to_id_string()),
    };
    let digest = digest::digest(hash?, certificate);
    Some(Secret::new(digest.as_ref().to_vec()))
}

/// Signatures of RFC 3279, 4055 and 5758, by their names in numbers.
fn by_signature(algorithm: &str) -> Option<&'static digest::Algorithm> {
    match algorithm {
        // RSA with MD5, SHA-1 and SHA-256; ECDSA with SHA-1 and SHA-256.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Some(&digest::SHA256),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(&digest::SHA384),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(&digest::SHA512),
        _ => None,
    }
}

/// Hashes of RFC 4055 section 2.1.
fn by_hash(algorithm: &str) -> Option<&'static digest::Algorithm> {
    match algorithm {
        "1.3.14.3.2.26" | "2.16.840.1.101.3.4.2.1" => Some(&digest::SHA256),
        "2.16.840.1.101.3.4.2.2" => Some(&digest::SHA384),
        "2.16.840.1.101.3.4.2.3" => Some(&digest::SHA512),
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};

    use super::*;

    fn made(algorithm: &'static SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let parameters = CertificateParams::new(vec!["example.org".to_owned()]).unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_certificate_is_named_by_the_hash_of_its_signature() {
        for (algorithm, hash) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(&digest::SHA256)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(&digest::SHA384)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let certificate = made(algorithm);
            let expected = hash.map(|hash| digest::digest(hash, &certificate).as_ref().to_vec());
            assert_eq!(end_point(&certificate), expected.map(Secret::new));
        }
        assert_eq!(end_point(b"no certificate"), None);
    }
}
