//! "No false `unavailable` during a takeover" (design, section 1): whoever is shown as gone has
//! lost or closed the session about then.

use std::collections::BTreeMap;
use std::time::Duration;

use super::gone_once;
use crate::sim::history::{Fact, History};

/// Between a session's end and the next one's beginning, as its client sees both, and until the
/// last watcher has heard of it.
const ABOUT: Duration = Duration::from_secs(10);

pub fn check(history: &History) -> Result<(), String> {
    let mut ends: BTreeMap<usize, Vec<Duration>> = BTreeMap::new();
    let mut bound = BTreeMap::new();
    for entry in &history.entries {
        match &entry.fact {
            Fact::Bound { who } if bound.insert(*who, entry.at).is_some() => {
                ends.entry(*who).or_default().push(entry.at);
            }
            Fact::Left { who } => ends.entry(*who).or_default().push(entry.at),
            Fact::Gone { who } => {
                let given_up = entry.at + gone_once::WAITS;
                ends.entry(*who).or_default().push(given_up);
            }
            _ => {}
        }
    }
    for entry in &history.entries {
        let Fact::Presence { who, from, kind } = &entry.fact else {
            continue;
        };
        if kind != "unavailable" {
            continue;
        }
        let partner = who ^ 1;
        let ended = ends.get(&partner).into_iter().flatten();
        let mut near = ended.filter(|end| entry.at.abs_diff(**end) < ABOUT);
        if from.starts_with(&format!("person{partner}@")) && near.next().is_none() {
            return Err(format!(
                "person{who} was told that {from} is gone, which it was not, at {:?}",
                entry.at
            ));
        }
    }
    Ok(())
}
