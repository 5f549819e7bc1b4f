//! A backup of several groups: while each is held nobody takes anything, and what is caught then
//! goes on as one cluster, in which each message is there once.

use pollux_domain::contract::{Command, HoldId, Refusal, Reply, RowWrite};
use pollux_domain::ids::GroupMs;
use pollux_domain::limits;

use super::cluster::{Cluster, name, two};
use crate::state::State;

const HOLD: HoldId = HoldId([1; 16]);

fn hold(cluster: &mut Cluster) {
    for group in 1..=cluster.count() {
        cluster.group(group).done(Command::Hold { hold: HOLD });
    }
}

#[test]
fn what_is_held_takes_nothing_until_it_is_released_or_late() {
    let mut cluster = two();
    cluster.group(2).done(Command::Hold { hold: HOLD });
    cluster.of("ann").chat("ann/desk", "ben", "one");
    let shipment = cluster.shipment(1, 2).unwrap();
    let held = Reply::Refused(Refusal::Held);
    assert_eq!(cluster.take(2, &shipment), held);
    // Nobody else's hold is begun meanwhile, and nobody else ends this one.
    let other = HoldId([2; 16]);
    let begun = cluster.group(2).run(&Command::Hold { hold: other }).reply;
    assert_eq!(begun, held);
    cluster.group(2).done(Command::Release { hold: other });
    assert_eq!(cluster.take(2, &shipment), held);
    // What concerns this group alone goes on.
    cluster.of("ben").chat("ben/desk", "bob", "here");
    cluster.of("ben").hears(&["bob/desk: here"]);
    cluster.group(2).done(Command::Release { hold: HOLD });
    cluster.carry();
    cluster.of("ben").hears(&["ben/desk: one"]);
    // Whoever asked for it may be gone.
    cluster.group(2).done(Command::Hold { hold: HOLD });
    cluster.of("ann").chat("ann/desk", "ben", "two");
    let GroupMs(now) = cluster.group(2).now;
    cluster.group(2).now = GroupMs(now + limits::HOLD_MS_MAX);
    cluster.carry();
    cluster.of("ben").hears(&["ben/desk: two"]);
    assert_eq!(cluster.group(2).state.held(), None);
}

/// As `pollux cluster restore` does it.
fn begin_anew(cluster: &mut Cluster, group: usize, state: &State) {
    let world = cluster.group(group);
    world.state = state.clone();
    for write in world.state.begin_anew() {
        if let RowWrite::Put { row, parcel } = write {
            world.rows.insert(row, parcel);
        }
    }
    let wanted = world.state.rows();
    world.rows.retain(|row, _| wanted.contains(row));
    world.done(Command::Name(name(group, 2)));
}

#[test]
fn what_one_group_has_not_taken_the_other_still_has() {
    let mut cluster = two();
    cluster.befriend("ann", "ben");
    for device in ["ben/desk", "bob/desk"] {
        cluster.of(device).unavailable(device);
    }
    cluster.silence();
    // One is taken and the source knows it, one is taken and it does not, one is on its way.
    cluster.of("ann").chat("ann/desk", "ben", "one");
    cluster.carry();
    cluster.of("ann").chat("ann/desk", "ben", "two");
    let shipment = cluster.shipment(1, 2).unwrap();
    cluster.take(2, &shipment);
    cluster.of("ann").chat("ann/desk", "bob", "three");
    hold(&mut cluster);
    let shipment = cluster.shipment(1, 2).unwrap();
    assert_eq!(cluster.take(2, &shipment), Reply::Refused(Refusal::Held));
    let first = cluster.group(1).state.clone();
    // The second is caught later, and what happens between the two is in one of them or in none.
    cluster.of("ann").chat("ann/desk", "bob", "after the first");
    let shipment = cluster.shipment(1, 2).unwrap();
    assert_eq!(cluster.take(2, &shipment), Reply::Refused(Refusal::Held));
    let second = cluster.group(2).state.clone();
    for group in 1..=2 {
        cluster.group(group).done(Command::Release { hold: HOLD });
    }
    // The old cluster goes on, under the numbers that the new one does not know of.
    cluster.carry();
    cluster.of("ann").chat("ann/desk", "ben", "later");
    cluster.carry();
    assert_eq!(
        (
            cluster.of("ben").stored("ben"),
            cluster.of("ben").stored("bob")
        ),
        (3, 2)
    );

    // The second group is restored first: nothing depends on the order.
    begin_anew(&mut cluster, 2, &second);
    begin_anew(&mut cluster, 1, &first);
    cluster.silence();
    assert_eq!(cluster.of("ben").stored("ben"), 2, "one and two, once");
    assert_eq!(cluster.of("ben").stored("bob"), 1, "three, once");
    // Both speak under their new names, and nobody is shown who is not there.
    for group in 1..=2 {
        cluster.group(group).take_over(1);
    }
    cluster.of("ann").managed("ann/new");
    cluster.of("ann").available("ann/new", 0);
    cluster.carry();
    let heard = cluster.of("ann").heard();
    assert_eq!(heard, ["ann/new: ann/new is here 0"], "and nobody else");
    cluster.of("ann").chat("ann/new", "ben", "afresh");
    cluster.carry();
    cluster.of("ben").managed("ben/new");
    cluster.of("ben").available("ben/new", 0);
    cluster.carry();
    let waits = cluster.of("ben").waits("ben/new");
    assert_eq!(waits, ["stored one", "stored two", "stored afresh"]);
    let heard = cluster.of("ann").heard();
    assert!(
        heard.iter().any(|line| line.contains("ben/new")),
        "{heard:?}"
    );
}
