//! What must hold in every run, one file each. An invariant reads a history and returns the first
//! thing that breaks it.

mod all_arrive;
mod handled_committed;
mod handled_forwards;
mod not_lost;
mod not_twice;
mod order_kept;

use super::history::History;

/// A name and a judge.
pub type Invariant = (&'static str, fn(&History) -> Result<(), String>);

/// All of them.
pub const ALL: &[Invariant] = &[
    ("not lost", not_lost::check),
    ("not twice", not_twice::check),
    ("order kept", order_kept::check),
    ("handled runs forwards", handled_forwards::check),
    ("handled is committed", handled_committed::check),
    ("all arrive", all_arrive::check),
];

/// The first broken invariant of a run.
pub fn check(history: &History) -> Result<(), String> {
    for (name, invariant) in ALL {
        invariant(history).map_err(|what| format!("{name}: {what}"))?;
    }
    Ok(())
}
