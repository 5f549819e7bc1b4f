//! The table of a pair's states in the guides of Cisco Unified Presence, row by row in its order:
//! what has to happen, and what the two nodes show then. Where Cisco's pair runs in failed mode,
//! ours shows what is said beside it: no transition can stop half way, since it is one entry of a
//! log, and no two nodes can claim one user.

use super::stage_test::{CASTOR, POLLUX, Stage};
use crate::takeovers::TakeoverCause as Cause;

const BACKUP: &str = "Running in Backup Mode";
const SERVICES: &str = "Failed Over with Critical Services Not Running";
const ADMIN: &str = "On Admin Request";
const START: &str = "Initialization";
const SERVICE: &str = "Critical Service Down";

type Said = (&'static str, &'static str);

#[track_caller]
fn row(number: u8, happens: impl FnOnce(&mut Stage), castor: Said, pollux: Said) {
    let mut stage = Stage::new();
    happens(&mut stage);
    stage.check(castor, pollux, &format!("row {number}"));
}

/// An operator has moved Castor's users away.
fn relieved(stage: &mut Stage) {
    stage.moved(CASTOR, POLLUX, Cause::Operator);
}

/// A critical service of Castor's is down, and its users have gone.
fn service_down(stage: &mut Stage, cause: Cause) {
    stage.facts.services_down.insert(CASTOR);
    stage.moved(CASTOR, POLLUX, cause);
}

#[test]
fn rows_1_to_10_what_an_operator_does() {
    row(1, |_| {}, ("Normal", "Normal"), ("Normal", "Normal"));
    row(
        2,
        |stage| stage.moves(CASTOR, POLLUX, Cause::Operator),
        ("Failing Over", ADMIN),
        ("Taking Over", ADMIN),
    );
    row(3, relieved, ("Idle", ADMIN), (BACKUP, ADMIN));
    row(
        4,
        |stage| {
            relieved(stage);
            stage.moves(CASTOR, CASTOR, Cause::Operator);
        },
        ("Taking Back", ADMIN),
        ("Falling Back", ADMIN),
    );
    row(
        5,
        |stage| {
            relieved(stage);
            stage.restarts(CASTOR);
        },
        ("Idle", START),
        (BACKUP, ADMIN),
    );
    row(
        6,
        |stage| {
            relieved(stage);
            stage.restarts(CASTOR);
            stage.restarts(POLLUX);
        },
        ("Idle", START),
        (BACKUP, START),
    );
    row(
        7,
        |stage| {
            relieved(stage);
            stage.restarts(POLLUX);
        },
        ("Idle", ADMIN),
        (BACKUP, START),
    );
    row(
        8,
        |stage| {
            stage.moves(CASTOR, POLLUX, Cause::Operator);
            stage.restarts(POLLUX);
        },
        ("Failing Over", ADMIN),
        ("Taking Over", START),
    );
    row(
        9,
        |stage| {
            relieved(stage);
            stage.moves(CASTOR, CASTOR, Cause::Operator);
            stage.restarts(CASTOR);
        },
        ("Taking Back", START),
        ("Falling Back", ADMIN),
    );
    row(
        10,
        |stage| {
            service_down(stage, Cause::CriticalServiceDown);
            stage.facts.services_down.clear();
            stage.moves(CASTOR, CASTOR, Cause::AutomaticFallback);
        },
        ("Taking Back", "Automatic Fallback"),
        ("Falling Back", "Automatic Fallback"),
    );
}

#[test]
fn rows_11_to_13_what_befalls_a_node() {
    row(
        11,
        |stage| {
            service_down(stage, Cause::CriticalServiceDown);
            stage.facts.services_down.clear();
        },
        ("Failed Over", SERVICE),
        (BACKUP, SERVICE),
    );
    row(
        11,
        |stage| {
            service_down(stage, Cause::CriticalServiceDown);
            stage.facts.services_down.clear();
            stage.restarts(CASTOR);
        },
        ("Failed Over", START),
        (BACKUP, SERVICE),
    );
    row(
        12,
        |stage| service_down(stage, Cause::CriticalServiceDown),
        (SERVICES, SERVICE),
        (BACKUP, SERVICE),
    );
    // The database of a node is in the node: it fails when the disk takes nothing.
    row(
        13,
        |stage| {
            stage.seen(CASTOR).stands_still = true;
            stage.moved(CASTOR, POLLUX, Cause::DatabaseFailure);
        },
        (SERVICES, "Database Failure"),
        (BACKUP, "Database Failure"),
    );
}

#[test]
fn rows_14_and_15_failed_mode_because_of_services() {
    // Critical services do not start while Castor takes its users back. Nobody gives users back to
    // a node that cannot take them: Pollux goes on.
    row(
        14,
        |stage| service_down(stage, Cause::CriticalServiceDown),
        (SERVICES, SERVICE),
        (BACKUP, SERVICE),
    );
    // A critical service dies on Pollux, which serves both, while Castor cannot take over: Pollux
    // goes on with what runs.
    row(
        15,
        |stage| {
            service_down(stage, Cause::CriticalServiceDown);
            stage.facts.services_down.insert(POLLUX);
        },
        (SERVICES, SERVICE),
        (BACKUP, SERVICE),
    );
}

#[test]
fn rows_16_to_18_a_node_is_not_heard() {
    let silent = |stage: &mut Stage| {
        stage.falls_silent(CASTOR);
        stage.moved(CASTOR, POLLUX, Cause::Silent);
    };
    row(16, silent, ("Down", "Not Heard"), (BACKUP, "Peer Down"));
    // When the link returns, Cisco's pair may run in failed mode; here the epoch has decided.
    row(
        16,
        |stage| {
            silent(stage);
            let castor = stage.seen(CASTOR);
            (castor.is_heard, castor.is_caught_up) = (true, true);
        },
        ("Failed Over", "Not Heard"),
        (BACKUP, "Peer Down"),
    );
    row(
        17,
        |stage| {
            stage.moved(CASTOR, POLLUX, Cause::Stopping);
            stage.falls_silent(CASTOR);
        },
        ("Down", "Not Heard"),
        (BACKUP, "Peer Reboot"),
    );
    // Pollux did not see Castor at the start.
    row(
        18,
        |stage| {
            stage.moved(CASTOR, POLLUX, Cause::FirstWithoutHome);
            stage.restarts(CASTOR);
        },
        ("Failed Over", START),
        (BACKUP, "Peer Down During Initialization"),
    );
    row(
        18,
        |stage| {
            stage.moved(CASTOR, POLLUX, Cause::FirstWithoutHome);
            stage.restarts(CASTOR);
            stage.facts.services_down.insert(CASTOR);
        },
        (SERVICES, START),
        (BACKUP, "Peer Down During Initialization"),
    );
}

#[test]
fn rows_19_to_21_failed_mode_because_of_a_transition() {
    // The users' move fails during a takeover: it is one entry of the log, committed or not. What
    // is not committed is under way, and its owner goes on where its target cannot take.
    let take_over = |stage: &mut Stage| stage.moves(CASTOR, POLLUX, Cause::Operator);
    row(
        19,
        take_over,
        ("Failing Over", ADMIN),
        ("Taking Over", ADMIN),
    );
    row(
        19,
        |stage| {
            take_over(stage);
            stage.facts.moves.clear();
        },
        ("Normal", "Normal"),
        ("Normal", "Normal"),
    );
    // The same during a fallback.
    row(
        20,
        |stage| {
            relieved(stage);
            stage.moves(CASTOR, CASTOR, Cause::Operator);
            stage.facts.moves.clear();
        },
        ("Idle", ADMIN),
        (BACKUP, ADMIN),
    );
    // A restart while the other has failed. The one way in: neither hears a second vote.
    let alone = |stage: &mut Stage| {
        stage.falls_silent(POLLUX);
        stage.facts.has_majority = false;
    };
    row(
        21,
        alone,
        ("Running in Failed Mode", "No Majority"),
        ("Down", "Not Heard"),
    );
    row(
        21,
        |stage| {
            alone(stage);
            stage.restarts(CASTOR);
            stage.facts.is_starting = true;
        },
        ("Initializing", START),
        ("Down", "Not Heard"),
    );
}

#[test]
fn rows_22_to_24_nodes_change_places_and_no_high_availability() {
    for (number, cause, castor, pollux) in [
        (
            22,
            Cause::DatabaseFailure,
            (BACKUP, "Auto Recover Database Failure"),
            (SERVICES, "Auto Recover Database Failure"),
        ),
        (
            23,
            Cause::CriticalServiceDown,
            (BACKUP, "Auto Recover Critical Service Down"),
            (SERVICES, "Auto Recover Critical Service Down"),
        ),
    ] {
        row(
            number,
            |stage| {
                stage.moved(CASTOR, POLLUX, Cause::Silent);
                match cause {
                    Cause::DatabaseFailure => stage.seen(POLLUX).stands_still = true,
                    _ => _ = stage.facts.services_down.insert(POLLUX),
                }
                stage.moved(CASTOR, CASTOR, cause);
                stage.moved(POLLUX, CASTOR, cause);
            },
            castor,
            pollux,
        );
    }
    let off = ("Unknown", "High Availability Not Enabled");
    row(24, |stage| stage.facts.high_availability = false, off, off);
}
