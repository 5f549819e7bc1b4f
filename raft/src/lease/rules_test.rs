//! One case for each sentence of design section 4, "Leases and epochs", that the leader keeps.

mod drained;
mod fallback;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pollux_domain::ids::{Epoch, Life, NodeId};
use pollux_domain::takeovers::TakeoverCause;

use super::{Calm, Cause, Granted, Grants, Renewal, ServedBy, TakeOver, Wisher, World};
use crate::election::Timing;

mod services;

const CASTOR: NodeId = NodeId(1);
const POLLUX: NodeId = NodeId(2);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(10_000 + ms)
}

struct Stage {
    grants: Grants,
    world: World,
    calm: Calm,
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
            grants: Grants::new(Timing::DEFAULT, ms(0)),
            world: World {
                is_confirmed: true,
                may_take_over: true,
                high_availability: true,
                homes: vec![CASTOR, POLLUX],
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
                ..World::default()
            },
            calm: Calm::default(),
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
            flush: Duration::ZERO,
            down: None,
            well_for: Duration::ZERO,
            homes,
            given_back: Vec::new(),
        }
    }

    fn renew(&mut self, at: u64, node: NodeId) -> bool {
        let renewal = self.renewal(node);
        !self.ask(at, &renewal).homes.is_empty()
    }

    /// A question that is confirmed at once.
    fn ask(&mut self, at: u64, renewal: &Renewal) -> Granted {
        self.world.quiet_for = self.calm.note(ms(at), &self.world.serving);
        let granted = self.grants.take(ms(at), renewal, &self.world);
        self.grants.confirm(granted, renewal, &self.world)
    }

    /// The home of Castor is served by another, as the log says now.
    fn apply(&mut self, take_over: TakeOver) {
        let TakeOver {
            home,
            to,
            life,
            epoch,
        } = take_over;
        let served = ServedBy {
            node: to,
            life,
            epoch,
        };
        self.world.serving.insert(home, served);
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
    let asked = stage.renewal(CASTOR);
    let early = stage.grants.take(ms(0), &asked, &stage.world);
    stage.renew(320, POLLUX);
    assert_eq!(stage.decide(331), to_pollux());
    assert!(!stage.renew(332, CASTOR), "a new one");
    let late = stage.grants.confirm(early, &asked, &stage.world);
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
        let want = if at == 400 { to_pollux() } else { Vec::new() };
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
fn the_cause_of_a_takeover_is_known_as_long_as_it_is_decided() {
    let mut stage = Stage::new();
    stage.renew(0, CASTOR);
    stage.renew(0, POLLUX);
    stage.decide(1);
    assert_eq!(stage.grants.cause(CASTOR), None, "all is well");
    stage.renew(400, POLLUX);
    stage.decide(400);
    assert_eq!(stage.grants.cause(CASTOR), Some(Cause::Silent));

    let mut stage = Stage::new();
    stage.renew(0, CASTOR);
    let mut stuck = stage.renewal(CASTOR);
    stuck.stuck = Duration::from_millis(1_200);
    stage.renew(100, POLLUX);
    stage.ask(100, &stuck);
    stage.decide(101);
    let cause = Cause::StandsStill {
        says: stuck.stuck,
        flush: Duration::ZERO,
        unmoved: Duration::ZERO,
    };
    assert_eq!(stage.grants.cause(CASTOR), Some(cause));

    let mut stage = Stage::new();
    stage.renew(0, CASTOR);
    stage.renew(0, POLLUX);
    stage.grants.wish(CASTOR, POLLUX, Wisher::Operator);
    stage.decide(1);
    assert_eq!(stage.grants.cause(CASTOR), Some(Cause::Wished));
}

#[test]
fn what_was_given_back_needs_no_waiting() {
    let mut stage = Stage::new();
    stage.grants.wish(CASTOR, POLLUX, Wisher::Operator);
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
fn a_proposal_is_repeated_after_a_second_and_is_the_only_one() {
    let mut stage = Stage::new();
    stage.renew(0, CASTOR);
    stage.renew(320, POLLUX);
    assert_eq!(stage.decide(331), to_pollux());
    assert!(!stage.renew(700, CASTOR), "it may be applied at any time");
    assert_eq!(stage.decide(1_330), []);
    assert_eq!(stage.decide(1_331), to_pollux());
    stage.apply(to_pollux()[0]);
    assert_eq!(stage.decide(2_331), [], "Pollux has time to ask");
}

#[test]
fn nothing_is_wanted_back_for_one_that_cannot_take_it() {
    let mut stage = Stage::new();
    stage.renew(0, POLLUX);
    stage.grants.wish(CASTOR, POLLUX, Wisher::Operator);
    let renewal = stage.renewal(CASTOR);
    assert_eq!(stage.ask(329, &renewal).give_back, [(CASTOR, Epoch(4))]);
    let renewal = stage.renewal(CASTOR);
    assert_eq!(stage.ask(330, &renewal).give_back, [], "Pollux is silent");
}

#[test]
fn a_decision_is_taken_back_when_its_target_can_no_longer_take() {
    let mut stage = Stage::new();
    stage.world.serving.remove(&POLLUX);
    stage.grants.wish(CASTOR, POLLUX, Wisher::Operator);
    stage.renew(0, POLLUX);
    stage.renew(300, CASTOR);
    let of_castor = |stage: &mut Stage, at| {
        let mut decided = stage.decide(at);
        decided.retain(|take_over| take_over.home == CASTOR);
        decided
    };
    assert_eq!(of_castor(&mut stage, 301), [], "its lease runs");
    assert!(!stage.renew(302, CASTOR));
    assert_eq!(of_castor(&mut stage, 331), [], "Pollux is silent");
    assert!(stage.renew(332, CASTOR), "under the same epoch");
}

/// What is applied at a new leader may be older than what is decided, until the log's core has said
/// that everything is applied.
#[test]
fn a_grant_under_an_epoch_that_turns_out_to_be_over_is_not_confirmed() {
    let mut stage = Stage::new();
    let asked = stage.renewal(CASTOR);
    let granted = stage.grants.take(ms(0), &asked, &stage.world);
    assert_eq!(granted.homes, [(CASTOR, Epoch(4))]);
    stage.apply(to_pollux()[0]);
    let granted = stage.grants.confirm(granted, &asked, &stage.world);
    assert_eq!(granted.homes, []);
}

#[test]
fn a_lease_that_was_given_back_to_a_leader_that_is_deposed_stays_so() {
    let mut stage = Stage::new();
    let mut back = stage.renewal(CASTOR);
    back.homes.clear();
    back.given_back = vec![(CASTOR, Epoch(4))];
    // This leader never heard why.
    stage.ask(0, &back);
    let late = stage.renewal(CASTOR);
    assert_eq!(stage.ask(1, &late).homes, [], "an earlier question");
    let mut same = to_pollux();
    (same[0].to, same[0].life) = (CASTOR, Life(7));
    assert_eq!(stage.decide(2), same);
    stage.apply(same[0]);
    let mut next = stage.renewal(CASTOR);
    next.homes = vec![(CASTOR, Epoch(5))];
    assert_eq!(stage.ask(3, &next).homes, [(CASTOR, Epoch(5))]);
}

#[test]
fn an_owner_that_gives_its_lease_back_and_ends_is_replaced_when_it_is_gone() {
    let mut stage = Stage::new();
    let mut back = stage.renewal(CASTOR);
    back.given_back = std::mem::take(&mut back.homes);
    stage.ask(0, &back);
    stage.renew(320, POLLUX);
    stage.world.homes = vec![CASTOR, POLLUX];
    assert_eq!(stage.decide(330), to_pollux());
}

#[test]
fn an_index_has_a_reason_to_move_while_the_leader_has_committed_more() {
    for (committed, stands_still) in [(101, true), (100, false)] {
        let mut stage = Stage::new();
        stage.world.committed = committed;
        for at in (0..1_000).step_by(100) {
            assert!(stage.renew(at, CASTOR), "{at}");
        }
        assert_eq!(stage.renew(1_000, CASTOR), !stands_still);
        let mut moved = stage.renewal(CASTOR);
        moved.applied = 101;
        assert_eq!(stage.ask(1_050, &moved).homes, [(CASTOR, Epoch(4))]);
    }
}

#[test]
fn late_words_of_an_earlier_process_change_nothing() {
    let mut stage = Stage::new();
    let late = stage.renewal(CASTOR);
    let mut reborn = stage.renewal(CASTOR);
    reborn.life = Life(8);
    stage.ask(0, &reborn);
    assert_eq!(stage.ask(1, &late).homes, []);
    let mut same = to_pollux();
    (same[0].to, same[0].life) = (CASTOR, Life(8));
    assert_eq!(stage.decide(2), same);
}

#[test]
fn who_was_relieved_takes_over_where_nobody_else_is_left() {
    let mut stage = Stage::new();
    stage.world.relieved.insert(POLLUX);
    stage.renew(0, CASTOR);
    stage.renew(320, POLLUX);
    assert_eq!(stage.decide(331), to_pollux());
    assert_eq!(stage.grants.cause(CASTOR), Some(Cause::Silent));
}

/// Pollux serves both, and Castor gives signs of life again from the first millisecond on.
#[test]
fn the_leader_says_what_it_sees_and_what_it_means_to_do() {
    let mut stage = Stage::new();
    stage.renew(0, CASTOR);
    stage.renew(0, POLLUX);
    let outlook = stage.grants.outlook(ms(1), &stage.world);
    assert_eq!(outlook.moves, []);
    let seen: Vec<_> = outlook
        .nodes
        .iter()
        .map(|seen| (seen.node, seen.life, seen.is_heard, seen.is_caught_up))
        .collect();
    let well = [
        (CASTOR, Some(Life(7)), true, true),
        (POLLUX, Some(Life(3)), true, true),
    ];
    assert_eq!(seen, well);

    stage.grants.wish(CASTOR, POLLUX, Wisher::Owner);
    let asked = stage.grants.outlook(ms(2), &stage.world).moves;
    let causes: Vec<_> = asked.iter().map(|moving| moving.cause).collect();
    assert_eq!(causes, [TakeoverCause::Stopping]);
    assert!(!asked[0].is_another_process);
    let mut reborn = stage.renewal(POLLUX);
    reborn.life = Life(4);
    stage.ask(3, &reborn);
    let asked = stage.grants.outlook(ms(4), &stage.world).moves;
    assert!(asked[0].is_another_process);

    let mut stage = Stage::new();
    stage.world.heard.remove(&CASTOR);
    stage.renew(0, CASTOR);
    stage.renew(320, POLLUX);
    assert_eq!(stage.decide(331), to_pollux());
    let outlook = stage.grants.outlook(ms(332), &stage.world);
    assert!(!outlook.nodes[0].is_heard && !outlook.nodes[0].is_caught_up);
    assert_eq!(outlook.moves[0].cause, TakeoverCause::Silent);
    stage.apply(to_pollux()[0]);
    let outlook = stage.grants.outlook(ms(333), &stage.world);
    assert_eq!(outlook.moves, [], "it has come about");
}

#[test]
fn what_the_group_keeps_of_a_standstill_says_whether_it_was_the_disk() {
    let stands_still = |flush| Cause::StandsStill {
        says: Duration::from_secs(1),
        flush: Duration::from_millis(flush),
        unmoved: Duration::ZERO,
    };
    let kind = |flush| stands_still(flush).kind(&Timing::DEFAULT);
    assert_eq!(kind(1_000), TakeoverCause::DatabaseFailure);
    assert_eq!(kind(999), TakeoverCause::NoProgress);
}
