//! The addresses of XMPP that a certificate names (RFC 6120 section 13.7.1.4). Not for whether it
//! is to be believed: see `security`, and whoever takes clients.

use x509_parser::asn1_rs::{Any, FromDer, Utf8String};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

/// `id-on-xmppAddr`
const XMPP_ADDRESS: &str = "1.3.6.1.5.5.7.8.5";

/// Each `xmppAddr` among its alternative names, as it is written. None in what is no certificate.
pub fn all_of(certificate: &[u8]) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(names)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    let names = names.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::OtherName(kind, value) if kind.to_id_string() == XMPP_ADDRESS => {
                address(value)
            }
            _ => None,
        })
        .collect()
}

/// `[0] EXPLICIT UTF8String`
fn address(value: &[u8]) -> Option<String> {
    let (_, tagged) = Any::from_der(value).ok()?;
    let (_, text) = Utf8String::from_der(tagged.data).ok()?;
    Some(text.string())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn made(names: Vec<SanType>) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["example.org".to_owned()]).unwrap();
        parameters.subject_alt_names.extend(names);
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_addresses_of_a_certificate_and_nothing_else() {
        let other = |kind: Vec<u64>, text: &str| SanType::OtherName((kind, text.into()));
        let address = |text: &str| other(vec![1, 3, 6, 1, 5, 5, 7, 8, 5], text);
        let mail = SanType::Rfc822Name("mail@example.org".try_into().unwrap());
        let service = other(vec![1, 3, 6, 1, 5, 5, 7, 8, 7], "_xmpp.example.org");
        let certificate = made(vec![
            address("ann@example.org"),
            mail.clone(),
            service,
            address("ben@exämple.org"),
        ]);
        let named = all_of(&certificate);
        assert_eq!(named, ["ann@example.org", "ben@exämple.org"]);
        assert!(all_of(&made(vec![mail])).is_empty());
        assert!(all_of(b"no certificate").is_empty());
        for end in 0..certificate.len() {
            all_of(&certificate[..end]);
        }
    }
}
