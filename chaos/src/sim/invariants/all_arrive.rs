//! After the last fault everything that was sent comes to an end: acknowledged and received, or
//! known to be in doubt. This is the liveness half of a run.

use std::collections::BTreeSet;

use crate::sim::history::{Fact, History, is_message};

pub fn check(history: &History) -> Result<(), String> {
    let doubted: BTreeSet<&String> = history
        .entries
        .iter()
        .filter_map(|entry| match &entry.fact {
            Fact::Unknown { id, .. } => Some(id),
            _ => None,
        })
        .collect();
    for entry in &history.entries {
        let Fact::Sent { id, .. } = &entry.fact else {
            continue;
        };
        if is_message(id) && !history.acknowledged.contains(id) && !doubted.contains(id) {
            return Err(format!("{id} was sent and nothing came of it"));
        }
    }
    Ok(())
}
