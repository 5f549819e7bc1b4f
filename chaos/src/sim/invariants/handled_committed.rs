//! "… or ahead of what is committed." (design, section 5, rule 1) What a node said before a crash
//! and is not committed would be missing from the count with which its next life resumes; a count
//! above what was sent is no client's.

use std::collections::BTreeMap;

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    let mut told: BTreeMap<usize, u32> = BTreeMap::new();
    for entry in &history.entries {
        match &entry.fact {
            Fact::Bound { who } => {
                told.insert(*who, 0);
            }
            Fact::Handled { who, h } => {
                told.insert(*who, *h);
            }
            Fact::Resumed { who, h, .. } if *h < told.get(who).copied().unwrap_or(0) => {
                return Err(format!(
                    "person{who} resumed at {h}, told more, at {:?}",
                    entry.at
                ));
            }
            Fact::HandledAhead { who, sent, h } => {
                return Err(format!(
                    "person{who} was told {h} of {sent}, at {:?}",
                    entry.at
                ));
            }
            _ => {}
        }
    }
    Ok(())
}
