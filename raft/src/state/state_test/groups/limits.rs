//! What happens when lines for another group have no room (decision 0021). Tests have small limits.

use pollux_domain::contract::{
    Agreement, AsOf, Command, ContactChange, ParcelKind, Refusal, Reply,
};
use pollux_domain::ids::{Incarnation, SubclusterId};
use pollux_domain::jid::BareJid;
use pollux_domain::limits;
use pollux_domain::subscription::SubscriptionRequest::Subscribe;

use super::super::world::{CLOSED, user};
use super::cluster::{Cluster, id, two};
use crate::state::between::{HARD_LINES_MAX, LINES_MAX};

/// Group 1 has no more room for what clients send to group 2.
fn full() -> Cluster {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    for n in 0..LINES_MAX {
        cluster.of("ann").chat("ann/desk", "ben", &n.to_string());
    }
    cluster.of("ann").hears(&[]);
    cluster
}

fn lines(cluster: &mut Cluster, group: usize) -> usize {
    cluster.group(group).state.statistics().outbox_lines
}

/// "`resource-constraint` before the acknowledgement": an error in the same entry, and the stanza
/// counts.
#[test]
fn what_would_add_a_line_is_refused_to_its_sender() {
    let mut cluster = full();
    cluster.of("ann").chat("ann/desk", "ben", "more");
    cluster
        .of("ann")
        .say("ann/desk", "ben/desk", ParcelKind::IqRequest, "ask");
    cluster.of("ann").subscription("ann/desk", Subscribe, "bob");
    cluster.of("ann").direct("ann/desk", "bob", true);
    let jid = user("ben");
    cluster
        .of("ann")
        .contact("ann/desk", ContactChange::Remove { jid });
    cluster.of("ann").hears(&[
        "ann/desk: more refused, ResourceConstraint",
        "ann/desk: ask refused, ResourceConstraint",
        "ann/desk: subscribe from ann refused, ResourceConstraint",
        "ann/desk: hello refused, ResourceConstraint",
        "ann/desk: set refused, ResourceConstraint",
    ]);
    assert_eq!(lines(&mut cluster, 1), LINES_MAX);
    assert_eq!(cluster.of("ann").contacts("ann"), ["ben both"]);
    // Others are not concerned: abe is in ann's own group.
    cluster.of("ann").chat("ann/desk", "abe", "here");
    cluster.of("ann").hears(&["abe/desk: here"]);
    // The error has no end: there is room again as soon as lines are taken.
    cluster.carry();
    cluster.of("ann").chat("ann/desk", "ben", "after");
    cluster.carry();
    let heard = cluster.of("ben").heard();
    assert_eq!(heard.last().unwrap(), "ben/desk: after");
    assert!(!heard.contains(&"ben/desk: more".to_owned()));
}

/// Availability is not refused: the latest value is told when there is room.
#[test]
fn availability_is_told_when_there_is_room() {
    let mut cluster = full();
    for priority in 1..9 {
        cluster.of("ann").available("ann/desk", priority);
    }
    cluster.of("ann").heard();
    assert_eq!(lines(&mut cluster, 1), LINES_MAX);
    assert_eq!(cluster.group(1).state.outbox_rows()[0].owed, 1);
    cluster.carry();
    let heard = cluster.of("ben").heard();
    let told: Vec<_> = heard.iter().filter(|line| line.contains(" is ")).collect();
    assert_eq!(told, ["ben/desk: ann/desk is here 8"]);
}

/// The end of a session and of its directed presence likewise.
#[test]
fn the_end_of_a_session_is_told_when_there_is_room() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster.of("ann").direct("ann/desk", "bob", true);
    for n in 1..LINES_MAX {
        cluster.of("ann").chat("ann/desk", "ben", &n.to_string());
    }
    cluster.of("ann").end("ann/desk", CLOSED);
    assert_eq!(lines(&mut cluster, 1), LINES_MAX);
    cluster.carry();
    let heard = cluster.of("ben").heard();
    let told: Vec<_> = heard.iter().filter(|line| line.contains(" gone")).collect();
    assert_eq!(
        told,
        ["ben/desk: ann/desk is gone", "bob/desk: ann/desk is gone"]
    );
}

/// A bounce and an answer may use the reserve.
#[test]
fn bounces_and_answers_use_the_reserve() {
    let mut cluster = two();
    cluster.of("ann").direct("ann/desk", "ben/desk", true);
    cluster.silence();
    cluster
        .of("ben")
        .say("ben/desk", "ann/desk", ParcelKind::IqRequest, "ask");
    cluster
        .of("ben")
        .say("ben/desk", "ann/x", ParcelKind::Normal, "back");
    let shipment = cluster.shipment(2, 1).unwrap();
    for n in 0..LINES_MAX {
        cluster.of("ann").chat("ann/desk", "ben", &n.to_string());
    }
    cluster.take(1, &shipment);
    cluster
        .of("ann")
        .say("ann/desk", "ben/desk", ParcelKind::IqResponse, "answer");
    assert_eq!(lines(&mut cluster, 1), LINES_MAX + 2);
    cluster.carry();
    let heard = cluster.of("ben").heard();
    assert!(heard.contains(&"ben/desk: answer".to_owned()));
    assert!(heard.contains(&"ben/desk: back refused, ServiceUnavailable".to_owned()));
}

/// Group 1 has spent its reserve: ann has answered what ben asked, and nothing is taken from it.
fn spent() -> Cluster {
    let mut cluster = full();
    for _ in LINES_MAX..HARD_LINES_MAX {
        cluster
            .of("ann")
            .say("ann/desk", "ben/desk", ParcelKind::IqResponse, "answer");
    }
    cluster.of("ann").heard();
    cluster
}

/// Beyond the reserve a parcel is refused where it would be taken. Its own group keeps it until it
/// is told, and gives it back to its sender there: that needs no room.
#[test]
fn a_group_without_a_reserve_refuses_what_it_might_have_to_answer() {
    let mut cluster = spent();
    cluster.of("ben").chat("ben/desk", "ann", "refused");
    cluster.of("ben").subscription("ben/desk", Subscribe, "abe");
    cluster.of("ben").available("ben/desk", 7);
    cluster.of("ben").heard();
    let shipment = cluster.shipment(2, 1).unwrap();
    let reply = cluster.take(1, &shipment);
    let Reply::Taken {
        through, refused, ..
    } = &reply
    else {
        panic!("{reply:?}");
    };
    assert_eq!(*through, shipment.first + 2);
    assert_eq!(*refused, [shipment.first, shipment.first + 1]);
    cluster.of("ann").hears(&["ann/desk: ben/desk is here 7"]);
    // There is room meanwhile: the same lines are refused all the same.
    let back = cluster.shipment(1, 2).unwrap();
    let taken = cluster.take(2, &back);
    cluster.told(1, 2, &taken);
    cluster.of("ben").heard();
    assert_eq!(cluster.take(1, &shipment), reply);
    cluster.told(2, 1, &reply);
    cluster.of("ben").hears(&[
        "ben/desk: refused refused, ResourceConstraint",
        "ben/desk: push abe none",
        "ben/desk: subscribe from ben refused, ResourceConstraint",
    ]);
    cluster.told(2, 1, &reply);
    cluster.of("ben").hears(&[]);
    // What was refused is forgotten when its group knows.
    cluster.of("ben").chat("ben/desk", "ann", "after");
    cluster.carry();
    cluster.of("ann").hears(&["ann/desk: after"]);
    assert!(cluster.group(1).state.taken[&id(2)].refused.is_empty());
}

/// Beyond the reserve a session that answers ends, and its answer is not acknowledged.
#[test]
fn an_answer_that_has_no_place_ends_its_session() {
    let mut cluster = spent();
    let session = cluster.of("ann").session("ann/desk");
    let handled = cluster.of("ann").state.session(session.id).unwrap().handled;
    let parcel = super::super::world::parcel("ann/desk", "ben/desk", ParcelKind::IqResponse, "x");
    let answer = Command::Stanza {
        session,
        n: handled + 1,
        places: Vec::new(),
        action: pollux_domain::contract::Action::Send(std::sync::Arc::new(parcel)),
    };
    cluster.of("ann").done(answer);
    let heard = cluster.of("ann").heard();
    assert!(heard.contains(&"ann/desk: ended, TooMuchWaiting".to_owned()));
    assert_eq!(lines(&mut cluster, 1), HARD_LINES_MAX);
}

fn others(users: Vec<(BareJid, Option<SubclusterId>)>) -> Command {
    Agreement::Foreign { users }.under(AsOf::default())
}

/// Whoever is not known could not be told of a refusal: what they send is refused where their own
/// group is asked to give it up, which tells them.
#[test]
fn a_group_knows_so_many_users_of_others_and_refuses_what_more_send() {
    let mut cluster = two();
    let state = &mut cluster.group(2).state;
    let room = limits::FOREIGN_USERS_MAX - state.statistics().foreign_users;
    let users = (0..room).map(|n| (user(&format!("u{n}")), Some(id(1))));
    let users = others(users.collect());
    state.apply(&users, &mut Default::default());
    assert_eq!(state.statistics().foreign_users, limits::FOREIGN_USERS_MAX);

    let eve = vec![(user("eve"), Some(id(1)))];
    let refused = Reply::Refused(Refusal::TooManyUsers);
    assert_eq!(cluster.group(2).run(&others(eve.clone())).reply, refused);
    cluster.group(2).done(others(vec![(user("ann"), None)]));
    cluster.group(2).done(others(eve));
    // Now ann is one too many.
    cluster
        .of("ann")
        .chat("ann/desk", "ben", "from one too many");
    cluster
        .of("abe")
        .chat("abe/desk", "ben", "from one who is known");
    cluster.carry();
    cluster
        .of("ben")
        .hears(&["ben/desk: from one who is known"]);
    cluster
        .of("ann")
        .hears(&["ann/desk: from one too many refused, ResourceConstraint"]);
    cluster.group(2).done(others(vec![(user("u0"), None)]));
    cluster.of("ann").chat("ann/desk", "ben", "again");
    cluster.carry();
    cluster.of("ben").hears(&["ben/desk: again"]);
}

/// Two groups that have both spent their reserves come to an end with each other.
#[test]
fn two_full_groups_do_not_wait_for_each_other() {
    let mut cluster = spent();
    for n in 0..LINES_MAX {
        cluster.of("ben").chat("ben/desk", "ann", &n.to_string());
    }
    while lines(&mut cluster, 2) < HARD_LINES_MAX {
        cluster
            .of("ben")
            .say("ben/desk", "ann/desk", ParcelKind::IqResponse, "answer");
    }
    cluster.carry();
    assert_eq!((lines(&mut cluster, 1), lines(&mut cluster, 2)), (0, 0));
}

/// The age is for an alarm; only an operator removes a line, and its sender hears of it.
#[test]
fn a_line_grows_old_and_is_removed_by_an_operator() {
    let mut cluster = two();
    cluster.of("ann").chat("ann/desk", "ben", "one");
    cluster.of("ann").chat("ann/desk", "ben", "two");
    cluster.group(1).now.0 += 90_000;
    cluster.of("ann").chat("ann/desk", "ben", "three");
    let row = cluster.group(1).state.outbox_rows()[0];
    assert_eq!((row.target, row.lines), (id(2), 3));
    assert_eq!(row.oldest_age_ms, 90_000);
    let (incarnation, number) = row.oldest.unwrap();
    let drop = |number| Command::DropLine {
        target: id(2),
        incarnation,
        number,
    };
    cluster.group(1).done(drop(number));
    cluster
        .of("ann")
        .hears(&["ann/desk: one refused, ServiceUnavailable"]);
    cluster.carry();
    cluster
        .of("ben")
        .hears(&["ben/desk: two", "ben/desk: three"]);
    let none = Reply::Refused(Refusal::NoSuchLine);
    assert_eq!(cluster.group(1).run(&drop(number)).reply, none);
}

/// A count that is ahead of what was said is refused.
#[test]
fn a_target_cannot_have_taken_what_was_not_sent() {
    let mut cluster = two();
    let told = Command::Told {
        target: id(2),
        incarnation: Incarnation(1),
        through: 999,
        refused: Vec::new(),
    };
    let refused = Reply::Refused(Refusal::AheadOfSent);
    assert_eq!(cluster.group(1).run(&told).reply, refused);
}
