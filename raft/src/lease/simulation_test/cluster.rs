//! Three nodes, a network and a true time: runs one seed and says what was wrong, if anything.

use std::collections::BTreeMap;
use std::time::Duration;

use pollux_domain::ids::{Incarnation, NodeId, Voter};

use super::Planted;
use super::core::{Disk, Entry, Item, Vote};
use super::faults::Plan;
use super::node::{Node, Say, Wishes};
use super::rng::Rng;
use crate::election::Role;

mod check;
mod harm;

pub(super) const MS: u64 = 1_000;

/// Why a seed fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Violation {
    TwoHolders { home: NodeId, at_us: u64 },
    ElectedTwice { at_us: u64 },
    CommitsDiffer { index: usize },
    NoLeader { leaders: usize },
    WitnessLeads,
    Unserved { home: NodeId },
    Disturbed { at_us: u64 },
}

/// What has happened in a seed, to see that something did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) elections: u64,
    pub(super) handovers: u64,
    pub(super) takeovers: u64,
}

enum What {
    Say { from: usize, to: usize, say: Say },
    Tick(usize, u64),
    CoreDone(usize, u64, Item),
    Fault(usize),
    Heal(usize),
}

/// A node and what is done to it.
struct Host {
    node: Option<Node>,
    disk: Disk,
    life: u64,
    offset: u64,
    /// Millionths by which its clock goes faster.
    drift: u64,
    busy: bool,
    paused_until: u64,
    slow_us: u64,
    stuck_until: u64,
    ticks: u64,
}

pub(super) struct Cluster {
    now: u64,
    rng: Rng,
    planted: Planted,
    plan: Plan,
    wishes: Wishes,
    voters: BTreeMap<Voter, Role>,
    names: Vec<Voter>,
    hosts: Vec<Host>,
    queue: BTreeMap<(u64, u64), What>,
    count: u64,
    /// By sender and receiver: until when nothing passes.
    cut_until: [[u64; 3]; 3],
    loss_percent: u64,
    delay_us: u64,
    lives: u64,
    commits: Vec<Entry>,
    /// How much of each node's log was compared with these.
    checked: [usize; 3],
    won: Vec<(u64, Voter)>,
    seen: Seen,
    violation: Option<Violation>,
}

impl Cluster {
    pub(super) fn new(seed: u64, plan: impl FnOnce(&mut Rng) -> Plan, planted: Planted) -> Cluster {
        let mut rng = Rng(seed);
        let plan = plan(&mut rng);
        let witness = rng.between(0, 3) as usize;
        let name = |index: usize| Voter {
            node: NodeId(index as u16 + 1),
            incarnation: Incarnation(1),
        };
        let names: Vec<Voter> = (0..3).map(name).collect();
        let role = |index| {
            if index == witness {
                Role::Witness
            } else {
                Role::Twin
            }
        };
        let voters = (0..3).map(|index| (names[index], role(index))).collect();
        let hosts = (0..3)
            .map(|index| Host::new(names[index], &mut rng))
            .collect();
        let mut cluster = Cluster {
            now: 0,
            planted,
            wishes: Wishes {
                ha_on: plan.ha_on,
                moves: BTreeMap::new(),
            },
            voters,
            names,
            hosts,
            queue: BTreeMap::new(),
            count: 0,
            cut_until: [[0; 3]; 3],
            loss_percent: 0,
            delay_us: 5 * MS,
            lives: 0,
            commits: Vec::new(),
            checked: [0; 3],
            won: Vec::new(),
            seen: Seen::default(),
            violation: None,
            rng,
            plan,
        };
        for index in 0..3 {
            cluster.start(index);
        }
        for index in 0..cluster.plan.faults.len() {
            let (at, _) = cluster.plan.faults[index];
            cluster.at(at, What::Fault(index));
        }
        cluster
    }

    /// Runs to the end and checks that all is well then.
    pub(super) fn run(mut self) -> Result<Seen, Violation> {
        let end = self.plan.end_us;
        while let Some(((at, _), what)) = self.queue.pop_first() {
            if end < at || self.violation.is_some() {
                break;
            }
            self.now = at;
            self.step(what);
        }
        self.now = end;
        if self.violation.is_none() {
            self.check_end();
        }
        match self.violation {
            Some(violation) => Err(violation),
            None => Ok(self.seen),
        }
    }

    fn step(&mut self, what: What) {
        let (index, life) = match &what {
            What::Say { to, .. } => (*to, self.hosts[*to].life),
            What::Tick(index, life) | What::CoreDone(index, life, _) => (*index, *life),
            What::Fault(fault) => return self.fault(*fault),
            What::Heal(index) => return self.start(*index),
        };
        let host = &mut self.hosts[index];
        let Some(node) = &mut host.node else { return };
        if host.life != life {
            return;
        }
        if self.now < host.paused_until {
            let until = host.paused_until;
            return self.at(until, what);
        }
        let now = clock(host.offset, host.drift, self.now);
        match what {
            What::Say { from, say, .. } => node.hear(now, self.names[from], say, &self.wishes),
            What::CoreDone(_, _, item) => {
                host.busy = false;
                node.core_done(now, item, &self.wishes);
            }
            _ => self.tick(index, now),
        }
        self.after(index);
    }

    /// Every 25 ms; and what the shell does more seldom.
    fn tick(&mut self, index: usize, now: Duration) {
        let dice = self.rng.next();
        let host = &mut self.hosts[index];
        let Some(node) = &mut host.node else { return };
        host.ticks += 1;
        node.tick(now, dice, &self.wishes);
        if host.ticks.is_multiple_of(3) {
            node.renew(now);
        }
        if host.ticks.is_multiple_of(4) {
            node.heartbeat();
        }
        if self.plan.writes && dice.is_multiple_of(2) {
            node.work(dice);
        }
        let life = host.life;
        let next = self.now + 25 * MS + self.rng.between(0, 2 * MS);
        self.at(next, What::Tick(index, life));
    }

    /// What an event has brought about: messages, the core's next piece of work, and the checks.
    fn after(&mut self, index: usize) {
        let Some(node) = &mut self.hosts[index].node else {
            return;
        };
        let said = std::mem::take(&mut node.said);
        let events = std::mem::take(&mut node.events);
        for (to, say) in said {
            let to = self.names.iter().position(|name| *name == to);
            self.send(index, to.unwrap_or(index), say);
        }
        self.start_core(index);
        for event in events {
            self.check_event(index, &event);
        }
        self.check_commits(index);
    }

    fn send(&mut self, from: usize, to: usize, say: Say) {
        if from == to {
            return self.at(self.now + 20, What::Say { from, to, say });
        }
        let lost = self.rng.between(0, 100) < self.loss_percent;
        if lost || self.now < self.cut_until[from][to] {
            return;
        }
        let takes = 200 + self.rng.between(0, self.delay_us);
        self.at(self.now + takes, What::Say { from, to, say });
    }

    fn start_core(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        let Some(node) = &mut host.node else { return };
        if host.busy {
            return;
        }
        let Some(item) = node.inbox.pop_front() else {
            return;
        };
        host.busy = true;
        let mut done = self.now + 20;
        if node.core.needs_flush(&item) {
            node.flush_since = Some(clock(host.offset, host.drift, self.now));
            done = self.now.max(host.stuck_until) + self.rng.between(200, 3 * MS + host.slow_us);
        }
        let life = host.life;
        self.at(done, What::CoreDone(index, life, item));
    }

    fn start(&mut self, index: usize) {
        self.lives += 1;
        let host = &mut self.hosts[index];
        if host.node.is_some() {
            return;
        }
        host.life = self.lives;
        host.busy = false;
        host.paused_until = 0;
        self.checked[index] = 0;
        let now = clock(host.offset, host.drift, self.now);
        host.node = Some(Node::start(
            self.names[index],
            &self.voters,
            host.disk.clone(),
            self.lives,
            now,
            self.planted,
        ));
        let life = host.life;
        let first = self.now + self.rng.between(0, 25 * MS);
        self.at(first, What::Tick(index, life));
    }

    fn stop(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        if let Some(node) = host.node.take() {
            host.disk = node.core.disk;
        }
    }

    fn at(&mut self, at: u64, what: What) {
        self.count += 1;
        self.queue.insert((at, self.count), what);
    }
}

impl Host {
    fn new(name: Voter, rng: &mut Rng) -> Host {
        let vote = Vote {
            term: 0,
            voter: Voter {
                node: NodeId(0),
                ..name
            },
            committed: false,
        };
        Host {
            node: None,
            disk: Disk {
                vote,
                log: Vec::new(),
            },
            life: 0,
            offset: rng.between(0, 1_000_000_000),
            drift: rng.between(0, 10_000),
            busy: false,
            paused_until: 0,
            slow_us: 0,
            stuck_until: 0,
            ticks: 0,
        }
    }
}

/// What a host's clock says at a true time.
fn clock(offset: u64, drift: u64, now: u64) -> Duration {
    Duration::from_micros(offset + now + now * drift / 1_000_000)
}
