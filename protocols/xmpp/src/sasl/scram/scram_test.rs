//! The exchanges of the RFCs, the refusals, and what an unknown name looks like.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pollux_domain::jid::BareJid;

use super::*;
use crate::sasl::{ChannelBinding, Mechanism, Offer, SaslCondition, Secret};

struct Vector {
    hash: ScramHash,
    client_nonce: &'static str,
    server_nonce: &'static str,
    salt: &'static str,
    client_final: &'static str,
    server_final: &'static str,
}

/// RFC 5802 section 5.
const RFC_5802: Vector = Vector {
    hash: ScramHash::Sha1,
    client_nonce: "fyko+d2lbbFgONRv9qkxdawL",
    server_nonce: "3rfcNHYJY1ZVvWVs7j",
    salt: "QSXCR+Q6sek8bf92",
    client_final: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,\
                   p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    server_final: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
};

/// RFC 7677 section 3.
const RFC_7677: Vector = Vector {
    hash: ScramHash::Sha256,
    client_nonce: "rOprNGfwEbeRWgbNEkqO",
    server_nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
    client_final: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                   p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    server_final: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};

fn user() -> BareJid {
    BareJid::parse("user@example.com").unwrap()
}

fn keys(hash: ScramHash) -> ScramKeys {
    ScramKeys::derive(hash, "pencil", b"saltsaltsaltsalt", 10).unwrap()
}

/// By a mechanism that does not bind, of a server that has nothing to bind to.
fn first(message: &str) -> Result<ClientFirst, SaslCondition> {
    parse(message, Mechanism::ScramSha1, &Offer::default())
}

fn parse(message: &str, mechanism: Mechanism, offer: &Offer) -> Result<ClientFirst, SaslCondition> {
    let first = ClientFirst::parse(message.as_bytes(), mechanism, offer);
    first.map_err(|failure| failure.condition)
}

#[test]
fn the_exchanges_of_the_rfcs() {
    for vector in [RFC_5802, RFC_7677] {
        let salt = STANDARD.decode(vector.salt).unwrap();
        let keys = ScramKeys::derive(vector.hash, "pencil", &salt, 4096).unwrap();
        let client =
            ScramClient::new(vector.hash, "user", "pencil", None, vector.client_nonce).unwrap();
        assert_eq!(
            client.first_message(),
            format!("n,,n=user,r={}", vector.client_nonce)
        );

        let first = first(&client.first_message()).unwrap();
        assert_eq!(first.username(), "user");
        let server_first = first.challenge(keys, &user(), vector.server_nonce).unwrap();
        assert_eq!(
            server_first.message(),
            format!(
                "r={}{},s={},i=4096",
                vector.client_nonce, vector.server_nonce, vector.salt
            )
        );

        let (client_final, expected) = client.answer(server_first.message().as_bytes()).unwrap();
        assert_eq!(client_final, vector.client_final);
        let server_final = server_first.verify(client_final.as_bytes()).unwrap();
        assert_eq!(server_final.message, vector.server_final);
        assert_eq!(expected.check(server_final.message.as_bytes()), Ok(()));
        assert!(expected.check(b"v=AAAA").is_err());
        assert!(expected.check(b"e=invalid-proof").is_err());
    }
}

/// The whole handshake with what each side believes.
fn handshake(
    password: &str,
    keys: ScramKeys,
    change: impl Fn(String) -> String,
) -> Result<(), SaslCondition> {
    let client = ScramClient::new(
        keys.hash(),
        "user",
        password,
        Some("user@example.com"),
        "cn",
    )
    .unwrap();
    let first = first(&client.first_message())?;
    let server_first = first.challenge(keys, &user(), "sn").unwrap();
    let (client_final, _) = client.answer(server_first.message().as_bytes()).unwrap();
    server_first
        .verify(change(client_final).as_bytes())
        .map(drop)
        .map_err(|failure| failure.condition)
}

#[test]
fn only_the_right_proof_passes() {
    for hash in [ScramHash::Sha1, ScramHash::Sha256, ScramHash::Sha512] {
        let unchanged = |text: String| text;
        let denied = Err(SaslCondition::NotAuthorized);
        let malformed = Err(SaslCondition::MalformedRequest);
        assert_eq!(handshake("pencil", keys(hash), unchanged), Ok(()));
        assert_eq!(handshake("Pencil", keys(hash), unchanged), denied);
        // SASLprep: a soft hyphen maps to nothing.
        assert_eq!(handshake("pen\u{AD}cil", keys(hash), unchanged), Ok(()));
        let fake = ScramKeys::fake(hash, &Secret::new(vec![7; 32]), "user", 10).unwrap();
        assert_eq!(handshake("pencil", fake, unchanged), denied);

        assert_eq!(
            handshake("pencil", keys(hash), |text| text
                .replace("r=cnsn", "r=cnsm")),
            denied
        );
        assert_eq!(
            handshake("pencil", keys(hash), |text| text.replace("c=", "c=biws")),
            denied
        );
        assert_eq!(
            handshake("pencil", keys(hash), |text| text.replace(",p=", ",x=y,p=")),
            denied
        );
        assert_eq!(
            handshake("pencil", keys(hash), |text| text.replace(",p=", ",m=y,p=")),
            malformed
        );
        assert_eq!(
            handshake("pencil", keys(hash), |text| text.replace(",p=", ",q=")),
            malformed
        );
        assert_eq!(
            handshake("pencil", keys(hash), |text| text + "="),
            malformed
        );
        assert_eq!(
            handshake("pencil", keys(hash), |_| "c=biws,r=cnsn,p=AAAA".to_owned()),
            denied
        );
        assert_eq!(
            handshake("pencil", keys(hash), |_| String::new()),
            malformed
        );
        assert_eq!(
            handshake("pencil", keys(hash), |text| text + &"A".repeat(9000)),
            malformed
        );
    }
}

#[test]
fn first_messages() {
    let username = |message| first(message).map(|first| first.username().to_owned());
    assert_eq!(username("n,,n=user,r=a"), Ok("user".to_owned()));
    assert_eq!(username("y,,n=user,r=a"), Ok("user".to_owned()));
    assert_eq!(
        username("n,a=b,n=x=2Cy=3Dz,r=a,x=1,y=2"),
        Ok("x,y=z".to_owned())
    );
    assert_eq!(username("n,,n=us\u{AD}er,r=a"), Ok("user".to_owned()));
    let long = format!("n,,n={},r=a", "a".repeat(1024));
    let long_nonce = format!("n,,n=a,r={}", "a".repeat(257));
    for message in [
        "",
        ",",
        ",,",
        "n",
        "n,,",
        "n,,n=user",
        "n,,r=a,n=user",
        "n,,n=,r=a",
        "n,,n=user,r=",
        "n,,n=a=b,r=a",
        "n,,n=a=2c,r=a",
        "n,,m=x,n=user,r=a",
        "n,,n=user,r=a,m=x",
        "n,,n=user,r=a b",
        "n,,n=user,r=a,",
        "n,,n=user,r=a,xy",
        "n,,n=user,r=a,x=",
        "n,b=c,n=user,r=a",
        "n,a=,n=user,r=a",
        "x,,n=user,r=a",
        "p=tls-unique,,n=user,r=a",
        "n,,n=us\0er,r=a",
        &long,
        &long_nonce,
    ] {
        assert_eq!(
            username(message),
            Err(SaslCondition::MalformedRequest),
            "{message:.60}"
        );
    }
    assert_eq!(
        username("n,,n=\u{7}x,r=a"),
        Err(SaslCondition::NotAuthorized)
    );
    assert_eq!(
        username("n,,n=\u{AD},r=a"),
        Err(SaslCondition::NotAuthorized)
    );
    let offer = Offer::default();
    assert!(ClientFirst::parse(b"n,,n=\xFF,r=a", Mechanism::ScramSha1, &offer).is_err());
}

/// What a server with TLS offers.
fn offer() -> Offer {
    Offer::of(vec![
        (ChannelBinding::TlsExporter, Secret::new(vec![1; 32])),
        (ChannelBinding::TlsServerEndPoint, Secret::new(vec![2; 32])),
    ])
}

#[test]
fn the_flag_and_the_mechanism_agree() {
    let malformed = Err(SaslCondition::MalformedRequest);
    let plain = Offer::of(Vec::new());
    for (flag, mechanism, offer, expected) in [
        ("n", Mechanism::ScramSha256, offer(), Ok(())),
        ("y", Mechanism::ScramSha256, plain.clone(), Ok(())),
        // Somebody has taken away what binds.
        (
            "y",
            Mechanism::ScramSha256,
            offer(),
            Err(SaslCondition::NotAuthorized),
        ),
        ("p=tls-exporter", Mechanism::ScramSha256, offer(), malformed),
        (
            "p=tls-exporter",
            Mechanism::ScramSha256Plus,
            offer(),
            Ok(()),
        ),
        (
            "p=tls-server-end-point",
            Mechanism::ScramSha1Plus,
            offer(),
            Ok(()),
        ),
        ("p=tls-unique", Mechanism::ScramSha1Plus, offer(), malformed),
        ("p=tls-exporter", Mechanism::ScramSha1Plus, plain, malformed),
        ("p=", Mechanism::ScramSha1Plus, offer(), malformed),
        ("n", Mechanism::ScramSha512Plus, offer(), malformed),
        ("y", Mechanism::ScramSha512Plus, offer(), malformed),
    ] {
        let first = parse(&format!("{flag},,n=user,r=a"), mechanism, &offer);
        assert_eq!(first.map(drop), expected, "{flag} with {mechanism}");
    }
}

/// A handshake that is bound to this channel, as the client believes, which has seen this offer.
fn bound_handshake(
    binding: ChannelBinding,
    data: Secret,
    seen: &Offer,
) -> Result<(), SaslCondition> {
    let mechanism = Mechanism::ScramSha256Plus;
    let client = ScramClient::new(mechanism.hash().unwrap(), "user", "pencil", None, "cn").unwrap();
    let client = client.bound_to(binding, data).having_seen(seen);
    let first = parse(&client.first_message(), mechanism, &offer())?;
    let server_first = first
        .challenge(keys(mechanism.hash().unwrap()), &user(), "sn")
        .unwrap();
    let answered = client.answer(server_first.message().as_bytes());
    let (client_final, expected) = answered.map_err(|failure| failure.condition)?;
    let last = server_first.verify(client_final.as_bytes());
    let last = last.map_err(|failure| failure.condition)?;
    expected
        .check(last.message.as_bytes())
        .map_err(|failure| failure.condition)
}

#[test]
fn who_stands_between_two_channels_is_noticed() {
    let denied = Err(SaslCondition::NotAuthorized);
    for (binding, data) in offer().bindings {
        assert_eq!(bound_handshake(binding, data.clone(), &offer()), Ok(()));
        let other = Secret::new(vec![9; 32]);
        assert_eq!(bound_handshake(binding, other, &offer()), denied);
        let mut stripped = offer();
        stripped.mechanisms.pop();
        assert_eq!(bound_handshake(binding, data, &stripped), denied);
    }
    let (first, second) = (
        ChannelBinding::TlsExporter,
        ChannelBinding::TlsServerEndPoint,
    );
    let of_other = offer().binding(second).cloned().unwrap();
    assert_eq!(bound_handshake(first, of_other, &offer()), denied);
}

#[test]
fn nobody_acts_as_another() {
    let challenge = |authzid: &str, nonce| {
        let first = first(&format!("n,{authzid},n=user,r=a")).unwrap();
        first
            .challenge(keys(ScramHash::Sha1), &user(), nonce)
            .map(drop)
            .map_err(|failure| failure.condition)
    };
    assert_eq!(challenge("", "b"), Ok(()));
    assert_eq!(challenge("a=user@example.com", "b"), Ok(()));
    assert_eq!(challenge("a=User@Example.com", "b"), Ok(()));
    for other in [
        "a=admin@example.com",
        "a=user",
        "a=user@example.com/x",
        "a=@",
    ] {
        assert_eq!(
            challenge(other, "b"),
            Err(SaslCondition::InvalidAuthzid),
            "{other}"
        );
    }
    assert_eq!(
        challenge("", "b,c"),
        Err(SaslCondition::TemporaryAuthFailure)
    );
    assert_eq!(challenge("", ""), Err(SaslCondition::TemporaryAuthFailure));
}

#[test]
fn an_unknown_name_looks_like_a_known_one() {
    let secret = Secret::new(vec![1; 32]);
    let challenge = |name: &str, secret: &Secret| {
        let keys = ScramKeys::fake(ScramHash::Sha256, secret, name, ITERATIONS_DEFAULT).unwrap();
        let first = first("n,,n=user,r=a").unwrap();
        first
            .challenge(keys, &user(), "b")
            .unwrap()
            .message()
            .to_owned()
    };
    assert_eq!(challenge("nobody", &secret), challenge("nobody", &secret));
    assert_ne!(challenge("nobody", &secret), challenge("no-one", &secret));
    assert_ne!(
        challenge("nobody", &secret),
        challenge("nobody", &Secret::new(vec![2; 32]))
    );
    let known = ScramKeys::derive(
        ScramHash::Sha256,
        "pencil",
        &[9; SALT_BYTES],
        ITERATIONS_DEFAULT,
    )
    .unwrap();
    let real = first("n,,n=user,r=a")
        .unwrap()
        .challenge(known, &user(), "b")
        .unwrap();
    assert_eq!(real.message().len(), challenge("nobody", &secret).len());
}

#[test]
fn keys_are_stored_and_hidden() {
    let keys = keys(ScramHash::Sha256);
    let stored = serde_json::to_string(&keys).unwrap();
    assert_eq!(serde_json::from_str::<ScramKeys>(&stored).unwrap(), keys);
    assert!(serde_json::from_str::<ScramKeys>(&stored.replace("Sha256", "Sha1")).is_err());
    assert!(serde_json::from_str::<ScramKeys>(&stored.replace(":10,", ":0,")).is_err());
    let shown = format!("{keys:?}");
    assert!(
        shown.contains("stored_key: Secret, server_key: Secret"),
        "{shown}"
    );
    let client = ScramClient::new(ScramHash::Sha1, "user", "pencil", None, "a").unwrap();
    assert!(!format!("{client:?}").contains("pencil"));
}

#[test]
fn not_every_string_is_a_password() {
    for (password, salt, iterations, expected) in [
        ("", &b"s"[..], 1, DeriveError::Password),
        ("\u{AD}", b"s", 1, DeriveError::Password),
        ("\u{7}", b"s", 1, DeriveError::Password),
        ("x", b"", 1, DeriveError::Salt),
        ("x", &[0; 129], 1, DeriveError::Salt),
        ("x", b"s", 0, DeriveError::Iterations),
        ("x", b"s", u32::MAX, DeriveError::Iterations),
    ] {
        assert_eq!(
            ScramKeys::derive(ScramHash::Sha1, password, salt, iterations),
            Err(expected)
        );
    }
    let long = "x".repeat(1025);
    assert_eq!(
        ScramKeys::derive(ScramHash::Sha1, &long, b"s", 1),
        Err(DeriveError::Password)
    );
}
