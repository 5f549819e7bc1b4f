//! Questions about users of another group, which their own group answers.

use bytes::Bytes;
use pollux_domain::contract::{Action, Agreement, AsOf, Command, ParcelKind, Refusal, Reply};
use pollux_domain::hints::Hints;
use pollux_domain::ids::{Epoch, StanzaId};
use pollux_domain::limits;

use super::super::world::{HOME, parcel, user};
use super::cluster::{Cluster, two};

fn ask(cluster: &mut Cluster, device: &str, about: &str) {
    let question = parcel(device, about, ParcelKind::IqRequest, "who");
    let inquire = Action::Inquire(question.into());
    cluster.of(device).act(device, inquire);
    cluster.carry();
}

fn answer(inquiry: StanzaId, epoch: u64) -> Command {
    Command::Answered {
        home: HOME,
        epoch: Epoch(epoch),
        inquiry,
        bytes: Bytes::from_static(b"an answer"),
    }
}

fn waiting(cluster: &mut Cluster, group: usize) -> Vec<StanzaId> {
    let inquiries = cluster.group(group).state.inquiries(HOME);
    inquiries.into_iter().map(|(inquiry, _)| inquiry).collect()
}

/// In the own group the question waits in the asker's session, and is answered when it is written.
#[test]
fn a_question_within_a_group_is_answered_where_it_is_asked() {
    let mut cluster = two();
    ask(&mut cluster, "ann/desk", "abe");
    cluster.of("ann").hears(&["ann/desk: answer to who"]);
    ask(&mut cluster, "ann/desk", "nobody");
    cluster.of("ann").hears(&["ann/desk: answer to who"]);
}

#[test]
fn a_question_to_another_group_is_answered_once() {
    let mut cluster = two();
    ask(&mut cluster, "ann/desk", "ben");
    cluster.of("ann").hears(&[]);
    let [inquiry] = waiting(&mut cluster, 2)[..] else {
        panic!("one waits");
    };
    let stale = cluster.of("ben").run(&answer(inquiry, 7)).reply;
    assert_eq!(stale, Reply::Refused(Refusal::StaleEpoch));
    cluster.of("ben").done(answer(inquiry, 1));
    let again = cluster.of("ben").run(&answer(inquiry, 1)).reply;
    assert_eq!(again, Reply::Refused(Refusal::NoSuchInquiry));
    cluster.carry();
    cluster.of("ann").hears(&["ann/desk: an answer"]);
}

/// It waits in the database: whoever serves next answers it.
#[test]
fn a_question_outlives_the_node_that_was_asked() {
    let mut cluster = two();
    ask(&mut cluster, "ann/desk", "ben");
    cluster.of("ben").take_over(2);
    let [inquiry] = waiting(&mut cluster, 2)[..] else {
        panic!("one waits");
    };
    let late = cluster.of("ben").run(&answer(inquiry, 1)).reply;
    assert_eq!(late, Reply::Refused(Refusal::StaleEpoch));
    cluster.of("ben").done(answer(inquiry, 2));
    cluster.carry();
    cluster.of("ann").hears(&["ann/desk: an answer"]);
}

#[test]
fn a_question_about_a_user_who_is_removed_comes_back() {
    let mut cluster = two();
    ask(&mut cluster, "ann/desk", "ben");
    cluster
        .of("ben")
        .done(Agreement::Release { user: user("ben") }.under(AsOf::default()));
    cluster.carry();
    cluster
        .of("ann")
        .hears(&["ann/desk: who refused, ServiceUnavailable"]);
    assert!(waiting(&mut cluster, 2).is_empty());
}

#[test]
fn only_so_many_questions_wait() {
    let mut cluster = two();
    for _ in 0..limits::INQUIRIES_MAX {
        ask(&mut cluster, "ann/desk", "ben");
    }
    cluster.of("ann").hears(&[]);
    ask(&mut cluster, "ann/desk", "ben");
    cluster
        .of("ann")
        .hears(&["ann/desk: who refused, ResourceConstraint"]);
    assert_eq!(waiting(&mut cluster, 2).len(), limits::INQUIRIES_MAX);
}

/// XEP-0012 section 4: a device is not asked for one who does not see its user, wherever that is.
#[test]
fn a_device_is_asked_for_those_who_see_it() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    for (asker, about) in [
        ("ann/desk", "ben/desk"),
        ("abe/desk", "ben/desk"),
        ("abe/desk", "ann/desk"),
    ] {
        let hints = Hints {
            needs_sight: true,
            ..Hints::default()
        };
        let mut question = parcel(asker, about, ParcelKind::IqRequest, "idle");
        question.hints = hints;
        let send = Action::Send(question.into());
        cluster.of(asker).act(asker, send);
        cluster.carry();
    }
    cluster.of("ben").hears(&["ben/desk: idle"]);
    cluster.of("ann").hears(&[
        "abe/desk: idle refused, Forbidden",
        "abe/desk: idle refused, Forbidden",
    ]);
}
