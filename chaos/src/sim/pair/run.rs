//! What a run of pairs leaves, whether it is right, and whether it proves anything.

use std::time::Duration;

use pollux_domain::takeovers::TakeoverCause;

use super::plan::PairPlan;
use crate::sim::history::{Fact, History, Phase, parse_message};
use crate::sim::invariants::{self, availability_linearizable, subscriptions_linearizable};

/// See the module.
#[derive(Debug)]
pub struct PairRun {
    pub seed: u64,
    pub plan: PairPlan,
    pub history: History,
    /// From the last healing until all was well; none: it never was.
    pub recovered_in: Option<Duration>,
    /// Why the run did not come to its end.
    pub broken: Option<String>,
}

/// Reads that invariants have found in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    pub availability: usize,
    pub subscriptions: usize,
}

/// What became of services that failed, of nodes that were emptied, and of users who were away or
/// moved: how often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tended {
    /// Users went home by themselves.
    pub homecomings: usize,
    /// They left a node for its services.
    pub left: usize,
    /// An operator was told that a node is empty.
    pub drained: usize,
    /// An operator was told that users are moved.
    pub moved: usize,
}

impl PairRun {
    /// The first thing that is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        match &self.broken {
            Some(broken) => Err(broken.clone()),
            None => invariants::check_pair(&self.history, self.plan.deliver),
        }
    }

    /// A run proves something when a home or the lead changed hands after the faults had begun, and
    /// a message was under way at one of them; with two pairs, also one between the groups, or one
    /// that was said before a fault and came across after it.
    pub fn is_telling(&self) -> bool {
        let entries = self.history.entries.iter();
        let faults = entries.skip_while(|entry| entry.fact != Fact::Phase(Phase::Faults));
        let (mut changed, mut busy, mut between) = (false, false, self.plan.pairs == 1);
        let mut crossing = std::collections::BTreeMap::new();
        let mut faults_begun = 0;
        for entry in faults {
            match &entry.fact {
                Fact::Leads { .. } | Fact::Serves { .. } => changed = true,
                Fact::Fault {
                    busy: was_busy,
                    between: was_between,
                    ..
                } => {
                    faults_begun += 1;
                    busy |= was_busy;
                    between |= was_between;
                }
                Fact::Sent { id, .. } if self.crosses(id) => {
                    crossing.entry(id).or_insert(faults_begun);
                }
                Fact::Received { id, .. } if self.crosses(id) => {
                    between |= crossing.get(id).is_some_and(|sent| *sent < faults_begun);
                }
                _ => {}
            }
        }
        changed && busy && between
    }

    /// How much there is to judge reads by.
    pub fn reads(&self) -> Reads {
        Reads {
            availability: availability_linearizable::count_reads(&self.history),
            subscriptions: subscriptions_linearizable::count_reads(&self.history),
        }
    }

    pub fn tended(&self) -> Tended {
        let mut tended = Tended::default();
        for entry in &self.history.entries {
            match &entry.fact {
                Fact::TookOver(row) => match row.cause {
                    TakeoverCause::AutomaticFallback => tended.homecomings += 1,
                    TakeoverCause::CriticalServiceDown => tended.left += 1,
                    _ => {}
                },
                Fact::Drained { .. } => tended.drained += 1,
                Fact::Told { refused: None, .. } => tended.moved += 1,
                _ => {}
            }
        }
        tended
    }

    fn crosses(&self, id: &str) -> bool {
        parse_message(id).is_some_and(|(who, _)| self.plan.crosses(who))
    }
}
