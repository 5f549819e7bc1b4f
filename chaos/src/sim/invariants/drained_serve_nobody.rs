//! "A drained node is empty and stays so: it takes nobody over." (`docs/membership.md`) From when its
//! operator was told so until that is taken back it neither speaks for anybody nor is anybody given
//! to it; and while all is well it is empty soon.

use std::collections::BTreeSet;

use pollux_domain::ids::NodeId;

use crate::sim::history::{Fact, History};

pub fn check(history: &History) -> Result<(), String> {
    let mut drained: BTreeSet<NodeId> = BTreeSet::new();
    // Nothing hinders them.
    let mut awaited: BTreeSet<NodeId> = BTreeSet::new();
    for entry in &history.entries {
        let at = entry.at;
        match &entry.fact {
            Fact::Drains { node, while_well } => {
                if *while_well {
                    awaited.insert(*node);
                }
            }
            Fact::Drained { node } => {
                drained.insert(*node);
                awaited.remove(node);
            }
            Fact::Undrains { node } => {
                drained.remove(node);
                if awaited.remove(node) {
                    return Err(format!("node {node} was not empty in time, at {at:?}"));
                }
            }
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
    use std::time::Duration;

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
        ] {
            let mut history = History::default();
            for fact in &facts {
                history.add_at(Duration::ZERO, fact.clone());
            }
            assert_eq!(check(&history).is_ok(), good, "{facts:?}");
        }
    }
}
