//! "Exactly once holds within a session's life." (design, section 5, Edges)

use std::collections::BTreeSet;

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    let mut session = vec![0; 64];
    let mut seen = BTreeSet::new();
    for entry in &history.entries {
        match &entry.fact {
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
