//! "`apply` refuses a smaller epoch." (design, section 4) Each change of who serves a home raises
//! the epoch by one.

use std::collections::BTreeMap;

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    let mut newest = BTreeMap::new();
    for entry in &history.entries {
        let Fact::Serves { home, epoch, .. } = &entry.fact else {
            continue;
        };
        let last = newest.insert(*home, *epoch).unwrap_or(0);
        if *epoch <= last {
            return Err(format!(
                "home {home} went from epoch {last} to {epoch}, at {:?}",
                entry.at
            ));
        }
    }
    Ok(())
}
