//! "After `kill -9` of a node, `<resume/>` on the surviving node succeeds." (design, section 1) No
//! run lasts as long as a session waits for its client, so that
//! no resumption may be refused; nor is anybody told not to come again.

use crate::sim::history::{Fact, History, Phase};

pub fn check(history: &History) -> Result<(), String> {
    let mut entries = history.entries.iter();
    // Before that not everybody has an account.
    entries.find(|entry| entry.fact == Fact::Phase(Phase::Faults));
    for entry in entries {
        match &entry.fact {
            Fact::NotResumed { who } => {
                return Err(format!("person{who} could not resume, at {:?}", entry.at));
            }
            Fact::TurnedAway { who, why } => {
                return Err(format!(
                    "person{who} was turned away: {why}, at {:?}",
                    entry.at
                ));
            }
            _ => {}
        }
    }
    Ok(())
}
