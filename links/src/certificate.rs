//! What a certificate chain and its key say of themselves, before they are served: whom they name,
//! until when, who signed them, how strong they are. Not for what is to be thought of it: see the
//! program's `check`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use rustls::InconsistentKeys;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

/// Bits of an RSA key below which clients refuse it (RFC 9325 section 4.5).
const RSA_BITS_MIN: usize = 2_048;

/// Why a chain or a key cannot be looked at, in words for its reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    Chain(String),
    Key(String),
    /// The key is under a password, for which a node cannot ask.
    KeyEncrypted,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The names and addresses that the certificate is for.
    pub names: Vec<String>,
    /// Whether one of them covers the domain (RFC 6120 section 13.7.1.2).
    pub covers_domain: bool,
    /// Seconds since 1970 between which all of the chain is valid.
    pub valid: (i64, i64),
    pub signer: Signer,
    pub key_fits: bool,
    pub strength: Strength,
}

/// Who vouches for the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// Nobody but itself.
    Itself,
    /// An authority that is known here, through the chain.
    Known,
    /// The chain leads to nobody who is known here; whose signature is missing.
    Unknown(String),
    /// A certificate of the chain (from 1) was not signed by the next one.
    Broken(usize),
}

/// How hard the key and the signature on it are to forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strength {
    pub kind: &'static str,
    pub bits: usize,
    pub is_weak: bool,
    /// The signature is by MD5 or SHA-1.
    pub is_signed_weakly: bool,
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bits {
            0 => f.write_str(self.kind),
            bits => write!(f, "{} {bits}", self.kind),
        }
    }
}

/// Looks at a chain and a key in PEM. `known` are the authorities of this machine, also in PEM;
/// `now` is in seconds since 1970.
pub fn examine(
    chain: &[u8],
    key: &[u8],
    domain: &str,
    known: &[u8],
    now: u64,
) -> Result<Examined, Unreadable> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|error| Unreadable::Chain(error.to_string()))?;
    let secret = private_key(key)?;
    let parsed: Vec<X509Certificate<'_>> = chain
        .iter()
        .map(|one| X509Certificate::from_der(one).map(|(_, parsed)| parsed))
        .collect::<Result<_, _>>()
        .map_err(|error| Unreadable::Chain(error.to_string()))?;
    let own = parsed
        .first()
        .ok_or_else(|| Unreadable::Chain("it holds no certificate".to_owned()))?;
    let fits = CertifiedKey::from_der(chain.clone(), secret, &ring::default_provider());
    let key_fits = match fits {
        Ok(_) => true,
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => false,
        Err(error) => return Err(Unreadable::Key(error.to_string())),
    };
    Ok(Examined {
        names: names(own),
        covers_domain: covers(&chain[0], domain),
        valid: valid(&parsed),
        signer: signer(&chain, &parsed, known, now),
        key_fits,
        strength: strength(own),
    })
}

fn private_key(key: &[u8]) -> Result<PrivateKeyDer<'static>, Unreadable> {
    let text = String::from_utf8_lossy(key);
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(Unreadable::KeyEncrypted);
    }
    PrivateKeyDer::from_pem_slice(key).map_err(|error| Unreadable::Key(error.to_string()))
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(octets) => address(octets),
            _ => None,
        })
        .collect()
}

fn address(octets: &[u8]) -> Option<String> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).to_string());
    }
    let octets = <[u8; 16]>::try_from(octets).ok()?;
    Some(Ipv6Addr::from(octets).to_string())
}

fn covers(certificate: &CertificateDer<'_>, domain: &str) -> bool {
    let domain = domain.trim_matches(['[', ']']);
    let Ok(name) = ServerName::try_from(domain) else {
        return false;
    };
    let Ok(certificate) = EndEntityCert::try_from(certificate) else {
        return false;
    };
    certificate.verify_is_valid_for_subject_name(&name).is_ok()
}

/// Of the chain without an authority at its end, which clients have of their own.
fn valid(parsed: &[X509Certificate<'_>]) -> (i64, i64) {
    let last = parsed.len().saturating_sub(1);
    let sent = parsed
        .iter()
        .enumerate()
        .filter(|(index, one)| *index == 0 || *index < last || !is_own_signer(one));
    let mut valid = (i64::MIN, i64::MAX);
    for (_, one) in sent {
        let validity = one.validity();
        valid.0 = valid.0.max(validity.not_before.timestamp());
        valid.1 = valid.1.min(validity.not_after.timestamp());
    }
    valid
}

fn is_own_signer(certificate: &X509Certificate<'_>) -> bool {
    certificate.issuer() == certificate.subject()
}

fn signer(
    chain: &[CertificateDer<'_>],
    parsed: &[X509Certificate<'_>],
    known: &[u8],
    now: u64,
) -> Signer {
    if parsed.len() == 1 && is_own_signer(&parsed[0]) {
        return Signer::Itself;
    }
    for (index, pair) in parsed.windows(2).enumerate() {
        let signs = pair[0].issuer() == pair[1].subject()
            && pair[0].verify_signature(Some(pair[1].public_key())).is_ok();
        if !signs {
            return Signer::Broken(index + 1);
        }
    }
    let authorities: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(known)
        .filter_map(Result::ok)
        .collect();
    match is_known(chain, &authorities, now) {
        true => Signer::Known,
        false => Signer::Unknown(parsed[parsed.len() - 1].issuer().to_string()),
    }
}

/// Whether clients find the way from the certificate to one of these. Judged at a moment at which
/// the certificate is valid: an expired one is told as that.
fn is_known(chain: &[CertificateDer<'_>], authorities: &[CertificateDer<'_>], now: u64) -> bool {
    let anchors: Vec<_> = authorities
        .iter()
        .filter_map(|one| webpki::anchor_from_trusted_cert(one).ok())
        .collect();
    let Ok(certificate) = EndEntityCert::try_from(&chain[0]) else {
        return false;
    };
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    let path = certificate.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        &chain[1..],
        now,
        KeyUsage::server_auth(),
        None,
        None,
    );
    path.is_ok()
}

fn strength(certificate: &X509Certificate<'_>) -> Strength {
    let (kind, bits) = match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => ("RSA", key.key_size()),
        Ok(PublicKey::EC(key)) => ("ECDSA", key.key_size()),
        Ok(PublicKey::DSA(_)) => ("DSA", 0),
        _ => ("EdDSA", 0),
    };
    // RFC 8017: md5WithRSAEncryption and sha1WithRSAEncryption; RFC 5758: ecdsa-with-SHA1.
    let weak = [
        "1.2.840.113549.1.1.4",
        "1.2.840.113549.1.1.5",
        "1.2.840.10045.4.1",
    ];
    let signature = certificate.signature_algorithm.algorithm.to_id_string();
    Strength {
        kind,
        bits,
        is_weak: match kind {
            "RSA" => bits < RSA_BITS_MIN,
            kind => kind == "DSA",
        },
        is_signed_weakly: weak.contains(&signature.as_str()),
    }
}

#[cfg(test)]
#[path = "certificate_test.rs"]
mod tests;
