//! The end of a connection, as its certificate names it: what an authentication may be bound to
//! (RFC 5929 section 4.1). Not for the connection itself: see `tls`.

use ring::digest;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::signature_algorithm::SignatureAlgorithm;

/// The digest of a certificate by the hash of its signature, SHA-256 where that is weaker. Not
/// defined where the signature has none of its own, as Ed25519.
pub fn digest_of(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let hash = match SignatureAlgorithm::try_from(&parsed.signature_algorithm).ok()? {
        SignatureAlgorithm::RSASSA_PSS(parameters) => {
            by_hash(&parameters.hash_algorithm_oid().to_id_string())
        }
        _ => by_signature(&parsed.signature_algorithm.algorithm.to_id_string()),
    };
    let digest = digest::digest(hash?, certificate);
    Some(digest.as_ref().to_vec())
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
            assert_eq!(digest_of(&certificate), expected);
        }
        assert_eq!(digest_of(b"no certificate"), None);
    }
}
