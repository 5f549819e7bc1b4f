//! "The cluster's configuration group replicates … users." (design, section 4) Whom an operator was
//! told to be added is there at the end.

use std::collections::BTreeSet;

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    let mut found = BTreeSet::new();
    for entry in &history.entries {
        if let Fact::UserFound { user } = &entry.fact {
            found.insert(user);
        }
    }
    for entry in &history.entries {
        if let Fact::UserAdded { user } = &entry.fact
            && !found.contains(user)
        {
            return Err(format!("{user} was added at {:?} and is gone", entry.at));
        }
    }
    Ok(())
}
