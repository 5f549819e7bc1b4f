//! The tables of RFC 6121 appendix A, row by row, and of section 3.4 for approval in advance: RFC
//! 6121 sections A.2.1, A.2.2, A.2.3 and A.2.4 of what a user says, RFC 6121 sections A.3.1, A.3.2,
//! A.3.3 and A.3.4 of what it is told.

use super::SubscriptionRequest::*;
use super::*;

/// A state by the name that appendix A.1 gives it, less "Pending".
fn state(name: &str) -> (Relation, bool) {
    let (to, from) = match name.split_whitespace().next().unwrap_or_default() {
        "To" => (true, false),
        "From" => (false, true),
        "Both" => (true, true),
        _ => (false, false),
    };
    let relation = Relation {
        to,
        from,
        pending_out: name.contains("Out"),
        approved: name.contains("Approved"),
    };
    (relation, name.contains("In"))
}

/// Existing state, whether the stanza is passed on (outbound) or shown (inbound), new state.
type Row = (&'static str, bool, &'static str);

/// All nine states of appendix A.1, each once.
fn check_is_complete(table: &[Row]) {
    let named: Vec<&str> = table.iter().map(|(before, ..)| *before).collect();
    let all = [
        "None",
        "None Out",
        "None In",
        "None Out In",
        "To",
        "To In",
        "From",
        "From Out",
        "Both",
    ];
    assert_eq!(named, all);
}

#[track_caller]
fn check(stanza: SubscriptionRequest, rows: &[Row], step: impl Fn(Relation, bool) -> Change) {
    for (before, pass, after) in rows {
        let (relation, pending_in) = state(before);
        let change = step(relation, pending_in);
        let got = (change.relation, change.pending_in, change.pass);
        let (relation, pending_in) = state(after);
        assert_eq!(got, (relation, pending_in, *pass), "{stanza:?} in {before}");
    }
}

#[track_caller]
fn check_outbound(stanza: SubscriptionRequest, rows: &[Row]) {
    check(stanza, rows, |relation, pending_in| {
        outbound(relation, pending_in, stanza)
    });
}

#[track_caller]
fn check_inbound(stanza: SubscriptionRequest, rows: &[Row]) {
    check(stanza, rows, |relation, pending_in| {
        inbound(relation, pending_in, stanza, false).change
    });
}

/// What the server answers in the user's name, in the order of the rows.
fn answers(
    stanza: SubscriptionRequest,
    rows: &[Row],
    authorises: bool,
) -> Vec<Option<SubscriptionRequest>> {
    let answers = rows.iter().map(|(before, ..)| {
        let (relation, pending_in) = state(before);
        inbound(relation, pending_in, stanza, authorises).answer
    });
    answers.collect()
}

#[test]
fn table_2_outbound_subscribe() {
    let table = [
        ("None", true, "None Out"),
        ("None Out", true, "None Out"),
        ("None In", true, "None Out In"),
        ("None Out In", true, "None Out In"),
        ("To", true, "To"),
        ("To In", true, "To In"),
        ("From", true, "From Out"),
        ("From Out", true, "From Out"),
        ("Both", true, "Both"),
    ];
    check_is_complete(&table);
    check_outbound(Subscribe, &table);
}

#[test]
fn table_3_outbound_unsubscribe() {
    let table = [
        ("None", true, "None"),
        ("None Out", true, "None"),
        ("None In", true, "None In"),
        ("None Out In", true, "None In"),
        ("To", true, "None"),
        ("To In", true, "None In"),
        ("From", true, "From"),
        ("From Out", true, "From"),
        ("Both", true, "From"),
    ];
    check_is_complete(&table);
    check_outbound(Unsubscribe, &table);
}

/// Its note 1 is section 3.4.2, rules 3 and 4.
#[test]
fn table_4_outbound_subscribed() {
    let table = [
        ("None", false, "None Approved"),
        ("None Out", false, "None Out Approved"),
        ("None In", true, "From"),
        ("None Out In", true, "From Out"),
        ("To", false, "To Approved"),
        ("To In", true, "Both"),
        ("From", false, "From"),
        ("From Out", false, "From Out"),
        ("Both", false, "Both"),
    ];
    check_is_complete(&table);
    check_outbound(Subscribed, &table);
}

#[test]
fn table_5_outbound_unsubscribed() {
    let table = [
        ("None", false, "None"),
        ("None Out", false, "None Out"),
        ("None In", true, "None"),
        ("None Out In", true, "None Out"),
        ("To", false, "To"),
        ("To In", true, "To"),
        ("From", true, "None"),
        ("From Out", true, "None Out"),
        ("Both", true, "To"),
    ];
    check_is_complete(&table);
    check_outbound(Unsubscribed, &table);
}

/// Its note 2 is what the server answers.
#[test]
fn table_6_inbound_subscribe() {
    let table = [
        ("None", true, "None In"),
        ("None Out", true, "None Out In"),
        ("None In", false, "None In"),
        ("None Out In", false, "None Out In"),
        ("To", true, "To In"),
        ("To In", false, "To In"),
        ("From", false, "From"),
        ("From Out", false, "From Out"),
        ("Both", false, "Both"),
    ];
    check_is_complete(&table);
    check_inbound(Subscribe, &table);
    let (no, yes) = (None, Some(Subscribed));
    let expected = [no, no, no, no, no, no, yes, yes, yes];
    assert_eq!(answers(Subscribe, &table, false), expected);
}

/// Its note 1 is what the server answers.
#[test]
fn table_7_inbound_unsubscribe() {
    let table = [
        ("None", false, "None"),
        ("None Out", false, "None Out"),
        ("None In", true, "None"),
        ("None Out In", true, "None Out"),
        ("To", false, "To"),
        ("To In", true, "To"),
        ("From", true, "None"),
        ("From Out", true, "None Out"),
        ("Both", true, "To"),
    ];
    check_is_complete(&table);
    check_inbound(Unsubscribe, &table);
    let (no, yes) = (None, Some(Unsubscribed));
    let expected = [no, no, yes, yes, no, yes, yes, yes, yes];
    assert_eq!(answers(Unsubscribe, &table, false), expected);
}

#[test]
fn table_8_inbound_subscribed() {
    let table = [
        ("None", false, "None"),
        ("None Out", true, "To"),
        ("None In", false, "None In"),
        ("None Out In", true, "To In"),
        ("To", false, "To"),
        ("To In", false, "To In"),
        ("From", false, "From"),
        ("From Out", true, "Both"),
        ("Both", false, "Both"),
    ];
    check_is_complete(&table);
    check_inbound(Subscribed, &table);
    assert_eq!(answers(Subscribed, &table, false), [None; 9]);
}

#[test]
fn table_9_inbound_unsubscribed() {
    let table = [
        ("None", false, "None"),
        ("None Out", true, "None"),
        ("None In", false, "None In"),
        ("None Out In", true, "None In"),
        ("To", true, "None"),
        ("To In", true, "None In"),
        ("From", false, "From"),
        ("From Out", true, "From"),
        ("Both", true, "From"),
    ];
    check_is_complete(&table);
    check_inbound(Unsubscribed, &table);
    assert_eq!(answers(Unsubscribed, &table, false), [None; 9]);
}

/// Section 3.4.2, table 6 note 1: a request that is approved in advance is answered and not shown.
/// The approval is kept; section 3.2.2, rule 2: until it is taken back.
#[test]
fn an_approval_in_advance() {
    let asked = [
        ("None Approved", false, "From Approved"),
        ("None Out Approved", false, "From Out Approved"),
        ("To Approved", false, "Both Approved"),
        ("From Approved", false, "From Approved"),
    ];
    check_inbound(Subscribe, &asked);
    assert_eq!(answers(Subscribe, &asked, false), [Some(Subscribed); 4]);
    check_inbound(
        Unsubscribe,
        &[
            ("From Approved", true, "None Approved"),
            ("Both Approved", true, "To Approved"),
        ],
    );
    check_outbound(
        Unsubscribed,
        &[
            ("None Approved", false, "None"),
            ("None Out Approved", false, "None Out"),
            ("To Approved", false, "To"),
            ("From Approved", true, "None"),
            ("From Out Approved", true, "None Out"),
            ("Both Approved", true, "To"),
        ],
    );
    check_outbound(Subscribed, &[("None Approved", false, "None Approved")]);
    check_outbound(Subscribe, &[("None Approved", true, "None Out Approved")]);
}

/// Section 3.1.3, rule 1c: nobody is asked, and a request that waited waits no longer.
#[test]
fn a_provider_that_authorises() {
    let authorised = [
        ("None", false, "From"),
        ("None Out", false, "From Out"),
        ("None In", false, "From"),
        ("None Out In", false, "From Out"),
        ("To", false, "Both"),
        ("To In", false, "Both"),
        ("From", false, "From"),
        ("From Out", false, "From Out"),
        ("Both", false, "Both"),
    ];
    check_is_complete(&authorised);
    check(Subscribe, &authorised, |relation, pending_in| {
        inbound(relation, pending_in, Subscribe, true).change
    });
    let expected = [Some(Subscribed); 9];
    assert_eq!(answers(Subscribe, &authorised, true), expected);
    for stanza in [Subscribed, Unsubscribe, Unsubscribed] {
        for (before, ..) in authorised {
            let (relation, pending_in) = state(before);
            assert_eq!(
                inbound(relation, pending_in, stanza, true),
                inbound(relation, pending_in, stanza, false)
            );
        }
    }
}
