//! Certificates as authorities make them, and as they go wrong.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};

use super::*;

const NOW: u64 = 1_800_000_000;

struct Made {
    pem: String,
    key: KeyPair,
    parameters: CertificateParams,
}

fn parameters(name: &str, alternative: &[&str]) -> CertificateParams {
    let names: Vec<String> = alternative.iter().map(|one| (*one).to_owned()).collect();
    let mut parameters = CertificateParams::new(names).unwrap();
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    parameters.distinguished_name = distinguished;
    parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2028, 1, 1);
    parameters
}

fn authority(name: &str, by: Option<&Made>) -> Made {
    let mut parameters = parameters(name, &[]);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    made(parameters, by)
}

fn made(parameters: CertificateParams, by: Option<&Made>) -> Made {
    let key = KeyPair::generate().unwrap();
    let certificate = match by {
        Some(by) => {
            let issuer = Issuer::from_params(&by.parameters, &by.key);
            parameters.signed_by(&key, &issuer).unwrap()
        }
        None => parameters.self_signed(&key).unwrap(),
    };
    Made {
        pem: certificate.pem(),
        key,
        parameters,
    }
}

#[track_caller]
fn looked_at(chain: &[&Made], known: &str) -> Examined {
    let text: String = chain.iter().map(|one| one.pem.as_str()).collect();
    let key = chain[0].key.serialize_pem();
    let examined = examine(
        text.as_bytes(),
        key.as_bytes(),
        "example.org",
        known.as_bytes(),
        NOW,
    );
    examined.unwrap()
}

#[test]
fn a_chain_to_a_known_authority() {
    let root = authority("Root", None);
    let middle = authority("Middle", Some(&root));
    let own = made(
        parameters("own", &["example.org", "192.0.2.1"]),
        Some(&middle),
    );
    let examined = looked_at(&[&own, &middle], &root.pem);
    assert_eq!(examined.signer, Signer::Known);
    assert_eq!(examined.names, ["example.org", "192.0.2.1"]);
    assert!(examined.covers_domain && examined.key_fits);
    assert!(!examined.strength.is_weak && !examined.strength.is_signed_weakly);
    assert_eq!(examined.strength.to_string(), "ECDSA 256");
    assert_eq!(examined.valid, (1_767_225_600, 1_830_297_600));
    // The authority itself may stand at the end.
    let examined = looked_at(&[&own, &middle, &root], &root.pem);
    assert_eq!(examined.signer, Signer::Known);
}

#[test]
fn a_chain_that_leads_nowhere() {
    let root = authority("Root", None);
    let middle = authority("Middle", Some(&root));
    let own = made(parameters("own", &["example.org"]), Some(&middle));
    let alone = looked_at(&[&own], &root.pem).signer;
    assert_eq!(alone, Signer::Unknown("CN=Middle".to_owned()));
    let unknown = looked_at(&[&own, &middle], "").signer;
    assert_eq!(unknown, Signer::Unknown("CN=Root".to_owned()));
    let other = authority("Middle", None);
    assert_eq!(
        looked_at(&[&own, &other], &root.pem).signer,
        Signer::Broken(1)
    );
    let disordered = looked_at(&[&own, &root, &middle], &root.pem).signer;
    assert_eq!(disordered, Signer::Broken(1));
    let itself = made(parameters("own", &["example.org"]), None);
    assert_eq!(looked_at(&[&itself], &root.pem).signer, Signer::Itself);
}

#[test]
fn names_that_cover_the_domain_and_names_that_do_not() {
    for (names, expected) in [
        (&["example.org"][..], true),
        (&["mail.example.org", "EXAMPLE.org"], true),
        (&["*.example.org"], false),
        (&["*.org"], false),
        (&["example.com"], false),
        (&[], false),
    ] {
        let own = made(parameters("example.org", names), None);
        assert_eq!(looked_at(&[&own], "").covers_domain, expected, "{names:?}");
    }
    let own = made(parameters("own", &["2001:db8::1"]), None);
    let (pem, key) = (own.pem.as_bytes(), own.key.serialize_pem());
    let examined = examine(pem, key.as_bytes(), "[2001:db8::1]", b"", NOW);
    assert!(examined.unwrap().covers_domain);
}

#[test]
fn the_shortest_of_the_chain_counts() {
    let root = authority("Root", None);
    let mut short = parameters("Middle", &[]);
    short.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    short.not_after = rcgen::date_time_ymd(2027, 1, 1);
    let middle = made(short, Some(&root));
    let own = made(parameters("own", &["example.org"]), Some(&middle));
    assert_eq!(
        looked_at(&[&own, &middle], &root.pem).valid.1,
        1_798_761_600
    );
}

#[test]
fn a_key_that_is_not_the_certificates() {
    let own = made(parameters("own", &["example.org"]), None);
    let other = KeyPair::generate().unwrap().serialize_pem();
    let examined = examine(
        own.pem.as_bytes(),
        other.as_bytes(),
        "example.org",
        b"",
        NOW,
    );
    assert!(!examined.unwrap().key_fits);
}

#[test]
fn what_is_neither_certificate_nor_key() {
    let own = made(parameters("own", &["example.org"]), None);
    let key = own.key.serialize_pem();
    let look = |chain: &str, key: &str| {
        examine(chain.as_bytes(), key.as_bytes(), "example.org", b"", NOW).unwrap_err()
    };
    for chain in ["", "nothing", &key] {
        let wrong = Unreadable::Chain("it holds no certificate".to_owned());
        assert_eq!(look(chain, &key), wrong);
    }
    let cut = &own.pem[..own.pem.len() / 2];
    assert!(matches!(look(cut, &key), Unreadable::Chain(_)));
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(look(garbage, &key), Unreadable::Chain(_)));
    for key in ["", &own.pem] {
        assert!(matches!(look(&own.pem, key), Unreadable::Key(_)));
    }
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    assert_eq!(look(&own.pem, &encrypted), Unreadable::KeyEncrypted);
}
