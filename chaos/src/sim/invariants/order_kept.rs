//! Stanzas between two entities keep their order (RFC 6120 section 10.1).

use std::collections::BTreeMap;

use crate::sim::history::{Fact, History, parse_message};

pub fn check(history: &History) -> Result<(), String> {
    let mut last = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for entry in &history.entries {
        let Fact::Received { who, id } = &entry.fact else {
            continue;
        };
        let Some((sender, number)) = parse_message(id) else {
            continue;
        };
        // What came again in a later session is judged by `not_twice`.
        if !seen.insert((*who, id)) {
            continue;
        }
        let before = last.insert((*who, sender), number).unwrap_or(0);
        if number < before {
            return Err(format!(
                "{id} came after m{sender}-{before}, at {:?}",
                entry.at
            ));
        }
    }
    Ok(())
}
