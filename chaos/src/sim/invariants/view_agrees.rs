//! "Announcements to watchers must agree with the database, in which a detached session is
//! available, within 2 s after healing." (design, section 5) Neither a ghost nor a contact that is
//! missing.

use std::collections::{BTreeMap, BTreeSet};

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    let mut views: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    let mut truths: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for entry in &history.entries {
        match &entry.fact {
            // A new session is told everything afresh.
            Fact::Bound { who } => views.entry(*who).or_default().clear(),
            Fact::Presence { who, from, kind } if from.contains('/') => {
                let view = views.entry(*who).or_default();
                match kind.as_str() {
                    "" => view.insert(from),
                    "unavailable" => view.remove(from.as_str()),
                    _ => false,
                };
            }
            Fact::Truth {
                who,
                jid,
                available: true,
            } => {
                truths.entry(*who).or_default().insert(jid);
            }
            _ => {}
        }
    }
    for (who, truth) in &truths {
        let partner = who ^ 1;
        let seen = views.remove(&partner).unwrap_or_default();
        let of_them = |jid: &&&str| jid.starts_with(&format!("person{who}@"));
        let seen: BTreeSet<&str> = seen.iter().filter(of_them).copied().collect();
        if seen != *truth {
            return Err(format!(
                "person{partner} sees {seen:?} of person{who}, the database has {truth:?}"
            ));
        }
    }
    Ok(())
}
