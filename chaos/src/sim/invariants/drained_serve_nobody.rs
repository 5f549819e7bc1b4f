//! "A drained node is empty and stays so … it takes nobody over." (`docs/membership.md`) From when
//! its operator was told so until that is taken back it neither speaks for anybody nor is anybody
//! given to it; and while all is well it is empty soon.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pollux_domain::ids::NodeId;

use crate::sim::history::{Fact, History};

/// The world is looked at once in a step: after what an operator was told in it.
const STEP: Duration = Duration::from_millis(2);

pub fn check(history: &History) -> Result<(), String> {
    let mut drained: BTreeSet<NodeId> = BTreeSet::new();
    // Nothing hinders them.
    let mut awaited: BTreeSet<NodeId> = BTreeSet::new();
    // Whom each home is served by; nodes whose operator has just been told that they are empty.
    let mut serving: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    let mut told: BTreeMap<NodeId, Duration> = BTreeMap::new();
    for entry in &history.entries {
        let at = entry.at;
        if let Some(node) = told
            .iter()
            .find_map(|(node, since)| (*since + STEP < at).then_some(*node))
        {
            told.remove(&node);
            if let Some((home, _)) = serving.iter().find(|(_, serves)| **serves == node) {
                return Err(format!(
                    "an operator was told that node {node} is empty, and it serves home {home}, \
                     before {at:?}"
                ));
            }
        }
        match &entry.fact {
            Fact::Drains {
                node,
                while_well: true,
            } => _ = awaited.insert(*node),
            Fact::Drained { node } => {
                drained.insert(*node);
                told.insert(*node, at);
                awaited.remove(node);
            }
            Fact::Undrains { node } => {
                drained.remove(node);
                told.remove(node);
                if awaited.remove(node) {
                    return Err(format!("node {node} was not empty in time, at {at:?}"));
                }
            }
            Fact::Serves { home, node, .. } => _ = serving.insert(*home, *node),
            Fact::Acted { home, node, .. } if drained.contains(node) => {
                return Err(format!(
                    "node {node} is drained and spoke for home {home}, at {at:?}"
                ));
            }
            Fact::TookOver(row) if drained.contains(&row.to.node) => {
                let (node, home) = (row.to.node, row.home);
                return Err(format!(
                    "node {node} is drained and was given home {home} ({}), at {at:?}",
                    row.cause
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASTOR: NodeId = NodeId(1);

    #[test]
    fn planted_histories_are_judged() {
        let drains = |while_well| Fact::Drains {
            node: CASTOR,
            while_well,
        };
        let drained = Fact::Drained { node: CASTOR };
        let undrains = Fact::Undrains { node: CASTOR };
        let acted = Fact::Acted {
            home: CASTOR,
            node: CASTOR,
            life: 1,
            epoch: Some(1),
        };
        let serves = |node| Fact::Serves {
            home: CASTOR,
            node,
            life: 1,
            epoch: 1,
        };
        let end = Fact::NodeStarted;
        for (facts, good) in [
            (
                vec![
                    drains(true),
                    acted.clone(),
                    drained.clone(),
                    undrains.clone(),
                ],
                true,
            ),
            (
                vec![
                    drains(true),
                    drained.clone(),
                    undrains.clone(),
                    acted.clone(),
                ],
                true,
            ),
            (vec![drains(true), drained.clone(), acted.clone()], false),
            (vec![drains(true), undrains.clone()], false),
            (vec![drains(false), undrains.clone()], true),
            (vec![serves(CASTOR), drained.clone(), end.clone()], false),
            (vec![serves(NodeId(2)), drained.clone(), end.clone()], true),
        ] {
            let mut history = History::default();
            for (step, fact) in (0..).zip(&facts) {
                history.add_at(10 * step * STEP, fact.clone());
            }
            let judged = check(&history);
            assert_eq!(judged.is_ok(), good, "{facts:?}: {judged:?}");
        }
    }
}
