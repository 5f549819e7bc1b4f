//! "`apply` refuses a smaller epoch." (design, section 4) Each change of who serves a home raises
//! the epoch, also as each replica sees it.

use std::collections::BTreeMap;

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    let mut newest = BTreeMap::new();
    let mut at_replicas = BTreeMap::new();
    for entry in &history.entries {
        let at = entry.at;
        match &entry.fact {
            Fact::Serves { home, epoch, .. } => {
                let last = newest.insert(*home, *epoch).unwrap_or(0);
                if *epoch <= last {
                    return Err(format!(
                        "home {home} went from epoch {last} to {epoch}, at {at:?}"
                    ));
                }
            }
            // A replica that was started again begins where its snapshot stands.
            Fact::ServedAt {
                replica,
                life,
                home,
                epoch,
            } => {
                let last = at_replicas.insert((*replica, *life, *home), *epoch);
                if *epoch < last.unwrap_or(0) {
                    return Err(format!(
                        "home {home} fell to epoch {epoch} at node {replica}, at {at:?}"
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pollux_domain::ids::NodeId;

    use super::*;

    #[test]
    fn a_planted_fall_is_found() {
        let mut history = History::default();
        for (replica, life, epoch, good) in [
            (1, 1, 1, true),
            (1, 1, 2, true),
            (2, 1, 1, true),
            (1, 2, 1, true),
            (2, 1, 3, true),
            (2, 1, 2, false),
        ] {
            let fact = Fact::ServedAt {
                replica: NodeId(replica),
                life,
                home: NodeId(1),
                epoch,
            };
            history.add_at(Duration::ZERO, fact);
            assert_eq!(check(&history).is_ok(), good, "{replica}, {life}: {epoch}");
        }
    }
}
