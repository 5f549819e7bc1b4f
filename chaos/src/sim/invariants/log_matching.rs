//! "If a server has applied a log entry at a given index to its state machine, no other server will
//! ever apply a different log entry for the same index." (Raft, figure 3)

use std::collections::BTreeMap;

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    let mut known = BTreeMap::new();
    for entry in &history.entries {
        let Fact::Applied {
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
                "nodes {by} and {node} applied different entries at {index} of {group}, at {:?}",
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
    fn a_planted_difference_is_found() {
        let mut history = History::default();
        for (node, index, digest, good) in [
            (1, 1, 7, true),
            (2, 1, 7, true),
            (1, 2, 8, true),
            (3, 2, 9, false),
        ] {
            let fact = Fact::Applied {
                group: GroupId::Configuration,
                node: NodeId(node),
                index,
                digest,
            };
            history.add_at(std::time::Duration::ZERO, fact);
            assert_eq!(check(&history).is_ok(), good);
        }
    }
}
