//! What must hold in every run, one file each. An invariant reads a history and returns the first
//! thing that breaks it.

mod ailing_are_left;
mod all_arrive;
pub mod availability_linearizable;
mod contact_list_linearizable;
mod drained_serve_nobody;
mod election_safety;
mod epochs_grow;
pub mod goes_home;
pub mod gone_once;
mod handled_committed;
mod handled_forwards;
mod log_matching;
mod moves_come_about;
mod not_falsely_gone;
mod not_lost;
mod not_twice;
mod old_epochs_void;
mod one_owner;
mod order_kept;
mod recovers;
mod refused_once;
mod serving_linearizable;
mod sessions_survive;
mod state_machine_safety;
pub mod subscriptions_linearizable;
mod users_stay;
mod view_agrees;

use pollux_domain::delivery::Deliver;

use super::history::History;

/// A name and a judge.
pub type Invariant = (&'static str, fn(&History) -> Result<(), String>);

/// Of what clients were promised: in every run.
pub const ALL: &[Invariant] = &[
    ("not lost", not_lost::check),
    (not_twice::NAME, not_twice::check),
    ("order kept", order_kept::check),
    ("handled runs forwards", handled_forwards::check),
    ("handled is committed", handled_committed::check),
    ("all arrive", all_arrive::check),
];

/// What must hold besides in every run of a pair.
pub const OF_PAIRS: &[Invariant] = &[
    ("election safety", election_safety::check),
    ("log matching", log_matching::check),
    ("state machine safety", state_machine_safety::check),
    ("epochs grow", epochs_grow::check),
    ("old epochs void", old_epochs_void::check),
    ("one owner", one_owner::check),
    ("serving table linearizable", serving_linearizable::check),
    ("goes home", goes_home::check),
    ("ailing are left", ailing_are_left::check),
    ("drained serve nobody", drained_serve_nobody::check),
    ("moves come about", moves_come_about::check),
    (
        "contact list linearizable",
        contact_list_linearizable::check,
    ),
    (
        "subscriptions linearizable",
        subscriptions_linearizable::check,
    ),
    (
        "availability linearizable",
        availability_linearizable::check,
    ),
    ("refused once", refused_once::check),
    ("sessions survive", sessions_survive::check),
    ("users stay", users_stay::check),
    ("not falsely gone", not_falsely_gone::check),
    ("gone once", gone_once::check),
    ("recovers", recovers::check),
    ("view agrees", view_agrees::check),
];

/// The first broken invariant of a run of a pair: what the replicas did comes first.
pub fn check_pair(history: &History, deliver: Deliver) -> Result<(), String> {
    check_all(OF_PAIRS, history)?;
    if deliver == Deliver::Committed {
        return check(history);
    }
    for (name, invariant) in ALL {
        let invariant = match *name {
            not_twice::NAME => not_twice::check_early,
            _ => *invariant,
        };
        invariant(history).map_err(|what| format!("{name}: {what}"))?;
    }
    Ok(())
}

/// The first broken invariant of a run.
pub fn check(history: &History) -> Result<(), String> {
    check_all(ALL, history)
}

fn check_all(invariants: &[Invariant], history: &History) -> Result<(), String> {
    for (name, invariant) in invariants {
        invariant(history).map_err(|what| format!("{name}: {what}"))?;
    }
    Ok(())
}
