//! A self-signed ECDSA P-256 certificate for a server under test, in files and in DER. Trusted by
//! nobody else.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::CertificateDer;

use crate::client::{Tls, Trust};

#[derive(Debug, Clone)]
pub struct Certificate {
    pub certificate_path: PathBuf,
    pub key_path: PathBuf,
    pub der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes a certificate for `domain` and writes `cert.pem` and `key.pem` into `folder`.
    pub fn make(folder: &Path, domain: &str) -> anyhow::Result<Self> {
        let (certificate, key) = self_signed(domain).context("make a self-signed certificate")?;
        let certificate_path = folder.join("cert.pem");
        let key_path = folder.join("key.pem");
        fs::write(&certificate_path, certificate.pem()).context("write the certificate")?;
        fs::write(&key_path, key.serialize_pem()).context("write the key")?;
        Ok(Certificate {
            certificate_path,
            key_path,
            der: certificate.der().clone(),
        })
    }

    /// STARTTLS that believes this certificate only.
    pub fn tls(&self) -> anyhow::Result<Tls> {
        Tls::start_tls(Trust::Only(self.der.clone())).context("set up TLS")
    }
}

/// ejabberd sets a timer for the end of a certificate, and breaks on one that is two thousand years
/// away, as rcgen has it by default.
fn self_signed(domain: &str) -> Result<(rcgen::Certificate, KeyPair), rcgen::Error> {
    let mut parameters = CertificateParams::new([domain.to_owned()])?;
    parameters.not_after = date_time_ymd(2049, 12, 31);
    let key = KeyPair::generate()?;
    Ok((parameters.self_signed(&key)?, key))
}
