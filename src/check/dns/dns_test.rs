//! What is thought of records that lead here, elsewhere and nowhere.

use super::super::report::Verdict;
use super::*;

const OURS: &str = "192.0.2.1";
const ANOTHERS: &str = "192.0.2.2";

type Found<'a> = &'a [(&'a str, u16, &'a [&'a str])];

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn decided(service: &str, port: Option<u16>, found: Found<'_>, own: &[&str]) -> Finding {
    let here = Here {
        host: Some("castor.example.org".into()),
        shown: "castor.example.org".into(),
        port,
    };
    let found: Vec<(Service, Vec<IpAddr>)> = found
        .iter()
        .map(|(target, port, texts)| {
            let target = (*target).to_owned();
            let port = *port;
            (Service { target, port }, addresses(texts))
        })
        .collect();
    let is_ours = |address: IpAddr| address.to_string() == OURS;
    decide(
        service,
        "example.org",
        &here,
        &found,
        &addresses(own),
        is_ours,
    )
}

#[track_caller]
fn check(port: Option<u16>, found: Found<'_>, own: &[&str], expected: Verdict, part: &str) {
    let finding = decided(CLIENT, port, found, own);
    assert_eq!(finding.result, expected, "{finding:?}");
    assert!(finding.finding.contains(part), "{finding:?}");
}

#[test]
fn records_that_lead_here() {
    let port = Some(5_222);
    let by_name = ("castor.example.org", 5_222, &[ANOTHERS][..]);
    let by_address = ("im.example.org", 5_222, &[OURS][..]);
    let twin = ("pollux.example.org", 5_222, &[ANOTHERS][..]);
    for found in [
        &[by_name][..],
        &[by_address],
        &[twin, by_name],
        &[twin, by_address],
    ] {
        check(port, found, &[], Verdict::Passed, "leads to");
    }
    // A node that takes any free port is found at whichever it was given.
    check(Some(0), &[by_name], &[], Verdict::Passed, "leads to");
}

#[test]
fn records_that_do_not() {
    let port = Some(5_222);
    let twin = ("pollux.example.org", 5_222, &[ANOTHERS][..]);
    check(port, &[twin], &[], Verdict::Warned, "none of these");
    let elsewhere = ("castor.example.org", 5_269, &[OURS][..]);
    check(
        port,
        &[elsewhere],
        &[],
        Verdict::Warned,
        "listens at port 5222",
    );
    let lost = ("castor.example.org", 5_222, &[][..]);
    check(
        port,
        &[twin, lost],
        &[],
        Verdict::Failed,
        "castor.example.org has no address",
    );
    check(port, &[("", 0, &[])], &[], Verdict::Failed, "not offered");
    check(None, &[twin], &[], Verdict::Warned, "this port is off");
}

#[test]
fn no_record_at_all() {
    let port = Some(5_222);
    check(port, &[], &[OURS], Verdict::Passed, "which is here");
    check(
        port,
        &[],
        &[ANOTHERS],
        Verdict::Warned,
        "there is no _xmpp-client",
    );
    check(Some(5_322), &[], &[OURS], Verdict::Warned, "there is no");
    check(None, &[], &[], Verdict::Passed, "is needed");
    let finding = decided(DIRECT, Some(5_223), &[], &[OURS]);
    let advice = finding.advice.unwrap();
    assert!(
        advice
            .ends_with("_xmpps-client._tcp.example.org. 3600 IN SRV 0 5 5223 castor.example.org."),
        "{advice}"
    );
}
