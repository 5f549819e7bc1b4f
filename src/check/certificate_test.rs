//! What is thought of a certificate that says this or that.

use super::super::report::Verdict;
use super::*;
use pollux_links::certificate::Strength;

const NOW: i64 = 1_800_000_000;

fn good() -> Examined {
    Examined {
        names: vec!["example.org".into()],
        covers_domain: true,
        valid: (NOW - DAY, NOW + 60 * DAY),
        signer: Signer::Known,
        key_fits: true,
        strength: Strength {
            kind: "RSA",
            bits: 2_048,
            is_weak: false,
            is_signed_weakly: false,
        },
    }
}

/// All findings but one pass, and that one says this.
#[track_caller]
fn check(examined: &Examined, expected: Verdict, part: &str) {
    let domain = Domain::new("example.org").unwrap();
    let findings = judge(examined, &domain, NOW, 14);
    let wrong: Vec<&Finding> = findings
        .iter()
        .filter(|one| one.result != Verdict::Passed)
        .collect();
    let [wrong] = wrong.as_slice() else {
        panic!("{findings:#?}");
    };
    assert_eq!(wrong.result, expected, "{wrong:?}");
    assert!(wrong.finding.contains(part), "{wrong:?}");
    assert!(wrong.advice.is_some());
}

#[test]
fn nothing_is_wrong_with_a_good_one() {
    let domain = Domain::new("example.org").unwrap();
    let findings = judge(&good(), &domain, NOW, 14);
    assert!(
        findings.iter().all(|one| one.result == Verdict::Passed),
        "{findings:#?}"
    );
}

#[test]
fn each_mistake_is_told() {
    let own = good();
    let key_fits = false;
    check(
        &Examined { key_fits, ..own },
        Verdict::Failed,
        "not the certificate's",
    );

    let names = vec!["mail.example.org".into()];
    let (own, covers_domain) = (good(), false);
    let other = Examined {
        names,
        covers_domain,
        ..own
    };
    check(
        &other,
        Verdict::Failed,
        "mail.example.org, not for example.org",
    );

    let strength = Strength {
        bits: 1_024,
        is_weak: true,
        ..good().strength
    };
    let own = good();
    check(&Examined { strength, ..own }, Verdict::Failed, "RSA 1024");
    let strength = Strength {
        is_signed_weakly: true,
        ..good().strength
    };
    let own = good();
    check(&Examined { strength, ..own }, Verdict::Failed, "SHA-1");

    for (signer, expected, part) in [
        (Signer::Itself, Verdict::Warned, "self-signed"),
        (Signer::Unknown("CN=R11".into()), Verdict::Warned, "CN=R11"),
        (Signer::Broken(2), Verdict::Failed, "certificate 2"),
    ] {
        let own = good();
        check(&Examined { signer, ..own }, expected, part);
    }
    for (valid, expected, part) in [
        ((0, NOW - 3 * DAY), Verdict::Failed, "expired 3 days ago"),
        ((0, NOW), Verdict::Failed, "expired 0 days ago"),
        ((0, NOW + 13 * DAY), Verdict::Warned, "expires in 13 days"),
        (
            (NOW + 2 * DAY, NOW + 90 * DAY),
            Verdict::Failed,
            "not valid",
        ),
    ] {
        let own = good();
        check(&Examined { valid, ..own }, expected, part);
    }
}

#[test]
fn a_key_is_for_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    fs::write(&key, "").unwrap();
    for (mode, expected) in [
        (0o600, Verdict::Passed),
        (0o400, Verdict::Passed),
        (0o640, Verdict::Warned),
        (0o644, Verdict::Failed),
        (0o604, Verdict::Failed),
    ] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(permissions(&key).result, expected, "{mode:o}");
    }
    let gone = folder.path().join("none");
    assert_eq!(permissions(&gone).result, Verdict::Failed);
}
