//! What is an address and what is not (RFC 7622 section 3.5), and that preparation is final.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{BareJid, Jid, JidError};

/// The parts that an accepted input must have.
fn check(input: &str, local: Option<&str>, domain: &str, resource: Option<&str>) {
    let jid = Jid::parse(input).unwrap_or_else(|error| panic!("{input:?}: {error}"));
    assert_eq!(
        (jid.local(), jid.domain(), jid.resource()),
        (local, domain, resource),
        "{input:?}"
    );
    assert_eq!(
        Jid::parse(jid.as_str()),
        Ok(jid.clone()),
        "{input:?} is not stable"
    );
}

fn refuse(input: &str, expected: JidError) {
    assert_eq!(Jid::parse(input), Err(expected), "{input:?}");
}

#[test]
fn table_1_of_rfc_7622() {
    check("juliet@example.com", Some("juliet"), "example.com", None);
    check(
        "juliet@example.com/foo",
        Some("juliet"),
        "example.com",
        Some("foo"),
    );
    check(
        "juliet@example.com/foo bar",
        Some("juliet"),
        "example.com",
        Some("foo bar"),
    );
    check(
        "juliet@example.com/foo@bar",
        Some("juliet"),
        "example.com",
        Some("foo@bar"),
    );
    check(
        "foo\\20bar@example.com",
        Some("foo\\20bar"),
        "example.com",
        None,
    );
    check(
        "fussball@example.com",
        Some("fussball"),
        "example.com",
        None,
    );
    check(
        "fu\u{DF}ball@example.com",
        Some("fu\u{DF}ball"),
        "example.com",
        None,
    );
    check("\u{3C0}@example.com", Some("\u{3C0}"), "example.com", None);
    check(
        "\u{3A3}@example.com/foo",
        Some("\u{3C3}"),
        "example.com",
        Some("foo"),
    );
    check(
        "\u{3C3}@example.com/foo",
        Some("\u{3C3}"),
        "example.com",
        Some("foo"),
    );
    check(
        "\u{3C2}@example.com/foo",
        Some("\u{3C2}"),
        "example.com",
        Some("foo"),
    );
    check(
        "king@example.com/\u{265A}",
        Some("king"),
        "example.com",
        Some("\u{265A}"),
    );
    check("example.com", None, "example.com", None);
    check("example.com/foobar", None, "example.com", Some("foobar"));
    check(
        "a.example.com/b@example.net",
        None,
        "a.example.com",
        Some("b@example.net"),
    );
}

#[test]
fn table_2_of_rfc_7622() {
    refuse("\"juliet\"@example.com", JidError::LocalForbidden);
    refuse("foo bar@example.com", JidError::LocalForbidden);
    refuse("juliet@example.com/ foo", JidError::ResourceForbidden);
    refuse("@example.com/", JidError::LocalEmpty);
    refuse("henry\u{2163}@example.com", JidError::LocalForbidden);
    refuse("\u{265A}@example.com", JidError::LocalForbidden);
    refuse("juliet@", JidError::DomainEmpty);
    refuse("/foobar", JidError::DomainEmpty);
}

#[test]
fn localparts_are_case_mapped_and_width_mapped() {
    check(
        "Juliet@Example.COM/Balcony",
        Some("juliet"),
        "example.com",
        Some("Balcony"),
    );
    check(
        "\u{FF2A}uliet@example.com",
        Some("juliet"),
        "example.com",
        None,
    );
    check("e\u{301}@example.com", Some("\u{E9}"), "example.com", None);
    refuse("a\u{FF20}b@example.com", JidError::LocalForbidden);
    for forbidden in ["a\"", "a&", "a'", "a:", "a<", "a>", "a\u{7F}", "a\t", "a\0"] {
        refuse(
            &format!("{forbidden}@example.com"),
            JidError::LocalForbidden,
        );
    }
    check("a/b@example.com", None, "a", Some("b@example.com"));
}

#[test]
fn domains_are_names_or_addresses() {
    check("a@example.com.", Some("a"), "example.com", None);
    check("a@127.0.0.1", Some("a"), "127.0.0.1", None);
    check("a@[2001:DB8::1]/r", Some("a"), "[2001:db8::1]", Some("r"));
    check("a@localhost", Some("a"), "localhost", None);
    check(
        "a@B\u{FC}cher.example",
        Some("a"),
        "b\u{FC}cher.example",
        None,
    );
    check(
        "a@xn--bcher-kva.example",
        Some("a"),
        "b\u{FC}cher.example",
        None,
    );
    check(
        "a@XN--BCHER-KVA.example",
        Some("a"),
        "b\u{FC}cher.example",
        None,
    );
    check(
        "a@xn--fuball-cta.example",
        Some("a"),
        "fu\u{DF}ball.example",
        None,
    );
    check(
        "a@\u{4F8B}\u{3002}\u{30C6}\u{30B9}\u{30C8}",
        Some("a"),
        "\u{4F8B}.\u{30C6}\u{30B9}\u{30C8}",
        None,
    );
    for wrong in [
        "a..b",
        ".a",
        "a..",
        "-a.b",
        "a-.b",
        "a b",
        "a_b",
        "a:5222",
        "[::1",
        "[1]",
        "xn--",
        "xn--a",
        "xn--99999999",
    ] {
        refuse(wrong, JidError::DomainForbidden);
    }
    refuse("a@b@c", JidError::DomainForbidden);
    refuse(".", JidError::DomainEmpty);
    refuse(
        &format!("{}.com", "a".repeat(64)),
        JidError::DomainForbidden,
    );
}

#[test]
fn each_part_has_at_most_1023_octets() {
    let longest = "a".repeat(1023);
    check(
        &format!("{longest}@b/{longest}"),
        Some(&longest),
        "b",
        Some(&longest),
    );
    refuse(&format!("{longest}a@b"), JidError::LocalTooLong);
    refuse(&format!("a@b/{longest}a"), JidError::ResourceTooLong);
    refuse(&"ab.".repeat(342), JidError::DomainTooLong);
    refuse(
        &format!("a@b/{}", "\u{E9}".repeat(512)),
        JidError::ResourceTooLong,
    );
    refuse(&"a".repeat(100_000), JidError::DomainTooLong);
}

#[test]
fn resources_are_opaque() {
    check("a@b/Foo/Bar@Baz", Some("a"), "b", Some("Foo/Bar@Baz"));
    check("a@b/x\u{A0}y", Some("a"), "b", Some("x y"));
    refuse("a@b/", JidError::ResourceEmpty);
    refuse("a@b/x\ny", JidError::ResourceForbidden);
}

#[test]
fn bare_and_full() {
    let full = Jid::parse("juliet@example.com/balcony").unwrap();
    let bare = full.to_bare();
    assert_eq!(bare.as_str(), "juliet@example.com");
    assert_eq!(
        (bare.local(), bare.domain()),
        (Some("juliet"), "example.com")
    );
    assert_eq!(bare.with_resource("balcony"), Ok(full.clone()));
    assert_eq!(
        full.with_resource("garden").unwrap().as_str(),
        "juliet@example.com/garden"
    );
    assert_eq!(bare.to_jid().to_bare(), bare);
    assert!(full.is_full() && bare.to_jid().is_bare());
    assert_eq!(
        BareJid::parse("juliet@example.com/balcony"),
        Err(JidError::NotBare)
    );
    assert_eq!(
        HashMap::from([(bare, 1)]).get("juliet@example.com"),
        Some(&1)
    );
}

#[test]
fn is_a_string_in_serde() {
    let text = "\"juliet@example.com/balcony\"";
    let jid: Jid = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&jid).unwrap(), text);
    assert!(serde_json::from_str::<Jid>("\"a b@c\"").is_err());
    assert!(serde_json::from_str::<BareJid>(text).is_err());
}

proptest! {
    #[test]
    fn whatever_is_accepted_is_stable(input in "\\PC{0,12}(@\\PC{1,12})?(/\\PC{1,12})?") {
        if let Ok(jid) = Jid::parse(&input) {
            prop_assert_eq!(Jid::parse(jid.as_str()), Ok(jid.clone()));
            prop_assert_eq!(Jid::from_parts(jid.local(), jid.domain(), jid.resource()), Ok(jid));
        }
    }

    #[test]
    fn no_input_panics(input in any::<String>(), label in "xn--[a-z0-9-]{0,20}") {
        let _ = Jid::parse(&input);
        if let Ok(jid) = Jid::parse(&label) {
            prop_assert_eq!(Jid::parse(jid.as_str()), Ok(jid.clone()));
        }
    }
}
