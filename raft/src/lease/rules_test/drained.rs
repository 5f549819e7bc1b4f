//! What becomes of the users of a node that is emptied.

use super::*;

#[test]
fn a_node_that_is_emptied_gives_its_home_to_its_twin_as_soon_as_that_can() {
    let mut stage = Stage::new();
    stage.world.high_availability = false;
    stage.world.drained.insert(CASTOR);
    let asked = stage.renewal(CASTOR);
    let alone = stage.ask(0, &asked);
    assert_eq!(alone.give_back, [], "nobody could take it");
    assert_eq!(alone.homes.len(), 1, "it serves until then");
    stage.renew(10, POLLUX);
    let mut asked = stage.renewal(CASTOR);
    let granted = stage.ask(20, &asked);
    assert_eq!(granted.give_back, [(CASTOR, Epoch(4))]);
    asked.homes.clear();
    asked.given_back = vec![(CASTOR, Epoch(4))];
    stage.ask(30, &asked);
    let decided = stage.decide(40);
    assert_eq!(decided, to_pollux());
    assert_eq!(stage.grants.cause(CASTOR), Some(Cause::Drained));
    stage.apply(decided[0]);
    // An operator's wish for it counts for nothing, and time does not send them home.
    stage.world.high_availability = true;
    stage.world.stable = Some(Duration::from_millis(1));
    stage.grants.wish(CASTOR, CASTOR, Wisher::Operator);
    for at in (50..5_000).step_by(100) {
        let mut asked = stage.renewal(CASTOR);
        asked.homes.clear();
        stage.ask(at, &asked);
        stage.renew(at, POLLUX);
        assert_eq!(stage.decide(at), [], "{at}");
    }
}

#[test]
fn a_node_that_is_emptied_takes_nobodys_users_and_goes_on_with_its_own() {
    let mut stage = Stage::new();
    stage.world.drained.insert(POLLUX);
    stage.renew(0, CASTOR);
    for at in (0..2_000).step_by(100) {
        let renewal = stage.renewal(POLLUX);
        stage.ask(at, &renewal);
        let decided = stage.decide(at + 50);
        assert!(decided.iter().all(|one| one.home != CASTOR), "{decided:?}");
    }
    let mut reborn = stage.renewal(POLLUX);
    reborn.life = Life(4);
    reborn.homes.clear();
    for at in (2_000..3_000).step_by(100) {
        stage.ask(at, &reborn);
        if let [decided] = stage.decide(at + 50)[..] {
            assert_eq!((decided.home, decided.to), (POLLUX, POLLUX));
            return;
        }
    }
    panic!("it was started again, its twin is gone, and nobody serves its users");
}
