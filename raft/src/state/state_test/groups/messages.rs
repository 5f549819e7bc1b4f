//! Groups speak to groups in order (design, section 5, rule 2).

use pollux_domain::contract::{Agreement, AsOf, Command, ParcelKind, Refusal, Reply};

use super::cluster::{id, name, two};

/// A message to a user of another group is taken there in order, and routed as if it had been sent
/// there.
#[test]
fn messages_cross_in_order_and_once() {
    let mut cluster = two();
    for words in ["one", "two"] {
        cluster.of("ann").chat("ann/desk", "ben", words);
    }
    cluster.of("ann").chat("ann/desk", "bob/desk", "three");
    let shipment = cluster.shipment(1, 2).unwrap();
    assert_eq!(shipment.lines.len(), 3);
    let reply = cluster.take(2, &shipment);
    cluster
        .of("ben")
        .hears(&["ben/desk: one", "ben/desk: two", "bob/desk: three"]);
    // Older lines are answered as done, whether all of them are or some.
    assert_eq!(cluster.take(2, &shipment), reply);
    cluster.of("ann").chat("ann/desk", "ben", "four");
    let longer = cluster.shipment(1, 2).unwrap();
    assert_eq!(longer.lines.len(), 4);
    cluster.take(2, &longer);
    cluster.of("ben").hears(&["ben/desk: four"]);
    cluster.told(1, 2, &reply);
    assert_eq!(cluster.shipment(1, 2).unwrap().lines.len(), 1);
    // A late word of what was known already changes nothing.
    let known = cluster.shipment(1, 2);
    let Reply::Taken { source, .. } = reply else {
        panic!("{reply:?}");
    };
    for through in [1, known.as_ref().unwrap().told] {
        let late = Reply::Taken {
            source,
            through,
            refused: Vec::new(),
        };
        cluster.told(1, 2, &late);
        assert_eq!(cluster.shipment(1, 2), known);
    }
    cluster.carry();
    assert_eq!(cluster.shipment(1, 2), None);
    cluster.of("ben").hears(&[]);
}

/// A gap is refused, with the number that was taken last.
#[test]
fn a_gap_is_refused() {
    let mut cluster = two();
    let (_, through) = cluster.group(2).state.taken_through(id(1)).unwrap();
    for words in ["one", "two"] {
        cluster.of("ann").chat("ann/desk", "ben", words);
    }
    let mut late = cluster.shipment(1, 2).unwrap();
    late.lines.remove(0);
    late.first += 1;
    assert_eq!(
        cluster.take(2, &late),
        Reply::Refused(Refusal::Gap { through })
    );
    cluster.of("ben").hears(&[]);
    cluster.carry();
    cluster.of("ben").hears(&["ben/desk: one", "ben/desk: two"]);
}

/// What the target cannot deliver is stored there, or comes back as a line the other way.
#[test]
fn what_cannot_be_delivered_is_stored_or_comes_back() {
    let mut cluster = two();
    cluster.of("ben").unavailable("ben/desk");
    cluster.silence();
    cluster.of("ann").chat("ann/desk", "ben", "stored");
    cluster
        .of("ann")
        .say("ann/desk", "ben/tablet", ParcelKind::Normal, "back");
    cluster
        .of("ann")
        .say("ann/desk", "ben/tablet", ParcelKind::IqRequest, "ask");
    cluster.carry();
    assert_eq!(cluster.of("ben").stored("ben"), 1);
    cluster.of("ann").hears(&[
        "ann/desk: back refused, ServiceUnavailable",
        "ann/desk: ask refused, ServiceUnavailable",
    ]);
}

/// A request finds its device, its answer finds the asker.
#[test]
fn a_request_is_answered_across_groups() {
    let mut cluster = two();
    cluster.of("ben").direct("ben/desk", "ann/desk", true);
    cluster.silence();
    cluster
        .of("ann")
        .say("ann/desk", "ben/desk", ParcelKind::IqRequest, "ask");
    cluster.carry();
    cluster.of("ben").hears(&["ben/desk: ask"]);
    cluster
        .of("ben")
        .say("ben/desk", "ann/desk", ParcelKind::IqResponse, "answer");
    cluster.of("ben").read("ben/desk");
    cluster.carry();
    cluster.of("ann").hears(&["ann/desk: answer"]);
    // A device that ends with a request unanswered gives it back.
    cluster
        .of("ann")
        .say("ann/desk", "ben/desk", ParcelKind::IqRequest, "again");
    cluster.carry();
    cluster
        .of("ben")
        .end("ben/desk", super::super::world::CLOSED);
    cluster.carry();
    cluster.of("ann").hears(&[
        "ann/desk: ben/desk is gone",
        "ann/desk: again refused, RecipientUnavailable",
    ]);
}

/// Nobody knows the user, or the directory is wrong: back to the sender, never in circles.
#[test]
fn a_line_for_a_user_who_is_not_there_comes_back() {
    let mut cluster = two();
    cluster.of("ann").chat("ann/desk", "eve", "to nobody");
    cluster
        .of("ann")
        .hears(&["ann/desk: to nobody refused, ServiceUnavailable"]);
    let gone = super::super::world::user("bob");
    cluster
        .of("bob")
        .done(Agreement::Release { user: gone }.under(AsOf::default()));
    cluster.silence();
    cluster.of("ann").chat("ann/desk", "bob", "to one who left");
    cluster.carry();
    cluster
        .of("ann")
        .hears(&["ann/desk: to one who left refused, ServiceUnavailable"]);
}

/// The sender's group speaks before the configuration does: the refusal finds its way all the same.
#[test]
fn a_sender_whom_the_directory_does_not_know_is_answered() {
    let mut cluster = two();
    let users = vec![(super::super::world::user("ann"), None)];
    cluster
        .group(2)
        .done(Agreement::Foreign { users }.under(AsOf::default()));
    cluster.of("ann").chat("ann/desk", "eve", "local");
    cluster
        .of("ann")
        .say("ann/desk", "ben/tablet", ParcelKind::Normal, "back");
    cluster.carry();
    cluster.of("ann").hears(&[
        "ann/desk: local refused, ServiceUnavailable",
        "ann/desk: back refused, ServiceUnavailable",
    ]);
}

/// A group that has no name takes nothing and knows nobody; it works alone.
#[test]
fn a_group_without_a_name_is_alone() {
    let mut world = super::super::world::World::new(&["ann", "ben"]);
    let take = Command::Take {
        source: name(2, 1),
        told: 0,
        first: 1,
        lines: Vec::new(),
    };
    let refused = Reply::Refused(Refusal::NoSuchGroup);
    assert_eq!(world.run(&take).reply, refused);
    world.done(Command::Name(name(1, 1)));
    world.done(Command::Name(name(1, 1)));
    let other = Command::Name(name(2, 1));
    assert_eq!(world.run(&other).reply, refused);
    let own = Command::Take {
        source: name(1, 1),
        told: 0,
        first: 1,
        lines: Vec::new(),
    };
    assert_eq!(world.run(&own).reply, refused);
}

/// The directory of a large cluster is one pointer in a copy for a snapshot.
#[test]
fn a_large_directory_costs_a_copy_nothing() {
    let mut world = super::super::world::World::new(&["ann"]);
    world.done(Command::Name(name(1, 1)));
    let users = (0..75_000).map(|n| (super::super::world::user(&format!("u{n}")), Some(id(2))));
    let users: Vec<_> = users.collect();
    world.state.apply(
        &Agreement::Foreign { users }.under(AsOf::default()),
        &mut Default::default(),
    );
    let copy = world.state.clone();
    assert!(std::sync::Arc::ptr_eq(&copy.foreign, &world.state.foreign));
    assert_eq!(copy.statistics().foreign_users, 75_000);
    assert_eq!(copy.statistics().outbox_lines, 1);
}

/// A shipment has at least one line, and no more than it may.
#[test]
fn a_shipment_is_as_long_as_it_may_be() {
    let mut cluster = two();
    for words in ["one", "two", "three", "four"] {
        cluster.of("ann").chat("ann/desk", "ben", words);
    }
    let state = &cluster.group(1).state;
    let all = state.outbox_lines(id(2), 0, 9, usize::MAX).unwrap();
    assert_eq!(all.lines.len(), 4);
    let lengths = |from, count, bytes| {
        let shipment = state.outbox_lines(id(2), from, count, bytes);
        shipment.map(|shipment| (shipment.first - all.first, shipment.lines.len()))
    };
    assert_eq!(lengths(all.first + 1, 2, usize::MAX), Some((1, 2)));
    assert_eq!(lengths(all.first + 1, 9, 1), Some((1, 1)));
    assert_eq!(lengths(all.first + 1, 9, 220), Some((1, 2)));
    assert_eq!(lengths(all.first + 4, 9, 220), None);
    assert_eq!(state.outbox_lines(id(3), 0, 9, 9), None);
    assert_eq!(state.outbox_targets(), [id(2)]);
}
