//! A critical service that stays down: when the users go to the twin, and when they do not.

use pollux_domain::services::{Down, Service};

use super::fallback::away;
use super::*;

const DELAY: Duration = Duration::from_secs(5);

/// Which service is down, and since when.
type Ill = Option<(Service, u64)>;

fn down(ill: Ill, at: u64) -> Option<Down> {
    let (service, since) = ill.filter(|(_, since)| *since <= at)?;
    let lasts = Duration::from_millis(at - since);
    Some(Down { service, lasts })
}

fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.world.service_delay = DELAY;
    stage
}

impl Stage {
    /// Both ask all the time; when Castor is first asked to give its users up.
    fn given_up(&mut self, castor: Ill, pollux: Ill, until: u64) -> Option<u64> {
        (0..until).step_by(50).find(|at| {
            let mut of_pollux = self.renewal(POLLUX);
            of_pollux.down = down(pollux, *at);
            self.ask(*at, &of_pollux);
            let mut of_castor = self.renewal(CASTOR);
            of_castor.down = down(castor, *at);
            let granted = self.ask(*at, &of_castor);
            if granted.give_back.is_empty() {
                assert!(!granted.homes.is_empty(), "it goes on serving: {at}");
                assert_eq!(self.decide(*at), []);
            }
            !granted.give_back.is_empty()
        })
    }
}

#[test]
fn a_critical_service_that_stays_down_sends_the_users_to_the_twin() {
    for (service, kind) in [
        (Service::Clients, TakeoverCause::CriticalServiceDown),
        (Service::Store, TakeoverCause::DatabaseFailure),
    ] {
        let mut stage = stage();
        let ill = Some((service, 2_000));
        assert_eq!(stage.given_up(ill, None, 20_000), Some(7_000), "{service}");
        let moves = stage.grants.outlook(ms(7_001), &stage.world).moves;
        assert_eq!((moves[0].to, moves[0].cause), (POLLUX, kind));
        let mut back = stage.renewal(CASTOR);
        back.down = down(ill, 7_000);
        back.given_back = vec![(CASTOR, Epoch(4))];
        back.homes.clear();
        stage.ask(7_010, &back);
        assert_eq!(stage.decide(7_020), to_pollux());
        let cause = stage.grants.cause(CASTOR).unwrap();
        assert_eq!(cause.kind(&Timing::DEFAULT), kind);
        let words = cause.to_string();
        assert_eq!(
            words,
            format!("the service {service} of its node has been down for 5s")
        );
    }
}

#[test]
fn the_users_stay_where_that_would_not_help() {
    let ill = Some((Service::Clients, 2_000));
    let mut off = stage();
    off.world.high_availability = false;
    assert_eq!(off.given_up(ill, None, 20_000), None, "it is not allowed");
    let both = stage().given_up(ill, Some((Service::Clients, 0)), 20_000);
    assert_eq!(both, None, "the twin has the same trouble");
    let late = stage().given_up(ill, Some((Service::DirectTls, 6_000)), 20_000);
    assert_eq!(late, None, "the twin is ill when it would be asked");
    let mut alone = stage();
    alone.world.homes = vec![CASTOR];
    assert_eq!(alone.given_up(ill, None, 20_000), None, "there is no twin");
}

/// Two nodes whose services come and go in turn would throw the users to and fro.
#[test]
fn the_twin_must_have_been_well_for_as_long() {
    let mut stage = stage();
    let ill = Some((Service::Clients, 0));
    for at in (0..8_000).step_by(50) {
        let mut of_pollux = stage.renewal(POLLUX);
        of_pollux.down = (at < 3_000).then(|| down(ill, at)).flatten();
        stage.ask(at, &of_pollux);
        let mut of_castor = stage.renewal(CASTOR);
        of_castor.down = down(ill, at);
        let granted = stage.ask(at, &of_castor);
        assert_eq!(granted.give_back, [], "{at}");
    }
    stage.renew(8_000, POLLUX);
    let mut of_castor = stage.renewal(CASTOR);
    of_castor.down = down(ill, 8_000);
    let granted = stage.ask(8_000, &of_castor);
    assert_eq!(granted.give_back, [(CASTOR, Epoch(4))]);
}

#[test]
fn users_do_not_go_home_to_a_service_that_is_down() {
    let mut stage = away();
    for at in (0..10_000).step_by(50) {
        let mut of_castor = stage.renewal(CASTOR);
        of_castor.homes.clear();
        of_castor.down = down(Some((Service::Clients, 0)), at);
        stage.ask(at, &of_castor);
        let mut of_pollux = stage.renewal(POLLUX);
        of_pollux.homes.push((CASTOR, Epoch(5)));
        let granted = stage.ask(at, &of_pollux);
        assert_eq!(granted.give_back, [], "{at}");
    }
    let outlook = stage.grants.outlook(ms(9_960), &stage.world);
    assert_eq!(outlook.services_down, BTreeSet::from([CASTOR]));
    // It is well from here on.
    assert_eq!(stage.wanted_back(10_000, 30_000), Some(15_000));
    let outlook = stage.grants.outlook(ms(15_001), &stage.world);
    assert_eq!(outlook.services_down, BTreeSet::new());
}

/// Who is dead is followed by whoever is left, ill or not.
#[test]
fn a_silent_node_is_taken_over_by_a_twin_whose_service_is_down() {
    let mut stage = stage();
    stage.renew(0, CASTOR);
    let mut of_pollux = stage.renewal(POLLUX);
    of_pollux.down = down(Some((Service::Clients, 0)), 320);
    stage.ask(320, &of_pollux);
    assert_eq!(stage.decide(331), to_pollux());
}
