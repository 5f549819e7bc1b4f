//! A group that went on from less than it had said has a new name; neither confuses the other.

use pollux_domain::contract::{Agreement, AsOf, Command, Refusal, Reply};
use pollux_store::codec;

use super::super::world::CLOSED;
use super::cluster::{Cluster, id, name, told, two};
use crate::state::State;

fn record(cluster: &mut Cluster, group: usize) -> Vec<u8> {
    codec::encode(1, &cluster.group(group).state).unwrap()
}

fn restore(cluster: &mut Cluster, group: usize, record: &[u8], incarnation: u32) {
    let state: State = codec::decode(1, record).unwrap();
    cluster.group(group).state = state;
    cluster
        .group(group)
        .done(Command::Name(name(group, incarnation)));
}

/// Lines that wait keep the name under which they may have travelled; those of the new life follow.
#[test]
fn lines_of_the_old_life_are_taken_once_and_first() {
    let mut cluster = two();
    cluster.of("ann").chat("ann/desk", "ben", "one");
    cluster.of("ann").chat("ann/desk", "ben", "two");
    let old = cluster.shipment(1, 2).unwrap();
    // The target has taken one of them, and the source was not told.
    let mut first = old.clone();
    first.lines.truncate(1);
    cluster.take(2, &first);
    cluster.group(1).done(Command::Name(name(1, 2)));
    cluster.of("ann").chat("ann/desk", "ben", "three");
    assert_eq!(cluster.shipment(1, 2), Some(old.clone()));
    cluster.carry();
    cluster
        .of("ben")
        .hears(&["ben/desk: one", "ben/desk: two", "ben/desk: three"]);
    // What the old life says late is refused, and what it was told late changes nothing.
    let stale = Reply::Refused(Refusal::StaleIncarnation);
    assert_eq!(cluster.take(2, &old), stale);
    cluster.of("ann").chat("ann/desk", "ben", "four");
    let late = Reply::Taken {
        source: old.source,
        through: 999,
        refused: Vec::new(),
    };
    cluster.told(1, 2, &late);
    assert_eq!(cluster.shipment(1, 2).unwrap().lines.len(), 1);
    let back = Command::Name(name(1, 1));
    assert_eq!(cluster.group(1).run(&back).reply, stale);
}

/// A word about the new life is not a word about the old one.
#[test]
fn a_count_of_the_new_life_drops_no_line_of_the_old() {
    let mut cluster = two();
    cluster.of("ann").chat("ann/desk", "ben", "one");
    cluster.group(1).done(Command::Name(name(1, 2)));
    let early = Reply::Taken {
        source: name(1, 2),
        through: 1,
        refused: Vec::new(),
    };
    let told = told(2, &early).unwrap();
    let refused = Reply::Refused(Refusal::OutOfTurn);
    assert_eq!(cluster.group(1).run(&told).reply, refused);
    cluster.carry();
    cluster.of("ben").hears(&["ben/desk: one"]);
}

/// A source that forgot what it had told is asked, so that no ghost stays.
#[test]
fn a_source_that_forgot_tells_afresh() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    let before = record(&mut cluster, 1);
    cluster.of("ann").managed("ann/ghost");
    cluster.of("ann").available("ann/ghost", 0);
    cluster.carry();
    cluster.of("ben").hears(&["ben/desk: ann/ghost is here 0"]);
    restore(&mut cluster, 1, &before, 2);
    cluster.carry();
    cluster.of("ben").hears(&["ben/desk: ann/ghost is gone"]);
    cluster.of("ann").available("ann/desk", 4);
    cluster.of("ann").chat("ann/desk", "ben", "hello");
    cluster.carry();
    cluster
        .of("ben")
        .hears(&["ben/desk: ann/desk is here 4", "ben/desk: hello"]);
}

/// A target that forgot what it had taken does not wait for lines that nobody has any more, and is
/// told afresh.
#[test]
fn a_target_that_forgot_goes_on_and_is_told_afresh() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    let before = record(&mut cluster, 2);
    cluster
        .of("ann")
        .chat("ann/desk", "ben", "lost with the memory");
    cluster.of("ann").available("ann/desk", 4);
    cluster.silence();
    restore(&mut cluster, 2, &before, 2);
    cluster.of("ann").chat("ann/desk", "ben", "after");
    cluster.carry();
    cluster
        .of("ben")
        .hears(&["ben/desk: after", "ben/desk: ann/desk is here 4"]);
    let world = cluster.of("ben");
    let news = world.state.news_for(world.id("ben/desk"));
    assert!(
        news.iter()
            .any(|news| news.bytes.as_deref() == Some(b"here 4"))
    );
}

/// A group that lost everything begins with nothing, and takes from where the others are.
#[test]
fn a_group_that_lost_everything_begins_anew() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster.of("ann").chat("ann/desk", "ben", "before");
    cluster.silence();
    let mut empty = super::super::world::World::new(&["ben", "bob"]);
    empty.done(Command::Name(name(2, 2)));
    let users = vec![(super::super::world::user("ann"), Some(id(1)))];
    empty.done(Agreement::Foreign { users }.under(AsOf::default()));
    *cluster.group(2) = empty;
    cluster.carry();
    cluster.of("ann").hears(&["ann/desk: ben/desk is gone"]);
    cluster.of("ann").chat("ann/desk", "ben", "after");
    cluster.carry();
    assert_eq!(cluster.of("ben").stored("ben"), 1);
}

/// A restart from a snapshot repeats nothing and forgets nothing.
#[test]
fn a_snapshot_holds_all_of_it() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    cluster.of("ann").chat("ann/desk", "ben", "one");
    let shipment = cluster.shipment(1, 2).unwrap();
    for group in [1, 2] {
        let record = record(&mut cluster, group);
        cluster.group(group).state = codec::decode(1, &record).unwrap();
    }
    assert_eq!(cluster.shipment(1, 2).unwrap(), shipment);
    cluster.take(2, &shipment);
    let record = record(&mut cluster, 2);
    cluster.group(2).state = codec::decode(1, &record).unwrap();
    cluster.take(2, &shipment);
    cluster.of("ben").hears(&["ben/desk: one"]);
    cluster.of("ann").end("ann/desk", CLOSED);
    cluster.carry();
    cluster.of("ben").hears(&["ben/desk: ann/desk is gone"]);
}
