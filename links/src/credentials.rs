//! What a node shows and proves on the port between nodes, and its files. Not for making it: see
//! `authority`.

use std::path::Path;

use base64::Engine;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::authority::AuthorityError;
use crate::secret_file;

/// What a node shows and proves on the port between nodes.
#[derive(Debug)]
pub struct Credentials {
    pub certificate: CertificateDer<'static>,
    pub key: PrivatePkcs8KeyDer<'static>,
    pub authority: CertificateDer<'static>,
}

impl Credentials {
    /// Three files of a folder: `node.pem`, `node.key` and `authority.pem`.
    pub fn read(folder: &Path) -> Result<Credentials, AuthorityError> {
        Ok(Credentials {
            certificate: read_pem(&folder.join("node.pem"))?,
            key: read_pem(&folder.join("node.key"))?,
            authority: read_pem(&folder.join("authority.pem"))?,
        })
    }

    /// The key last: where it stands, the others stand too.
    pub fn write(&self, folder: &Path) -> Result<(), AuthorityError> {
        write_pem(folder, "authority.pem", "CERTIFICATE", &self.authority)?;
        write_pem(folder, "node.pem", "CERTIFICATE", &self.certificate)?;
        write_pem(
            folder,
            "node.key",
            "PRIVATE KEY",
            self.key.secret_pkcs8_der(),
        )
    }
}

pub(crate) fn read_pem<T: PemObject>(path: &Path) -> Result<T, AuthorityError> {
    T::from_pem_file(path).map_err(|error| AuthorityError::Read {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

pub(crate) fn write_pem(
    folder: &Path,
    name: &str,
    label: &str,
    der: &[u8],
) -> Result<(), AuthorityError> {
    let path = folder.join(name);
    secret_file::write(&path, armour(label, der).as_bytes()).map_err(|source| {
        AuthorityError::Write {
            path: path.display().to_string(),
            source,
        }
    })
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
    fn credentials_and_authority_survive_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let made = Authority::make(CLUSTER).unwrap();
        made.write(folder.path()).unwrap();
        let authority = Authority::read(folder.path(), CLUSTER).unwrap();
        let key = NodeKey::make().unwrap();
        let credentials = Credentials {
            certificate: authority.sign_key(NodeId(7), &key).unwrap(),
            key: key.private(),
            authority: authority.certificate().clone(),
        };
        credentials.write(folder.path()).unwrap();
        let back = Credentials::read(folder.path()).unwrap();
        assert_eq!(back.certificate, credentials.certificate);
        assert_eq!(back.authority, credentials.authority);
        assert_eq!(back.key, credentials.key);
    }
}
