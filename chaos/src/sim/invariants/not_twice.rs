//! "Exactly once holds within a session's life." (design, section 5, Edges); with `deliver = early`
//! "a repetition is possible after a fault" (Modes).

use std::collections::BTreeSet;

use crate::sim::history::{Fact, History};

pub const NAME: &str = "not twice";

pub fn check(history: &History) -> Result<(), String> {
    first_repetition(history, false)
}

/// A repetition before any fault is one too many.
pub fn check_early(history: &History) -> Result<(), String> {
    first_repetition(history, true)
}

fn first_repetition(history: &History, until_a_fault: bool) -> Result<(), String> {
    let mut session = vec![0; 64];
    let mut seen = BTreeSet::new();
    for entry in &history.entries {
        match &entry.fact {
            Fact::Fault { .. } if until_a_fault => return Ok(()),
            Fact::Bound { who } => session[*who] += 1,
            Fact::Received { who, id } if !seen.insert((*who, session[*who], id)) => {
                return Err(format!(
                    "{id} came twice, the second time at {:?}",
                    entry.at
                ));
            }
            _ => {}
        }
    }
    Ok(())
}
