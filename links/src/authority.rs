//! The cluster's own certificate authority, and the names of its nodes in their certificates. Not
//! for the client port: its certificates come from elsewhere.

use std::io;
use std::sync::Arc;

use pollux_domain::ids::{ClusterId, NodeId};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls::RootCertStore;
use rustls::pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer, ServerName,
};
use sha2::{Digest, Sha256};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("failed to make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("failed to read {path}: {reason}")]
    Read { path: String, reason: String },
    #[error("failed to write {path}: {source}")]
    Write { path: String, source: io::Error },
}

/// A key of a node's own: ECDSA on P-256. The private half never leaves the node.
#[derive(Debug)]
pub struct NodeKey(KeyPair);

impl NodeKey {
    pub fn make() -> Result<NodeKey, AuthorityError> {
        Ok(NodeKey(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?))
    }

    /// The request to sign its public half, which proves that the private one is held (PKCS #10,
    /// DER).
    pub fn request(&self) -> Result<Vec<u8>, AuthorityError> {
        let request = CertificateParams::default().serialize_request(&self.0)?;
        Ok(request.der().to_vec())
    }

    pub fn private(&self) -> PrivatePkcs8KeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.serialize_der())
    }
}

/// The authority of one cluster: whoever has its key can let nodes in.
#[derive(Debug)]
pub struct Authority {
    cluster: ClusterId,
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    /// A new one. Its certificate does not expire: nodes meet by who signed them, not by the hour.
    pub fn make(cluster: ClusterId) -> Result<Authority, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = parameters(cluster).self_signed(&key)?;
        Ok(Authority {
            cluster,
            certificate: certificate.der().clone(),
            key,
        })
    }

    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Signs the certificate of a node for the key in its request, whatever name the request says.
    pub fn sign_request(
        &self,
        node: NodeId,
        request: &[u8],
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        let request = CertificateSigningRequestDer::from(request);
        let request = CertificateSigningRequestParams::from_der(&request)?;
        self.sign(node, &request.public_key)
    }

    /// Signs the certificate of a node whose key is here.
    pub fn sign_key(
        &self,
        node: NodeId,
        key: &NodeKey,
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        self.sign(node, &key.0)
    }

    fn sign(
        &self,
        node: NodeId,
        public: &impl PublicKeyData,
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        let name = node_name(node, self.cluster);
        let mut params = CertificateParams::new(vec![name.clone()])?;
        params.distinguished_name = common_name(name);
        // Also for a machine that has lost the date: nodes meet by who signed them.
        params.not_before = rcgen::date_time_ymd(1970, 1, 1);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let issuer = Issuer::new(parameters(self.cluster), &self.key);
        Ok(params.signed_by(public, &issuer)?.der().clone())
    }

    // === where it is kept ===

    /// The key as PKCS #8, for another place that keeps it from strangers.
    pub fn private(&self) -> PrivatePkcs8KeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der())
    }

    pub fn from_parts(
        cluster: ClusterId,
        certificate: CertificateDer<'static>,
        key: &PrivatePkcs8KeyDer<'_>,
    ) -> Result<Authority, AuthorityError> {
        let key = KeyPair::from_pkcs8_der_and_sign_algo(key, &PKCS_ECDSA_P256_SHA256)?;
        Ok(Authority {
            cluster,
            certificate,
            key,
        })
    }
}

fn parameters(cluster: ClusterId) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(format!("{cluster}.{SUFFIX}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn common_name(name: String) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

// === names ===

const SUFFIX: &str = "pollux.internal";

/// A node's name in its certificate: `n7.0123…cdef.pollux.internal`.
pub fn node_name(node: NodeId, cluster: ClusterId) -> String {
    format!("n{node}.{cluster}.{SUFFIX}")
}

pub(crate) fn server_name(node: NodeId, cluster: ClusterId) -> ServerName<'static> {
    let name = node_name(node, cluster);
    ServerName::try_from(name).expect("digits and letters with dots are a DNS name")
}

/// Whom a certificate names. The signature is checked elsewhere.
pub fn name_of(certificate: &CertificateDer<'_>) -> Option<(NodeId, ClusterId)> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    parsed.valid_dns_names().find_map(parse_name)
}

fn parse_name(name: &str) -> Option<(NodeId, ClusterId)> {
    let rest = name.strip_suffix(SUFFIX)?.strip_suffix('.')?;
    let (node, cluster) = rest.strip_prefix('n')?.split_once('.')?;
    Some((NodeId(node.parse().ok()?), ClusterId::parse(cluster)?))
}

// === trust ===

/// What a token says of the authority.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

pub(crate) fn roots<'a>(
    authorities: impl Iterator<Item = &'a CertificateDer<'static>>,
) -> Result<Arc<RootCertStore>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    Ok(Arc::new(roots))
}

/// The authority with this fingerprint among those that came along.
pub(crate) fn pinned(
    chain: &[CertificateDer<'_>],
    pin: &[u8; 32],
) -> Result<Arc<RootCertStore>, rustls::Error> {
    let authority = chain
        .iter()
        .find(|certificate| fingerprint(certificate) == *pin);
    match authority {
        Some(authority) => roots([authority.clone().into_owned()].iter()),
        None => Err(rustls::CertificateError::UnknownIssuer.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: ClusterId = ClusterId([0xab; 16]);

    #[test]
    fn a_certificate_names_its_node_and_its_cluster() {
        let authority = Authority::make(CLUSTER).unwrap();
        let key = NodeKey::make().unwrap();
        let by_key = authority.sign_key(NodeId(7), &key).unwrap();
        assert_eq!(name_of(&by_key), Some((NodeId(7), CLUSTER)));
        let request = key.request().unwrap();
        let by_request = authority.sign_request(NodeId(65_535), &request).unwrap();
        assert_eq!(name_of(&by_request), Some((NodeId(65_535), CLUSTER)));
        assert_eq!(name_of(authority.certificate()), None);
    }

    #[test]
    fn a_damaged_request_is_not_signed() {
        let authority = Authority::make(CLUSTER).unwrap();
        let mut request = NodeKey::make().unwrap().request().unwrap();
        assert!(authority.sign_request(NodeId(7), &request[1..]).is_err());
        let last = request.len() - 1;
        request[last] ^= 1;
        assert!(authority.sign_request(NodeId(7), &request).is_err());
    }

    #[test]
    fn only_whole_names_are_names() {
        for wrong in [
            "",
            "n7",
            "n7.pollux.internal",
            "n70000.abababababababababababababababab.pollux.internal",
            "7.abababababababababababababababab.pollux.internal",
            "n7.abababababababababababababababab.pollux.internal.com",
            "n7.abababababababababababababababab.evilpollux.internal",
        ] {
            assert_eq!(parse_name(wrong), None, "{wrong}");
        }
    }
}
