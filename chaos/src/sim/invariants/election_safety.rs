//! "At most one leader can be elected in a given term" (Raft, figure 3), as far as it holds here:
//! the log's library orders the leaders of one term by their numbers, and of two that are elected
//! one right after the other the lesser commits nothing (decision 0020). So this judges leaders
//! that have committed an entry of their lead; a lease or a takeover needs no less.

use std::collections::BTreeMap;

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    let mut leaders = BTreeMap::new();
    for entry in &history.entries {
        let Fact::Leads { group, term, node } = &entry.fact else {
            continue;
        };
        let first = *leaders.entry((*group, *term)).or_insert(*node);
        if first != *node {
            return Err(format!(
                "nodes {first} and {node} both lead {group} in term {term}, at {:?}",
                entry.at
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pollux_domain::ids::{GroupId, NodeId};

    use super::*;

    #[test]
    fn a_planted_second_leader_is_found() {
        let mut history = History::default();
        for (term, node, good) in [(1, 1, true), (2, 2, true), (2, 2, true), (2, 1, false)] {
            let fact = Fact::Leads {
                group: GroupId::Configuration,
                term,
                node: NodeId(node),
            };
            history.add_at(std::time::Duration::ZERO, fact);
            assert_eq!(check(&history).is_ok(), good);
        }
    }
}
