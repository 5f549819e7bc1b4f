//! The oracle's judgements, one history each.

use super::{Journal, Note, Oracle, Verdict};

const ID: [&str; 3] = ["t9.0.0.5", "t9.0.1.5", "t9.0.2.5"];

fn judged(notes: &[Note<'_>]) -> (Verdict, u64) {
    let mut oracle = Oracle::new(9, 1);
    for note in notes {
        oracle.note(*note);
    }
    (oracle.judge(true), oracle.under_way(true))
}

fn sent(at: usize) -> Note<'static> {
    Note::Sent { id: ID[at] }
}

fn acknowledged(at: usize) -> Note<'static> {
    Note::Acknowledged { id: ID[at] }
}

fn received(at: usize) -> Note<'static> {
    Note::Received {
        id: ID[at],
        from: "a@b",
    }
}

#[test]
fn what_was_acknowledged_and_did_not_arrive_is_lost() {
    let (verdict, under_way) = judged(&[sent(0), sent(1), acknowledged(0), received(1)]);
    assert_eq!((verdict.lost, verdict.received, under_way), (1, 1, 1));
    let (verdict, under_way) = judged(&[sent(0), received(0), acknowledged(0)]);
    assert_eq!((verdict.lost, verdict.received, under_way), (0, 1, 0));
}

#[test]
fn an_error_that_arrives_is_no_loss() {
    let refused = Note::Refused {
        id: ID[0],
        condition: "gone",
    };
    let (verdict, under_way) = judged(&[sent(0), acknowledged(0), refused]);
    assert_eq!((verdict.lost, verdict.refused, under_way), (0, 1, 0));
}

#[test]
fn what_nobody_promised_is_in_doubt_and_may_arrive_once() {
    let unknown = Note::Unknown { id: ID[0] };
    let (verdict, under_way) = judged(&[sent(0), unknown]);
    assert_eq!(
        (verdict.lost, verdict.in_doubt, verdict.in_doubt_missing),
        (0, 1, 1)
    );
    assert_eq!(under_way, 0);
    let (verdict, under_way) = judged(&[sent(0), unknown, received(0), received(0)]);
    assert_eq!(
        (verdict.in_doubt_missing, verdict.twice, under_way),
        (0, 1, 0)
    );
    let (verdict, under_way) = judged(&[sent(0), received(0), unknown]);
    assert_eq!(
        (verdict.in_doubt, verdict.in_doubt_missing, under_way),
        (1, 0, 0)
    );
}

#[test]
fn order_is_that_of_the_sender_and_repetitions_are_counted_apart() {
    let (verdict, _) = judged(&[
        sent(0),
        sent(1),
        sent(2),
        received(0),
        received(2),
        received(1),
    ]);
    assert_eq!((verdict.out_of_order, verdict.twice), (1, 0));
    let (verdict, _) = judged(&[sent(0), sent(1), received(0), received(1), received(0)]);
    assert_eq!((verdict.out_of_order, verdict.twice), (0, 1));
}

#[test]
fn without_stream_management_writing_is_the_promise() {
    let mut oracle = Oracle::new(9, 1);
    oracle.note(sent(0));
    assert_eq!((oracle.judge(false).lost, oracle.judge(true).lost), (1, 0));
    oracle.note(received(0));
    assert_eq!((oracle.judge(false).lost, oracle.under_way(false)), (0, 0));
    assert_eq!(oracle.under_way(true), 1);
}

#[test]
fn messages_of_another_run_are_told_apart() {
    let foreign = Note::Received {
        id: "t8.0.0.5",
        from: "a@b",
    };
    let (verdict, _) = judged(&[
        foreign,
        Note::Received {
            id: "hello",
            from: "a@b",
        },
    ]);
    assert_eq!((verdict.received, verdict.foreign), (0, 1));
}
