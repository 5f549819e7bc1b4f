//! What must hold: while a seed runs, and when everything is whole again.

use super::super::faults::BEGIN_US;
use super::super::node::Event;
use super::{Cluster, Violation, clock};
use crate::election::Role;

impl Cluster {
    pub(super) fn check_event(&mut self, index: usize, event: &Event) {
        match event {
            Event::Elected => self.check_elected(index),
            Event::HandedOver => self.seen.handovers += 1,
            // Two begin to hold at the moment at which the second begins to.
            Event::Held(home) => {
                let holders = (0..3).filter(|other| self.holds(*other, *home));
                if 1 < holders.count() {
                    self.violation = Some(Violation::TwoHolders {
                        home: *home,
                        at_us: self.now,
                    });
                }
            }
        }
    }

    /// Each leadership, that is term and voter, is won once.
    fn check_elected(&mut self, index: usize) {
        let Some(node) = &self.hosts[index].node else {
            return;
        };
        let won = (node.core.disk.vote.term, node.me);
        if self.won.contains(&won) {
            self.violation = Some(Violation::ElectedTwice { at_us: self.now });
        }
        self.won.push(won);
        self.seen.elections += 1;
        if self.plan.no_election && BEGIN_US < self.now {
            self.violation = Some(Violation::Disturbed { at_us: self.now });
        }
    }

    /// All agree on what is committed.
    pub(super) fn check_commits(&mut self, index: usize) {
        let Some(node) = &self.hosts[index].node else {
            return;
        };
        let committed = node.core.committed as usize;
        let log = &node.core.disk.log;
        if self.checked[index] == committed {
            return;
        }
        let from = self.checked[index].min(self.commits.len());
        self.checked[index] = committed;
        let shared = committed.min(self.commits.len());
        if from < shared && log[from..shared] != self.commits[from..shared] {
            self.violation = Some(Violation::CommitsDiffer { index: from });
        }
        if shared < committed {
            self.commits.extend_from_slice(&log[shared..committed]);
        }
    }

    pub(super) fn check_end(&mut self) {
        let leaders: Vec<usize> = (0..3).filter(|index| self.leads(*index)).collect();
        if leaders.len() != 1 {
            self.violation = Some(Violation::NoLeader {
                leaders: leaders.len(),
            });
            return;
        }
        self.check_takeovers(leaders[0]);
        let role = |index: usize| self.voters[&self.names[index]];
        let twin_up = (0..3).any(|i| role(i) == Role::Twin && self.hosts[i].node.is_some());
        if role(leaders[0]) == Role::Witness && twin_up {
            self.violation = Some(Violation::WitnessLeads);
            return;
        }
        for (voter, home_role) in self.voters.clone() {
            if home_role == Role::Witness {
                continue;
            }
            let served = (0..3).any(|index| self.holds(index, voter.node));
            if !served && self.must_be_served(leaders[0], voter.node) {
                self.violation = Some(Violation::Unserved { home: voter.node });
            }
        }
    }

    /// Each home was given to its own node when that began. What comes after is a takeover.
    fn check_takeovers(&mut self, leader: usize) {
        let Some(node) = &self.hosts[leader].node else {
            return;
        };
        let epochs: u64 = node.serving.values().map(|served| served.epoch.0).sum();
        self.seen.takeovers = epochs.saturating_sub(node.serving.len() as u64);
        if self.plan.no_takeover && 0 < self.seen.takeovers {
            self.violation = Some(Violation::Disturbed { at_us: self.now });
        }
    }

    /// With HA, always; without, while its owner is up.
    fn must_be_served(&self, leader: usize, home: pollux_domain::ids::NodeId) -> bool {
        let owner = self.hosts[leader]
            .node
            .as_ref()
            .and_then(|node| node.serving.get(&home))
            .map(|served| served.node);
        let owner_up = self.hosts.iter().filter_map(|host| host.node.as_ref());
        let owner_up = owner_up
            .map(|node| node.me.node)
            .any(|node| Some(node) == owner);
        self.plan.ha_on || owner_up
    }

    fn leads(&self, index: usize) -> bool {
        let host = &self.hosts[index];
        let now = clock(host.offset, host.drift, self.now);
        host.node.as_ref().is_some_and(|node| {
            node.core.lead.is_some() && node.election.confirmed(now, &node.facts(now))
        })
    }

    fn holds(&self, index: usize, home: pollux_domain::ids::NodeId) -> bool {
        let host = &self.hosts[index];
        let now = clock(host.offset, host.drift, self.now);
        host.node.as_ref().is_some_and(|node| node.holds(home, now))
    }
}
