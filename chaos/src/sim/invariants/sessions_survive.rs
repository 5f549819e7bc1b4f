//! "After `kill -9` of a node, `<resume/>` on the surviving node succeeds." (design, section 1) No
//! run lasts as long as a session waits for its client, so that no resumption may be refused.

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    for entry in &history.entries {
        if let Fact::NotResumed { who } = &entry.fact {
            return Err(format!("person{who} could not resume, at {:?}", entry.at));
        }
    }
    Ok(())
}
