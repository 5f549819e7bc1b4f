//! One case for each sentence of design section 4, "Leases and epochs", that the leader keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pollux_domain::ids::{Epoch, Life, NodeId};

use super::{Grants, Renewal, ServedBy, TakeOver, World};
use crate::election::Timing;

const CASTOR: NodeId = NodeId(1);
const POLLUX: NodeId = NodeId(2);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(10_000 + ms)
}

struct Stage {
    grants: Grants,
    world: World,
    nonce: u64,
}

impl Stage {
    /// Castor serves its home under epoch 4, Pollux stands by.
    fn new() -> Stage {
        let served = ServedBy {
            node: CASTOR,
            life: Life(7),
            epoch: Epoch(4),
        };
        Stage {
            grants: Grants::new(Timing::LOCAL, ms(0)),
            world: World {
                may_take_over: true,
                high_availability: true,
                homes: vec![CASTOR, POLLUX],
                removed: BTreeSet::new(),
                serving: BTreeMap::from([
                    (CASTOR, served),
                    (
                        POLLUX,
                        ServedBy {
                            node: POLLUX,
                            life: Life(3),
                            epoch: Epoch(1),
                        },
                    ),
                ]),
                committed: 100,
                heard: BTreeSet::from([CASTOR, POLLUX]),
            },
            nonce: 0,
        }
    }

    fn renewal(&mut self, node: NodeId) -> Renewal {
        self.nonce += 1;
        let (life, homes) = match node {
            CASTOR => (Life(7), vec![(CASTOR, Epoch(4))]),
            _ => (Life(3), vec![(POLLUX, Epoch(1))]),
        };
        Renewal {
            node,
            life,
            nonce: self.nonce,
            applied: 100,
            stuck: Duration::ZERO,
            homes,
            given_back: Vec::new(),
        }
    }

    fn renew(&mut self, at: u64, node: NodeId) -> bool {
        let renewal = self.renewal(node);
        let granted = self.grants.take(ms(at), &renewal, &self.world);
        !self.grants.confirm(granted).homes.is_empty()
    }

    fn decide(&mut self, at: u64) -> Vec<TakeOver> {
        self.grants.decide(ms(at), &self.world)
    }
}

fn to_pollux() -> Vec<TakeOver> {
    vec![TakeOver {
        home: CASTOR,
        to: POLLUX,
        life: Life(3),
        epoch: Epoch(5),
    }]
}

#[test]
fn a_node_that_renews_keeps_its_home() {
    let mut stage = Stage::new();
    for at in (0..3_000).step_by(100) {
        assert!(stage.renew(at, CASTOR) && stage.renew(at, POLLUX), "{at}");
        assert_eq!(stage.decide(at + 90), []);
    }
}

#[test]
fn a_silent_node_is_taken_over_when_its_last_grant_has_run_out() {
    let mut stage = Stage::new();
    stage.renew(0, CASTOR);
    for at in (0..330).step_by(30) {
        stage.renew(at, POLLUX);
        assert_eq!(stage.decide(at), [], "{at}");
    }
    assert_eq!(stage.decide(330), to_pollux());
}

#[test]
fn from_the_decision_on_every_renewal_is_refused() {
    let mut stage = Stage::new();
    let early = stage.renewal(CASTOR);
    let early = stage.grants.take(ms(0), &early, &stage.world);
    stage.renew(320, POLLUX);
    assert_eq!(stage.decide(331), to_pollux());
    assert!(!stage.renew(332, CASTOR), "a new one");
    let late = stage.grants.confirm(early);
    assert_eq!(late.homes, [], "and one that is being confirmed");
}

#[test]
fn without_high_availability_nobody_takes_over_by_itself() {
    let mut stage = Stage::new();
    stage.world.high_availability = false;
    stage.renew(0, CASTOR);
    stage.renew(990, POLLUX);
    assert_eq!(stage.decide(1_000), []);
}

#[test]
fn a_node_that_was_removed_is_followed_by_its_twin() {
    let mut stage = Stage::new();
    stage.world.high_availability = false;
    stage.world.removed.insert(CASTOR);
    stage.renew(990, POLLUX);
    assert_eq!(stage.decide(1_000), to_pollux());
}

#[test]
fn a_node_that_makes_no_progress_loses_its_home() {
    let mut stage = Stage::new();
    stage.renew(0, CASTOR);
    for at in (100..=600).step_by(100) {
        stage.renew(at, POLLUX);
        let mut stuck = stage.renewal(CASTOR);
        stuck.stuck = Duration::from_secs(1);
        let granted = stage.grants.take(ms(at), &stuck, &stage.world);
        assert_eq!(granted.homes, [], "{at}");
        let want = if at < 330 { Vec::new() } else { to_pollux() };
        assert_eq!(stage.decide(at), want, "{at}");
    }
}

#[test]
fn a_restarted_owner_serves_again_under_the_next_epoch() {
    let mut stage = Stage::new();
    stage.renew(0, CASTOR);
    let mut reborn = stage.renewal(CASTOR);
    reborn.life = Life(8);
    let granted = stage.grants.take(ms(200), &reborn, &stage.world);
    assert_eq!(granted.homes, [], "its old life's lease is not its own");
    assert_eq!(stage.decide(200), [], "while that may still run");
    let granted = stage.grants.take(ms(335), &reborn, &stage.world);
    assert_eq!(granted.homes, []);
    let same = TakeOver {
        home: CASTOR,
        to: CASTOR,
        life: Life(8),
        epoch: Epoch(5),
    };
    stage.renew(336, POLLUX);
    assert_eq!(stage.decide(340), [same]);
}

#[test]
fn what_was_given_back_needs_no_waiting() {
    let mut stage = Stage::new();
    stage.grants.wish(CASTOR, POLLUX);
    stage.renew(0, POLLUX);
    let renewal = stage.renewal(CASTOR);
    let granted = stage.grants.take(ms(5), &renewal, &stage.world);
    assert_eq!(granted.give_back, [(CASTOR, Epoch(4))]);
    assert_eq!(granted.homes, [(CASTOR, Epoch(4))], "until it has");
    assert_eq!(stage.decide(10), []);
    let mut back = stage.renewal(CASTOR);
    back.homes.clear();
    back.given_back = vec![(CASTOR, Epoch(4))];
    stage.grants.take(ms(20), &back, &stage.world);
    assert_eq!(stage.decide(21), to_pollux());
}

#[test]
fn a_leader_that_begins_waits_for_those_whom_it_hears_and_for_nobody_else() {
    let mut stage = Stage::new();
    stage.renew(0, POLLUX);
    assert_eq!(stage.decide(1), [], "Castor lives and will ask");
    stage.world.heard.remove(&CASTOR);
    assert_eq!(stage.decide(2), to_pollux(), "its old lease has run out");
}

#[test]
fn a_restarted_leader_decides_nothing_before_it_may() {
    let mut stage = Stage::new();
    stage.world.may_take_over = false;
    stage.renew(0, POLLUX);
    stage.renew(990, POLLUX);
    assert_eq!(stage.decide(1_000), []);
    stage.world.may_take_over = true;
    assert_eq!(stage.decide(1_001), to_pollux());
}

#[test]
fn at_a_cold_start_the_home_node_goes_first() {
    let mut stage = Stage::new();
    stage.world.serving.clear();
    stage.renew(0, POLLUX);
    let own = |epoch| TakeOver {
        home: POLLUX,
        to: POLLUX,
        life: Life(3),
        epoch: Epoch(epoch),
    };
    assert_eq!(stage.decide(1), [own(1)]);
    stage.renew(2_000, POLLUX);
    let mut both = to_pollux();
    both[0].epoch = Epoch(1);
    both.push(own(1));
    assert_eq!(
        stage.decide(2_001),
        both,
        "its twin serves where it does not come"
    );
}

#[test]
fn who_is_gone_or_behind_does_not_take_over() {
    let mut stage = Stage::new();
    stage.renew(0, CASTOR);
    stage.renew(0, POLLUX);
    assert_eq!(stage.decide(700), [], "both are silent");
    stage.world.committed = 10_000;
    stage.renew(701, POLLUX);
    assert_eq!(stage.decide(702), [], "it lacks what was committed");
}

#[test]
fn an_owner_that_comes_back_before_anybody_took_over_goes_on() {
    let mut stage = Stage::new();
    stage.renew(0, CASTOR);
    stage.renew(320, POLLUX);
    assert_eq!(stage.decide(331), to_pollux());
    assert!(!stage.renew(700, CASTOR), "its epoch is closed");
    let mut same = to_pollux();
    (same[0].to, same[0].life) = (CASTOR, Life(7));
    assert_eq!(stage.decide(701), same, "and Pollux is silent by now");
}
