//! When users go home by themselves, and when they do not.

use super::*;

pub(super) fn away() -> Stage {
    let mut stage = Stage::new();
    stage.apply(to_pollux()[0]);
    stage.world.stable = Some(STABLE);
    stage.world.failovers.insert(CASTOR, 1);
    stage
}

const STABLE: Duration = Duration::from_secs(5);

impl Stage {
    /// Both ask all the time; when the users are first wanted back from Pollux.
    pub(super) fn wanted_back(&mut self, from: u64, until: u64) -> Option<u64> {
        (from..until).step_by(50).find(|at| {
            let mut of_castor = self.renewal(CASTOR);
            of_castor.homes.clear();
            self.ask(*at, &of_castor);
            let mut of_pollux = self.renewal(POLLUX);
            of_pollux.homes.push((CASTOR, Epoch(5)));
            let granted = self.ask(*at, &of_pollux);
            self.decide(*at);
            !granted.give_back.is_empty()
        })
    }
}

#[test]
fn users_go_home_by_themselves_when_their_node_has_been_well_for_long_enough() {
    let mut stage = away();
    assert_eq!(stage.wanted_back(0, 20_000), Some(5_000));
    let mut back = stage.renewal(POLLUX);
    back.given_back = vec![(CASTOR, Epoch(5))];
    stage.ask(5_050, &back);
    let home = TakeOver {
        home: CASTOR,
        to: CASTOR,
        life: Life(7),
        epoch: Epoch(6),
    };
    assert_eq!(stage.decide(5_060), [home]);
    assert_eq!(stage.grants.cause(CASTOR), Some(Cause::Fallback));
}

#[test]
fn users_do_not_go_home_by_themselves_otherwise() {
    let mut off = away();
    off.world.stable = None;
    let mut alone = away();
    alone.world.high_availability = false;
    let mut relieved = away();
    relieved.world.relieved.insert(CASTOR);
    for mut stage in [off, alone, relieved] {
        assert_eq!(stage.wanted_back(0, 20_000), None, "{:?}", stage.world);
    }
    let mut flaps = away();
    flaps.world.failovers.insert(CASTOR, 2);
    assert_eq!(flaps.wanted_back(0, 20_000), Some(10_000), "twice as late");
}

#[test]
fn the_time_before_a_fallback_begins_anew_with_a_gap_with_a_process_and_with_a_takeover() {
    let mut silent = away();
    assert_eq!(silent.wanted_back(0, 3_000), None);
    assert_eq!(silent.wanted_back(3_400, 20_000), Some(8_400), "a gap");

    let mut slow = away();
    assert_eq!(slow.wanted_back(0, 3_000), None);
    let mut stuck = slow.renewal(CASTOR);
    (stuck.stuck, stuck.homes) = (Duration::from_secs(1), Vec::new());
    slow.ask(3_000, &stuck);
    assert_eq!(slow.wanted_back(3_050, 20_000), Some(8_050), "a stuck disk");

    let mut other = away();
    assert_eq!(other.wanted_back(0, 3_000), None);
    let restarted = ServedBy {
        node: POLLUX,
        life: Life(3),
        epoch: Epoch(2),
    };
    other.world.serving.insert(POLLUX, restarted);
    assert_eq!(other.wanted_back(3_000, 20_000), Some(8_000), "a takeover");
}

/// Also with another leader each second: how long a node has been well it says itself, and how long
/// nobody has got another owner each replica sees for itself.
#[test]
fn the_time_before_a_fallback_goes_on_over_a_change_of_leaders() {
    let mut stage = away();
    let wanted_at = (0_u64..20_000).step_by(50).find(|at| {
        if at.is_multiple_of(1_000) {
            stage.grants = Grants::new(Timing::DEFAULT, ms(*at));
        }
        let mut of_castor = stage.renewal(CASTOR);
        of_castor.homes.clear();
        of_castor.well_for = Duration::from_millis(*at);
        assert!(stage.ask(*at, &of_castor).is_well, "{at}");
        let mut of_pollux = stage.renewal(POLLUX);
        of_pollux.homes.push((CASTOR, Epoch(5)));
        !stage.ask(*at, &of_pollux).give_back.is_empty()
    });
    assert_eq!(wanted_at, Some(5_000));
    // A leader that nobody hears tells nobody that it is well, itself least of all.
    let mut cut_off = away();
    cut_off.world.is_confirmed = false;
    let of_castor = cut_off.renewal(CASTOR);
    assert!(!cut_off.ask(0, &of_castor).is_well);
    // One that this leader has missed for a moment has not been well, whatever it says.
    let mut gap = away();
    assert_eq!(gap.wanted_back(0, 3_000), None);
    let mut of_castor = gap.renewal(CASTOR);
    (of_castor.homes, of_castor.well_for) = (Vec::new(), Duration::from_secs(60));
    gap.ask(3_400, &of_castor);
    assert_eq!(gap.wanted_back(3_450, 20_000), Some(8_400));
}
