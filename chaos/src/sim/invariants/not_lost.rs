//! "An acknowledged stanza is delivered exactly once, stored, or refused with an error that
//! arrives." (design, section 5) At the end of a run everybody is there, so that nothing is stored
//! any more.

use crate::sim::history::History;

pub fn check(history: &History) -> Result<(), String> {
    match history.missing().first() {
        None => Ok(()),
        Some(id) => Err(format!("{id} was acknowledged and never arrived")),
    }
}
