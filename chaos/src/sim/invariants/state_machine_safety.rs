//! Replicas that have applied the same entries hold the same state, whichever way they came to it:
//! by the log, by a snapshot, or by a restart.

use std::collections::BTreeMap;

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    let mut known = BTreeMap::new();
    for entry in &history.entries {
        let Fact::State {
            group,
            node,
            index,
            digest,
        } = &entry.fact
        else {
            continue;
        };
        let (first, by) = *known.entry((*group, *index)).or_insert((*digest, *node));
        if first != *digest {
            return Err(format!(
                "nodes {by} and {node} differ after entry {index} of {group}, at {:?}",
                entry.at
            ));
        }
    }
    Ok(())
}
