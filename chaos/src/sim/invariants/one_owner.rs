//! "One serving node per user at any time" (design, section 1): nobody speaks for a home under an
//! older epoch after somebody has spoken under a newer one, and no epoch has two owners.

use std::collections::BTreeMap;

use pollux_domain::ids::NodeId;

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    let mut newest: BTreeMap<NodeId, (u64, NodeId, u64)> = BTreeMap::new();
    for entry in &history.entries {
        let Fact::Acted {
            home,
            node,
            life,
            epoch,
        } = &entry.fact
        else {
            continue;
        };
        let at = entry.at;
        let Some(epoch) = *epoch else {
            return Err(format!(
                "node {node} spoke for home {home} without a lease, at {at:?}"
            ));
        };
        let (last, by, in_life) = *newest.entry(*home).or_insert((epoch, *node, *life));
        if epoch < last {
            return Err(format!(
                "node {node} spoke for home {home} under epoch {epoch} after node {by} had under \
                 {last}, at {at:?}"
            ));
        }
        if epoch == last && (by, in_life) != (*node, *life) {
            return Err(format!(
                "epoch {epoch} of home {home} has two owners, nodes {by} and {node}, at {at:?}"
            ));
        }
        newest.insert(*home, (epoch, *node, *life));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(acts: &[(u16, Option<u64>)]) -> History {
        let mut history = History::default();
        for (node, epoch) in acts {
            let fact = Fact::Acted {
                home: NodeId(1),
                node: NodeId(*node),
                life: 1,
                epoch: *epoch,
            };
            history.add_at(std::time::Duration::ZERO, fact);
        }
        history
    }

    #[test]
    fn planted_histories_are_judged() {
        for (acts, good) in [
            (&[(1, Some(1)), (2, Some(2)), (1, Some(4))][..], true),
            (&[(1, Some(1)), (2, Some(2)), (1, Some(1))], false),
            (&[(1, Some(1)), (2, Some(1))], false),
            (&[(1, Some(1)), (1, None)], false),
        ] {
            assert_eq!(check(&history(acts)).is_ok(), good, "{acts:?}");
        }
    }
}
