//! What is done to a cluster, and when; with each fault its healing.

use super::cluster::MS;
use super::rng::Rng;

/// When the first fault may begin: the cluster has a leader and serves by then.
pub(super) const BEGIN_US: u64 = 1_500 * MS;
/// When the last is over.
const HEALED_US: u64 = 4_000 * MS;
/// How long the cluster may take to be whole again.
const RECOVERY_US: u64 = 5_000 * MS;

#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// Comes back after a time, or never.
    Crash {
        node: usize,
        back_us: Option<u64>,
    },
    /// As SIGSTOP and SIGCONT.
    Pause {
        node: usize,
        us: u64,
    },
    /// Nothing passes from one to the other.
    Cut {
        from: usize,
        to: usize,
        us: u64,
    },
    Isolate {
        node: usize,
        us: u64,
    },
    /// The disk takes up to so much longer for each flush, until the next of these.
    Slow {
        node: usize,
        us: u64,
    },
    /// No flush ends for so long.
    Stuck {
        node: usize,
        us: u64,
    },
    /// Until the next of these.
    Loss {
        percent: u64,
    },
    Delay {
        us: u64,
    },
    /// An operator wants another node to serve a home; has no effect on a witness.
    Move {
        home: usize,
        to: usize,
    },
    NoMoves,
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) ha_on: bool,
    /// Entries are written all the time. If not, logs are equal, and only what was heard decides.
    pub(super) writes: bool,
    pub(super) faults: Vec<(u64, Fault)>,
    /// Only what must cause no election is done, or no takeover either.
    pub(super) no_election: bool,
    pub(super) no_takeover: bool,
    pub(super) end_us: u64,
}

/// One to five faults of any kind, all over in time; one node in some seeds stays down.
pub(super) fn anything(rng: &mut Rng) -> Plan {
    let mut faults = Vec::new();
    for _ in 0..rng.between(1, 6) {
        let at = rng.between(BEGIN_US, HEALED_US - 50 * MS);
        let us = rng.between(10 * MS, HEALED_US - at);
        one(rng, at, us, &mut faults);
    }
    if rng.one_in(5) {
        let node = rng.between(0, 3) as usize;
        let at = rng.between(BEGIN_US, HEALED_US);
        // No other comes back after it, and it does not come back by another's healing.
        let stays =
            |fault: &Fault| !matches!(fault, Fault::Crash { node: other, .. } if *other == node);
        faults.retain(|(_, fault)| stays(fault));
        faults.push((
            at,
            Fault::Crash {
                node,
                back_us: None,
            },
        ));
    }
    Plan {
        ha_on: !rng.one_in(4),
        writes: rng.one_in(2),
        faults,
        no_election: false,
        no_takeover: false,
        end_us: HEALED_US + RECOVERY_US,
    }
}

/// Slow disks, all of them and all the time, and messages that take up to 50 ms.
pub(super) fn slowness(rng: &mut Rng) -> Plan {
    slow_disks(rng, 950 * MS)
}

/// The same, with disks so fast that an owner's log moves every second: an entry is flushed by its
/// leader, by another voter, and perhaps waits there for the flush of the one before it.
pub(super) fn slight_slowness(rng: &mut Rng) -> Plan {
    Plan {
        no_takeover: true,
        ..slow_disks(rng, 200 * MS)
    }
}

fn slow_disks(rng: &mut Rng, most_us: u64) -> Plan {
    let mut faults = vec![(BEGIN_US, Fault::Delay { us: 50 * MS })];
    for node in 0..3 {
        let us = rng.between(0, most_us);
        faults.push((BEGIN_US, Fault::Slow { node, us }));
        faults.push((BEGIN_US + HEALED_US, Fault::Slow { node, us: 0 }));
    }
    Plan {
        ha_on: true,
        writes: true,
        faults,
        no_election: true,
        no_takeover: false,
        end_us: BEGIN_US + HEALED_US + RECOVERY_US,
    }
}

/// The witness comes to lead, because it alone has what a leader that dies has committed. That one
/// comes back while the witness leads, and is not heard by the twin that the lead goes to.
pub(super) fn through_the_witness(rng: &mut Rng) -> Plan {
    let behind = rng.between(0, 3) as usize;
    let dies = (behind + rng.between(1, 3) as usize) % 3;
    let heals_at = BEGIN_US + rng.between(600 * MS, 1_000 * MS);
    let dies_at = rng.between(BEGIN_US + 200 * MS, heals_at - 350 * MS);
    let back_at = heals_at + rng.between(0, 350 * MS);
    let back_us = Some(back_at - dies_at);
    let deaf_us = rng.between(500 * MS, 2_000 * MS);
    let faults = vec![
        (
            BEGIN_US,
            Fault::Isolate {
                node: behind,
                us: heals_at - BEGIN_US,
            },
        ),
        (
            dies_at,
            Fault::Crash {
                node: dies,
                back_us,
            },
        ),
        (
            heals_at,
            Fault::Cut {
                from: dies,
                to: behind,
                us: deaf_us,
            },
        ),
    ];
    Plan {
        ha_on: true,
        writes: true,
        faults,
        no_election: false,
        no_takeover: false,
        end_us: heals_at + deaf_us + RECOVERY_US,
    }
}

/// One node does not hear another for a while, and nothing is written, so that its log stays as
/// good as any; the third is started again and again, each time within a lease.
pub(super) fn deaf(rng: &mut Rng) -> Plan {
    let from = rng.between(0, 3) as usize;
    let to = (from + rng.between(1, 3) as usize) % 3;
    let third = 3 - from - to;
    let us = 2_000 * MS;
    let mut faults = vec![(BEGIN_US, Fault::Cut { from, to, us })];
    for _ in 0..rng.between(0, 8) {
        let at = BEGIN_US + rng.between(0, us);
        let back_us = Some(rng.between(2 * MS, 50 * MS));
        faults.push((
            at,
            Fault::Crash {
                node: third,
                back_us,
            },
        ));
    }
    Plan {
        ha_on: true,
        writes: false,
        faults,
        no_election: false,
        no_takeover: false,
        end_us: BEGIN_US + us + RECOVERY_US,
    }
}

/// The same while entries are written and every disk is slow: votes and entries wait in the core
/// behind one another, and the one that is heard by one side only comes to campaign.
pub(super) fn deaf_and_slow(rng: &mut Rng) -> Plan {
    let mut plan = deaf(rng);
    plan.writes = true;
    for node in 0..3 {
        let us = rng.between(50 * MS, 900 * MS);
        plan.faults.push((BEGIN_US, Fault::Slow { node, us }));
        let healed = BEGIN_US + 2_000 * MS;
        plan.faults.push((healed, Fault::Slow { node, us: 0 }));
    }
    let node = rng.between(0, 3) as usize;
    let at = BEGIN_US + rng.between(0, 1_000 * MS);
    let us = rng.between(330 * MS, 1_000 * MS);
    plan.faults.push((at, Fault::Isolate { node, us }));
    plan
}

fn one(rng: &mut Rng, at: u64, us: u64, faults: &mut Vec<(u64, Fault)>) {
    let node = rng.between(0, 3) as usize;
    let to = (node + rng.between(1, 3) as usize) % 3;
    let fault = match rng.between(0, 10) {
        0 | 1 => {
            // Many come back within a lease.
            let us = if rng.one_in(2) {
                us.min(rng.between(5 * MS, 400 * MS))
            } else {
                us
            };
            Fault::Crash {
                node,
                back_us: Some(us),
            }
        }
        2 => Fault::Pause { node, us },
        3 => Fault::Cut { from: node, to, us },
        4 => Fault::Isolate { node, us },
        5 => {
            faults.push((at + us, Fault::Slow { node, us: 0 }));
            Fault::Slow {
                node,
                us: rng.between(MS, 950 * MS),
            }
        }
        6 => Fault::Stuck { node, us },
        7 => {
            faults.push((at + us, Fault::Loss { percent: 0 }));
            Fault::Loss {
                percent: rng.between(1, 40),
            }
        }
        8 => {
            faults.push((at + us, Fault::Delay { us: 5 * MS }));
            Fault::Delay {
                us: rng.between(5 * MS, 400 * MS),
            }
        }
        _ => {
            faults.push((at + us, Fault::NoMoves));
            Fault::Move { home: node, to }
        }
    };
    faults.push((at, fault));
}
