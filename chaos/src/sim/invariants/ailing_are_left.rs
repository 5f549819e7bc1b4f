//! "A critical service of a node that stays down … fails over after its own delay." (design,
//! section 4) Not sooner, and not to a twin whose own service is down; and while all else is well,
//! for certain.

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::ids::NodeId;
use pollux_domain::takeovers::TakeoverCause;

use crate::sim::history::{Fact, History};
use crate::sim::pair::SERVICE_DELAY;

/// From the decision until it is carried out: clients are told first.
pub const CARRIED_OUT: Duration = Duration::from_secs(4);
/// A port that is taken is seen at the second look, a second after the first; then comes the delay.
const LEFT_WITHIN: Duration = Duration::from_secs(7);

pub fn check(history: &History) -> Result<(), String> {
    // Since when, and who serves each home.
    let mut down: BTreeMap<NodeId, Duration> = BTreeMap::new();
    // What was before it ran again.
    let mut was_down: BTreeMap<NodeId, Duration> = BTreeMap::new();
    let mut serving: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    let mut ailing: BTreeMap<NodeId, Duration> = BTreeMap::new();
    for entry in &history.entries {
        let at = entry.at;
        let late = ailing.iter().find(|(node, since)| {
            **since + LEFT_WITHIN < at && serving.values().any(|serves| serves == *node)
        });
        if let Some((node, since)) = late {
            return Err(format!(
                "a service of node {node} is down since {since:?}, and it serves still, at {at:?}"
            ));
        }
        match &entry.fact {
            Fact::Services {
                node,
                down: Some(lasts),
            } => {
                down.insert(*node, at.saturating_sub(*lasts));
            }
            Fact::Services { node, down: None } => {
                was_down.extend(down.remove_entry(node));
            }
            Fact::Ails { node } => _ = ailing.insert(*node, at),
            // Whatever happens then, it is not all that is wrong.
            Fact::Crashed { .. } | Fact::Healed { .. } => ailing.clear(),
            Fact::Serves { home, node, .. } => _ = serving.insert(*home, *node),
            Fact::TookOver(row) if row.cause == TakeoverCause::CriticalServiceDown => {
                let Some(from) = row.from.map(|from| from.node) else {
                    return Err(format!("home {} was left by nobody, at {at:?}", row.home));
                };
                let since = down.get(&from).or(was_down.get(&from));
                if since.is_none_or(|since| at < *since + SERVICE_DELAY) {
                    return Err(format!(
                        "home {} left node {from}, whose services are down since {since:?}, at \
                         {at:?}",
                        row.home
                    ));
                }
                let to = row.to.node;
                if let Some(since) = down.get(&to).filter(|since| **since + CARRIED_OUT < at) {
                    return Err(format!(
                        "home {} went to node {to}, whose services are down since {since:?}, at \
                         {at:?}",
                        row.home
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
    use pollux_domain::contract::Stamp;
    use pollux_domain::ids::{Epoch, Life};
    use pollux_domain::takeovers::{Owner, Takeover};

    use super::*;

    const CASTOR: NodeId = NodeId(1);
    const POLLUX: NodeId = NodeId(2);

    fn serves(node: NodeId) -> Fact {
        Fact::Serves {
            home: CASTOR,
            node,
            life: 1,
            epoch: 1,
        }
    }

    fn moves() -> Fact {
        let owner = |node| Owner {
            node,
            life: Life(1),
        };
        Fact::TookOver(Takeover {
            home: CASTOR,
            from: Some(owner(CASTOR)),
            to: owner(POLLUX),
            epoch: Epoch(2),
            cause: TakeoverCause::CriticalServiceDown,
            swaps: false,
            at: Stamp::default(),
        })
    }

    fn down(node: NodeId) -> Fact {
        Fact::Services {
            node,
            down: Some(Duration::ZERO),
        }
    }

    #[test]
    fn planted_histories_are_judged() {
        let ails = Fact::Ails { node: CASTOR };
        let runs = Fact::Services {
            node: CASTOR,
            down: None,
        };
        let end = Fact::NodeStarted;
        for (facts, good) in [
            (vec![(0, down(CASTOR)), (1_000, moves())], true),
            (vec![(0, down(CASTOR)), (999, moves())], false),
            (vec![(0, down(POLLUX)), (9_000, moves())], false),
            (
                vec![(0, down(CASTOR)), (1_500, runs), (2_000, moves())],
                true,
            ),
            (
                vec![(0, down(CASTOR)), (10, down(POLLUX)), (9_000, moves())],
                false,
            ),
            (
                vec![(0, serves(CASTOR)), (1, ails.clone()), (9_000, end.clone())],
                false,
            ),
            (
                vec![
                    (0, serves(CASTOR)),
                    (1, ails),
                    (5_000, serves(POLLUX)),
                    (9_000, end),
                ],
                true,
            ),
        ] {
            let mut history = History::default();
            for (at, fact) in &facts {
                history.add_at(Duration::from_millis(*at), fact.clone());
            }
            let judged = check(&history);
            assert_eq!(judged.is_ok(), good, "{facts:?}: {judged:?}");
        }
    }
}
