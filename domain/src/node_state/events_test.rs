//! The arrows between the states of a pair, as the guides of Cisco Unified Presence have them: what
//! the nodes show before, what happens, and what they show after it.

use super::stage_test::{CASTOR, POLLUX, Stage};
use crate::takeovers::TakeoverCause as Cause;

const NORMAL: (&str, &str) = ("Normal", "Normal");
const BACKUP: &str = "Running in Backup Mode";
const SERVICES: &str = "Failed Over with Critical Services Not Running";
const ADMIN: &str = "On Admin Request";
const SERVICE: &str = "Critical Service Down";

#[test]
fn an_operators_failover_and_fallback() {
    let mut stage = Stage::new();
    stage.check(NORMAL, NORMAL, "at first");
    stage.moves(CASTOR, POLLUX, Cause::Operator);
    stage.check(("Failing Over", ADMIN), ("Taking Over", ADMIN), "failover");
    stage.all_moved();
    stage.check(("Idle", ADMIN), (BACKUP, ADMIN), "done");
    stage.moves(CASTOR, CASTOR, Cause::Operator);
    stage.check(("Taking Back", ADMIN), ("Falling Back", ADMIN), "fallback");
    stage.all_moved();
    stage.check(NORMAL, NORMAL, "done");
}

#[test]
fn a_service_or_the_database_fails_and_is_well_again() {
    for (cause, words) in [
        (Cause::CriticalServiceDown, SERVICE),
        (Cause::DatabaseFailure, "Database Failure"),
        (Cause::NoProgress, "No Progress"),
    ] {
        let mut stage = Stage::new();
        match cause {
            Cause::CriticalServiceDown => _ = stage.facts.services_down.insert(CASTOR),
            _ => stage.seen(CASTOR).stands_still = true,
        }
        stage.check(NORMAL, NORMAL, "for its delay");
        stage.moves(CASTOR, POLLUX, cause);
        stage.check(("Failing Over", words), ("Taking Over", words), words);
        stage.all_moved();
        stage.check((SERVICES, words), (BACKUP, words), "done");
        stage.facts.services_down.clear();
        stage.seen(CASTOR).stands_still = false;
        stage.check(("Failed Over", words), (BACKUP, words), "well again");
        stage.moves(CASTOR, CASTOR, Cause::Operator);
        stage.check(("Taking Back", ADMIN), ("Falling Back", ADMIN), "fallback");
        stage.all_moved();
        stage.check(NORMAL, NORMAL, "done");
    }
}

#[test]
fn a_node_falls_silent_and_its_users_go_home_by_themselves() {
    let mut stage = Stage::new();
    stage.falls_silent(CASTOR);
    let down = ("Down", "Not Heard");
    stage.check(down, NORMAL, "its lease runs");
    stage.moves(CASTOR, POLLUX, Cause::Silent);
    stage.check(down, ("Taking Over", "Peer Down"), "decided");
    stage.all_moved();
    stage.check(down, (BACKUP, "Peer Down"), "done");
    stage.restarts(CASTOR);
    stage.seen(CASTOR).is_caught_up = false;
    let start = ("Initializing", "Initialization");
    stage.check(start, (BACKUP, "Peer Down"), "it catches up");
    stage.seen(CASTOR).is_caught_up = true;
    let back = ("Failed Over", "Initialization");
    stage.check(back, (BACKUP, "Peer Down"), "it is there again");
    stage.moves(CASTOR, CASTOR, Cause::AutomaticFallback);
    let auto = "Automatic Fallback";
    stage.check(("Taking Back", auto), ("Falling Back", auto), "stable");
    stage.all_moved();
    stage.check(NORMAL, NORMAL, "done");
}

#[test]
fn a_twin_is_not_there_at_the_start() {
    let mut stage = Stage::new();
    stage.facts.is_starting = true;
    stage.facts.has_majority = false;
    stage.falls_silent(POLLUX);
    let down = ("Down", "Not Heard");
    stage.check(("Initializing", "Initialization"), down, "hears nobody");
    stage.facts.is_starting = false;
    stage.facts.has_majority = true;
    stage.moved(POLLUX, CASTOR, Cause::FirstWithoutHome);
    let reason = "Peer Down During Initialization";
    stage.check((BACKUP, reason), down, "with the witness it goes on");
}

/// Castor has failed, Pollux serves both, and then Pollux fails.
#[test]
fn roles_are_swapped_when_the_node_that_serves_both_fails() {
    let mut stage = Stage::new();
    stage.moved(CASTOR, POLLUX, Cause::NoProgress);
    let words = "No Progress";
    stage.check(("Failed Over", words), (BACKUP, words), "Castor failed");
    stage.facts.services_down.insert(POLLUX);
    for home in [CASTOR, POLLUX] {
        stage.moves(home, CASTOR, Cause::CriticalServiceDown);
    }
    let auto = "Auto Recover Critical Service Down";
    stage.check(("Taking Over", SERVICE), ("Failing Over", auto), "swap");
    stage.all_moved();
    stage.check((BACKUP, auto), (SERVICES, auto), "done");
    stage.facts.services_down.clear();
    stage.moves(POLLUX, POLLUX, Cause::Operator);
    stage.all_moved();
    stage.check(NORMAL, NORMAL, "fallback");
}

/// Cisco's pair runs in failed mode here, whatever state the first node was in.
#[test]
fn a_service_of_the_node_that_serves_both_fails_and_its_twin_cannot_take_over() {
    let mut relieved = Stage::new();
    relieved.moved(CASTOR, POLLUX, Cause::Operator);
    relieved.facts.services_down.insert(POLLUX);
    relieved.check(("Idle", ADMIN), (BACKUP, ADMIN), "an operator decides");
    let mut down = Stage::new();
    down.falls_silent(CASTOR);
    down.moved(CASTOR, POLLUX, Cause::Silent);
    down.facts.services_down.insert(POLLUX);
    let backup = (BACKUP, "Peer Down");
    down.check(("Down", "Not Heard"), backup, "it goes on with what runs");
}

/// "Any transition with an error": the vote of the second of three is lost during one. There is no
/// recovery by an operator: whoever is heard again makes a majority.
#[test]
fn failed_mode_is_the_loss_of_two_votes_and_is_over_with_the_next() {
    let mut stage = Stage::new();
    stage.moves(CASTOR, POLLUX, Cause::Operator);
    stage.facts.has_majority = false;
    stage.falls_silent(POLLUX);
    let failed = ("Running in Failed Mode", "No Majority");
    stage.check(failed, ("Down", "Not Heard"), "alone");
    stage.facts.has_majority = true;
    stage.facts.moves.clear();
    stage.restarts(POLLUX);
    stage.check(NORMAL, NORMAL, "two of three");
}

#[test]
fn high_availability_is_switched_off_and_on() {
    let mut stage = Stage::new();
    stage.facts.high_availability = false;
    let off = ("Unknown", "High Availability Not Enabled");
    stage.check(off, off, "off");
    stage.facts.services_down.insert(CASTOR);
    stage.facts.high_availability = true;
    stage.check(NORMAL, NORMAL, "on, for the delay of the service");
    stage.moves(CASTOR, POLLUX, Cause::CriticalServiceDown);
    stage.all_moved();
    stage.check((SERVICES, SERVICE), (BACKUP, SERVICE), "then it fails over");
    stage.facts.services_down.insert(POLLUX);
    stage.check(
        (SERVICES, SERVICE),
        (BACKUP, SERVICE),
        "both: the twin goes on",
    );
}

#[test]
fn a_process_that_is_started_again_begins_and_is_normal_again() {
    let mut stage = Stage::new();
    let life = stage.seen(CASTOR).life;
    stage.seen(CASTOR).life = life.map(crate::ids::Life::next);
    let start = ("Initializing", "Initialization");
    stage.check(start, NORMAL, "its lease is its old life's");
    stage.moved(CASTOR, CASTOR, Cause::StartedAgain);
    stage.check(NORMAL, NORMAL, "it has its own");
}

#[test]
fn a_twin_that_was_removed_leaves_its_users() {
    let mut stage = Stage::new();
    stage.moved(CASTOR, POLLUX, Cause::Removed);
    stage.facts.nodes.remove(0);
    let backup = (BACKUP.to_owned(), "Peer Removed".to_owned());
    assert_eq!(stage.states(), [backup]);
}
