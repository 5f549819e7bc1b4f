//! Automatic fallback, as `docs/pair.md` has it: users go home by themselves when their node has
//! been well for the stable time, which each failure after the first doubles. Nobody is moved home
//! sooner, and whoever may go home does.

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::ids::NodeId;
use pollux_domain::takeovers::{Takeover, TakeoverCause};

use super::ailing_are_left::CARRIED_OUT;
use crate::sim::environment::{WALL_BEGINNING_MS, WALL_JUMP_MS};
use crate::sim::history::{Fact, History};
use crate::sim::pair::pair_of_node;

/// The world is looked at once in a step, and all clocks are cut to milliseconds.
const STEP: Duration = Duration::from_millis(2);

/// For how long a home node is to be well before its users come, after what has happened so far.
pub fn wait(history: &History, home: NodeId, stable: Duration) -> Duration {
    let failures = history.entries.iter().filter(|entry| {
        let took = took_over(&entry.fact);
        took.is_some_and(|row| row.home == home && is_failure(row))
    });
    doubled(stable, failures.count())
}

fn doubled(stable: Duration, failures: usize) -> Duration {
    let times = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    stable * 2_u32.saturating_pow(times)
}

fn took_over(fact: &Fact) -> Option<&Takeover> {
    match fact {
        Fact::TookOver(row) => Some(row),
        _ => None,
    }
}

/// The home node has lost its users because something was wrong with it.
fn is_failure(row: &Takeover) -> bool {
    let from = row.from.map(|from| from.node);
    let is_wrong = matches!(
        row.cause,
        TakeoverCause::Silent
            | TakeoverCause::DatabaseFailure
            | TakeoverCause::NoProgress
            | TakeoverCause::CriticalServiceDown
    );
    row.to.node != row.home && from != Some(row.to.node) && is_wrong
}

/// When a leader proposed it, as all clocks have it: what is carried out meanwhile it did not know.
fn proposed_at(row: &Takeover, noted: Duration) -> Duration {
    let wall = row.at.wall.0 as i64 - WALL_BEGINNING_MS as i64;
    // The clock of the leader may be off.
    let offs = [0, WALL_JUMP_MS, -WALL_JUMP_MS].into_iter();
    let right = offs.filter_map(|off| u64::try_from(wall - off).ok());
    let mut right = right.map(Duration::from_millis);
    right.find(|at| *at <= noted).unwrap_or(noted)
}

pub fn check(history: &History) -> Result<(), String> {
    let mut stable = None;
    let mut failures: BTreeMap<NodeId, usize> = BTreeMap::new();
    // The takeovers of a pair, each with its home; the starts of a node.
    let mut moved: BTreeMap<usize, Vec<(Duration, NodeId)>> = BTreeMap::new();
    let mut started: BTreeMap<NodeId, Vec<Duration>> = BTreeMap::new();
    for entry in &history.entries {
        match &entry.fact {
            Fact::FallsBack { stable: after } => stable = Some(*after),
            Fact::Started { node, .. } => started.entry(*node).or_default().push(entry.at),
            Fact::TookOver(row) => {
                let home = row.home;
                let known = failures.entry(home).or_default();
                if row.cause == TakeoverCause::AutomaticFallback {
                    let Some(stable) = stable else {
                        return Err(format!("home {home} was moved, and nobody had set that"));
                    };
                    let wait = doubled(stable, *known);
                    let proposed = proposed_at(row, entry.at);
                    // While these are given up, others may be moved: it was decided before.
                    let is_before = |(at, of): &&(Duration, NodeId)| {
                        *of == home || *at + CARRIED_OUT <= proposed
                    };
                    let moved = moved.get(&pair_of_node(home)).into_iter().flatten();
                    let moved = moved.filter(is_before).map(|(at, _)| *at);
                    let started = started.get(&home).into_iter().flatten().copied();
                    let before = moved.chain(started);
                    let since = before.filter(|at| *at <= proposed).max();
                    let waited = proposed.saturating_sub(since.unwrap_or_default());
                    if row.to.node != home || waited + STEP < wait {
                        return Err(format!(
                            "home {home} went to node {} {waited:?} after the last takeover and \
                             start, not {wait:?}, at {:?}",
                            row.to.node, entry.at
                        ));
                    }
                }
                *known += usize::from(is_failure(row));
                let of_pair = moved.entry(pair_of_node(home)).or_default();
                of_pair.push((entry.at, home));
            }
            Fact::EndsAt { home, node } if home != node => {
                return Err(format!(
                    "all is well, and home {home} is with node {node} still, at {:?}",
                    entry.at
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pollux_domain::contract::Stamp;
    use pollux_domain::ids::{Epoch, GroupMs, Life, WallMs};
    use pollux_domain::takeovers::Owner;

    use super::*;

    const CASTOR: NodeId = NodeId(1);
    const POLLUX: NodeId = NodeId(2);
    const STABLE: Fact = Fact::FallsBack {
        stable: Duration::from_secs(1),
    };

    fn owner(node: NodeId) -> Owner {
        Owner {
            node,
            life: Life(1),
        }
    }

    fn moves(from: NodeId, to: NodeId, cause: TakeoverCause) -> Fact {
        moves_of(CASTOR, from, to, cause)
    }

    fn moves_of(home: NodeId, from: NodeId, to: NodeId, cause: TakeoverCause) -> Fact {
        Fact::TookOver(Takeover {
            home,
            from: Some(owner(from)),
            to: owner(to),
            epoch: Epoch(1),
            cause,
            swaps: false,
            at: Stamp::default(),
        })
    }

    fn history(facts: &[(u64, Fact)]) -> History {
        let mut history = History::default();
        for (at, fact) in facts {
            history.add_at(Duration::from_millis(*at), fact.clone());
        }
        history
    }

    /// Castor's users come home, as was proposed so long ago, with a clock that is so far off.
    fn proposed(at: u64, off: i64) -> Fact {
        let mut row = moves(POLLUX, CASTOR, TakeoverCause::AutomaticFallback);
        if let Fact::TookOver(row) = &mut row {
            row.at = Stamp {
                group: GroupMs(0),
                wall: WallMs((WALL_BEGINNING_MS + at).saturating_add_signed(off)),
            };
        }
        row
    }

    #[test]
    fn what_the_leader_could_not_know_does_not_count() {
        let away = moves(CASTOR, POLLUX, TakeoverCause::Silent);
        let other = moves(POLLUX, POLLUX, TakeoverCause::StartedAgain);
        for off in [0, WALL_JUMP_MS, -WALL_JUMP_MS] {
            for (moved, good) in [(1_000, false), (1_020, true)] {
                let facts = [
                    (0, STABLE),
                    (5, away.clone()),
                    (moved, other.clone()),
                    (1_100, proposed(1_010, off)),
                ];
                let judged = check(&history(&facts));
                assert_eq!(judged.is_ok(), good, "{moved}, {off}: {judged:?}");
            }
        }
    }

    #[test]
    fn planted_histories_are_judged() {
        let away = || moves(CASTOR, POLLUX, TakeoverCause::Silent);
        let home = || moves(POLLUX, CASTOR, TakeoverCause::AutomaticFallback);
        let other = || moves(POLLUX, POLLUX, TakeoverCause::StartedAgain);
        let others = || moves_of(POLLUX, POLLUX, CASTOR, TakeoverCause::Silent);
        let started = || Fact::Started {
            node: CASTOR,
            life: 2,
        };
        let ends = |node| Fact::EndsAt { home: CASTOR, node };
        for (facts, good) in [
            (vec![(0, STABLE), (5, away()), (1_005, home())], true),
            (vec![(5, away()), (1_005, home())], false),
            (vec![(0, STABLE), (5, away()), (1_000, home())], false),
            (
                vec![(0, STABLE), (5, away()), (500, started()), (1_100, home())],
                false,
            ),
            (
                vec![(0, STABLE), (5, away()), (500, other()), (1_100, home())],
                false,
            ),
            (
                vec![
                    (0, STABLE),
                    (5, away()),
                    (1_005, home()),
                    (2_000, away()),
                    (3_500, home()),
                ],
                false,
            ),
            (
                vec![
                    (0, STABLE),
                    (5, away()),
                    (1_005, home()),
                    (2_000, away()),
                    (4_000, home()),
                ],
                true,
            ),
            // Others are moved while these are given up, and long before.
            (
                vec![(0, STABLE), (5, away()), (990, others()), (1_005, home())],
                true,
            ),
            (
                vec![
                    (0, STABLE),
                    (5, away()),
                    (10, away()),
                    (20, away()),
                    (30, away()),
                    (8_000, others()),
                    (12_500, home()),
                ],
                false,
            ),
            (vec![(0, STABLE), (9, ends(CASTOR))], true),
            (vec![(0, STABLE), (9, ends(POLLUX))], false),
        ] {
            let judged = check(&history(&facts));
            assert_eq!(judged.is_ok(), good, "{facts:?}: {judged:?}");
        }
    }
}
