//! What a node shows and proves on the port between nodes, whom it believes there, and the file of
//! it. Not for making it: see `authority`.

use std::fs;
use std::path::Path;

use base64::Engine;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::authority::{AuthorityError, fingerprint};
use crate::secret_file;

/// In the folder of the cluster. One file: certificate and key are never of two times.
const FILE: &str = "credentials.pem";

/// What a node shows and proves on the port between nodes.
#[derive(Debug)]
pub struct Credentials {
    pub certificate: CertificateDer<'static>,
    pub key: PrivatePkcs8KeyDer<'static>,
    /// It has signed the certificate.
    pub authority: CertificateDer<'static>,
    /// Another authority whose nodes are believed as well, while certificates are rotated.
    pub also: Option<CertificateDer<'static>>,
}

/// The same by fingerprints, which may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub certificate: [u8; 32],
    pub authority: [u8; 32],
    pub trusts: Vec<[u8; 32]>,
}

impl Credentials {
    /// Whoever one of these has signed is believed.
    pub fn trusted(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        [&self.authority].into_iter().chain(&self.also)
    }

    pub fn held(&self) -> Held {
        Held {
            certificate: fingerprint(&self.certificate),
            authority: fingerprint(&self.authority),
            trusts: self.trusted().map(|one| fingerprint(one)).collect(),
        }
    }

    /// Reads the file in the folder of the cluster.
    pub fn read(folder: &Path) -> Result<Credentials, AuthorityError> {
        let path = folder.join(FILE);
        let failed = |reason: String| AuthorityError::Read {
            path: path.display().to_string(),
            reason,
        };
        let text = fs::read(&path).map_err(|error| failed(error.to_string()))?;
        let certificates: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(&text).collect();
        let certificates = certificates.map_err(|error| failed(error.to_string()))?;
        let mut certificates = certificates.into_iter();
        let mut next = |what: &str| {
            let found = certificates.next();
            found.ok_or_else(|| failed(format!("it holds no certificate of {what}")))
        };
        let (certificate, authority) = (next("the node")?, next("the authority")?);
        let key = PrivatePkcs8KeyDer::from_pem_slice(&text);
        Ok(Credentials {
            certificate,
            key: key.map_err(|error| failed(error.to_string()))?,
            authority,
            also: certificates.next(),
        })
    }

    /// Writes the file: all of it, or nothing.
    pub fn write(&self, folder: &Path) -> Result<(), AuthorityError> {
        let path = folder.join(FILE);
        let mut text = armour("CERTIFICATE", &self.certificate);
        for one in self.trusted() {
            text.push_str(&armour("CERTIFICATE", one));
        }
        text.push_str(&armour("PRIVATE KEY", self.key.secret_pkcs8_der()));
        secret_file::write(&path, text.as_bytes()).map_err(|source| AuthorityError::Write {
            path: path.display().to_string(),
            source,
        })
    }
}

/// PEM (RFC 7468): base64 in lines of 64.
fn armour(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Authority, NodeKey};
    use pollux_domain::ids::{ClusterId, NodeId};

    const CLUSTER: ClusterId = ClusterId([0xab; 16]);

    #[test]
    fn credentials_survive_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let (authority, next) = (
            Authority::make(CLUSTER).unwrap(),
            Authority::make(CLUSTER).unwrap(),
        );
        let key = NodeKey::make().unwrap();
        let mut credentials = Credentials {
            certificate: authority.sign_key(NodeId(7), &key).unwrap(),
            key: key.private(),
            authority: authority.certificate().clone(),
            also: None,
        };
        for also in [None, Some(next.certificate().clone())] {
            credentials.also = also;
            credentials.write(folder.path()).unwrap();
            let back = Credentials::read(folder.path()).unwrap();
            assert_eq!(back.held(), credentials.held());
            assert_eq!(back.key, credentials.key);
        }
        assert_eq!(credentials.held().trusts.len(), 2);
    }

    #[test]
    fn a_file_that_is_cut_says_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert!(Credentials::read(folder.path()).is_err(), "there is none");
        let authority = Authority::make(CLUSTER).unwrap();
        let one = armour("CERTIFICATE", authority.certificate());
        for (text, lacks) in [
            ("", "of the node"),
            (one.as_str(), "of the authority"),
            (&format!("{one}{one}"), "no items found"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Credentials::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(lacks), "{error}");
        }
    }
}
