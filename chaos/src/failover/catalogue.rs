//! The drills by name: what each breaks, on what ground, and what people may notice of it.

use super::faults;
use super::membership;
use super::rotations;
use super::scene::Scene;
use super::services;
use super::upgrades;
use crate::servers::pair::GroundKind::{self, Loopback, Namespaces};
use crate::servers::{Durability, Mode};

/// What must be true besides the promises, which hold in every drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// The users get another epoch; the first message is through within this many milliseconds, in
    /// the median of the runs.
    Takeover { first_message_ms: Option<u64> },
    /// The same, but not more often than so.
    AtMost { moves: u64 },
    /// The users stay where they are, under their epoch.
    NoTakeover,
    /// The same, and nobody is elected.
    NoElection,
    /// Whatever the pair decides.
    Anything,
}

/// Who leads the group when the fault comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leader {
    Any,
    Serves,
    StandsBy,
}

pub struct Plan {
    pub name: &'static str,
    pub about: &'static str,
    /// Runs where nobody asks for another number.
    pub runs: usize,
    pub ground: GroundKind,
    pub disks: bool,
    /// Whether the witness is a node of another pair.
    pub neighbours: bool,
    /// Whether what was not flushed is gone.
    pub cuts_power: bool,
    pub leader: Leader,
    pub expectation: Expectation,
    /// Whether it needs the program of the next version, and leaves a pair behind that is of no use
    /// to others.
    pub upgrades: bool,
    /// Pairs of clients, where the drill is about their number.
    pub pairs: Option<usize>,
    /// How soon every client must be back, in each run.
    pub last_back_ms: Option<u64>,
    pub(super) act: fn(&mut Scene<'_>) -> anyhow::Result<()>,
}

const fn plan_of(
    name: &'static str,
    about: &'static str,
    runs: usize,
    ground: GroundKind,
    expectation: Expectation,
    act: fn(&mut Scene<'_>) -> anyhow::Result<()>,
) -> Plan {
    Plan {
        name,
        about,
        runs,
        ground,
        disks: false,
        neighbours: false,
        cuts_power: false,
        upgrades: false,
        leader: Leader::Any,
        expectation,
        pairs: None,
        last_back_ms: None,
        act,
    }
}

impl Plan {
    const fn led_by(self, leader: Leader) -> Plan {
        Plan { leader, ..self }
    }

    const fn with_crowd(self, pairs: usize, last_back_ms: u64) -> Plan {
        Plan {
            pairs: Some(pairs),
            last_back_ms: Some(last_back_ms),
            ..self
        }
    }

    const fn with_disks(self) -> Plan {
        Plan {
            disks: true,
            ..self
        }
    }

    const fn with_neighbours(self) -> Plan {
        Plan {
            neighbours: true,
            ..self
        }
    }

    const fn with_power_cuts(self) -> Plan {
        Plan {
            cuts_power: true,
            ..self
        }
    }

    const fn with_versions(self) -> Plan {
        Plan {
            upgrades: true,
            ..self
        }
    }

    /// A node that does not flush knows of a power cut by the boot after it; here nothing boots.
    pub fn is_possible(&self, mode: Mode) -> bool {
        !self.cuts_power || mode.durability == Durability::Disk
    }
}

const KILLED: Expectation = Expectation::Takeover {
    first_message_ms: Some(1_000),
};
const SILENT: Expectation = Expectation::Takeover {
    first_message_ms: Some(2_000),
};
const SOMEHOW: Expectation = Expectation::Takeover {
    first_message_ms: None,
};

/// Whoever fails is trusted twice as late each time: after the third failure its users have not
/// come home before it fails again. Six moves, and as many where a move is cut short.
const FLAPPING: Expectation = Expectation::AtMost { moves: 12 };

/// Every drill, in the order in which `all` runs them.
pub const PLANS: &[Plan] = &[
    plan_of(
        "kill-active",
        "kill -9 of the node that serves, and leads",
        10,
        Loopback,
        KILLED,
        faults::kill_active,
    )
    .led_by(Leader::Serves),
    plan_of(
        "kill-active-that-follows",
        "the same, while its twin leads",
        3,
        Loopback,
        KILLED,
        faults::kill_active,
    )
    .led_by(Leader::StandsBy),
    plan_of(
        "stop-5",
        "the serving process stands still for 5 s",
        10,
        Loopback,
        SILENT,
        faults::stop_5,
    ),
    plan_of(
        "stop-30",
        "the serving process stands still for 30 s",
        3,
        Loopback,
        SILENT,
        faults::stop_30,
    ),
    plan_of(
        "cut-off",
        "the serving node reaches nobody for 5 s",
        10,
        Namespaces,
        SILENT,
        faults::cut_off,
    ),
    plan_of(
        "cut-in",
        "nothing reaches the serving node for 5 s",
        3,
        Namespaces,
        SILENT,
        faults::cut_in,
    ),
    plan_of(
        "cut-out",
        "the serving node reaches nobody, but hears",
        3,
        Namespaces,
        SILENT,
        faults::cut_out,
    ),
    plan_of(
        "cut-twin-leader-serves",
        "the twins do not hear each other; the serving node leads",
        3,
        Namespaces,
        Expectation::NoTakeover,
        faults::cut_twin_leader_serves,
    )
    .led_by(Leader::Serves),
    plan_of(
        "cut-twin-leader-stands-by",
        "the twins do not hear each other; the other node leads",
        3,
        Namespaces,
        Expectation::Anything,
        faults::cut_twin_leader_stands_by,
    )
    .led_by(Leader::StandsBy),
    plan_of(
        "cut-twin-leader-is-witness",
        "the twins do not hear each other; the witness leads",
        3,
        Namespaces,
        Expectation::Anything,
        faults::cut_twin_leader_is_witness,
    ),
    plan_of(
        "cut-clients",
        "clients do not reach the serving node, its twin does",
        3,
        Namespaces,
        Expectation::NoTakeover,
        faults::cut_clients,
    ),
    plan_of(
        "leader-on-witness-dies",
        "kill -9 of the witness while it leads",
        3,
        Loopback,
        Expectation::Anything,
        faults::leader_on_witness_dies,
    ),
    plan_of(
        "kill-twin",
        "kill -9 of the node that stands by",
        3,
        Loopback,
        Expectation::NoTakeover,
        faults::kill_twin,
    ),
    plan_of(
        "kill-twin-that-leads",
        "the same, while it leads",
        3,
        Loopback,
        Expectation::NoTakeover,
        faults::kill_twin,
    )
    .led_by(Leader::StandsBy),
    plan_of(
        "kill-witness",
        "kill -9 of the witness",
        3,
        Loopback,
        Expectation::NoElection,
        faults::kill_witness,
    ),
    plan_of(
        "restart-200",
        "kill -9 of the serving node, and its start at once",
        3,
        Loopback,
        SOMEHOW,
        faults::restart_200,
    ),
    plan_of(
        "second-takeover",
        "the twin dies after it took over, before any client came",
        3,
        Namespaces,
        SOMEHOW,
        faults::second_takeover,
    ),
    plan_of(
        "cold-start",
        "kill -9 of all three, and their start",
        3,
        Loopback,
        SOMEHOW,
        faults::cold_start,
    ),
    plan_of(
        "frozen-disk-owner-leads",
        "the serving node leads, its disk stands still for 5 s",
        3,
        Loopback,
        SILENT,
        faults::frozen_disk_owner,
    )
    .with_disks()
    .led_by(Leader::Serves),
    plan_of(
        "frozen-disk-owner-follows",
        "the same, while its twin leads",
        3,
        Loopback,
        SILENT,
        faults::frozen_disk_owner,
    )
    .with_disks()
    .led_by(Leader::StandsBy),
    plan_of(
        "frozen-disk-twin",
        "the disk of the node that stands by stands still for 5 s",
        3,
        Loopback,
        Expectation::NoElection,
        faults::frozen_disk_twin,
    )
    .with_disks()
    .led_by(Leader::Serves),
    plan_of(
        "frozen-disk-witness",
        "the disk of the witness stands still for 5 s",
        3,
        Loopback,
        Expectation::NoElection,
        faults::frozen_disk_witness,
    )
    .with_disks()
    .led_by(Leader::Serves),
    plan_of(
        "slow-disks",
        "all three disks stand still for 400 ms, ten times",
        3,
        Loopback,
        Expectation::NoElection,
        faults::slow_disks,
    )
    .with_disks()
    .led_by(Leader::Serves),
    plan_of(
        "power-cut-one",
        "the serving node loses power: what was not flushed is gone",
        3,
        Loopback,
        SOMEHOW,
        faults::power_cut_one,
    )
    .with_disks()
    .with_power_cuts(),
    plan_of(
        "power-cut-all",
        "all three lose power at once",
        3,
        Loopback,
        SOMEHOW,
        faults::power_cut_all,
    )
    .with_disks()
    .with_power_cuts(),
    plan_of(
        "planned",
        "failover and fallback by an operator",
        3,
        Loopback,
        Expectation::Anything,
        faults::planned,
    ),
    plan_of(
        "service-down",
        "the serving node's port for clients is stopped, and started",
        3,
        Loopback,
        SOMEHOW,
        services::service_down,
    ),
    plan_of(
        "flapping-node",
        "the serving node dies and comes back twenty times",
        1,
        Loopback,
        FLAPPING,
        services::flapping_node,
    ),
    plan_of(
        "flapping-service",
        "the serving node's port for clients goes and comes twenty times",
        1,
        Loopback,
        FLAPPING,
        services::flapping_service,
    ),
    plan_of(
        "flapping-link",
        "the serving node reaches no other for 1 s, twenty times",
        1,
        Namespaces,
        FLAPPING,
        services::flapping_link,
    ),
    plan_of(
        "certificate-rotation",
        "the certificates between nodes are rotated; the serving node dies on the way",
        3,
        Loopback,
        KILLED,
        rotations::certificate_rotation,
    ),
    plan_of(
        "rolling-upgrade",
        "node by node to the next version, each killed as the pair is mixed; then for good",
        1,
        Loopback,
        SOMEHOW,
        upgrades::rolling_upgrade,
    )
    .with_versions(),
    plan_of(
        "rolling-downgrade",
        "node by node to the next version, and back",
        1,
        Loopback,
        SOMEHOW,
        upgrades::rolling_downgrade,
    )
    .with_versions(),
    plan_of(
        "node-replaced",
        "the serving node is lost, and another takes its place with an empty disk",
        3,
        Loopback,
        SOMEHOW,
        membership::node_replaced,
    ),
    plan_of(
        "killed-in-a-join",
        "the node that takes the place of another is killed three times on its way",
        3,
        Loopback,
        Expectation::NoTakeover,
        membership::killed_in_a_join,
    ),
    plan_of(
        "node-drained",
        "the serving node is drained, and undrained",
        3,
        Loopback,
        SOMEHOW,
        membership::node_drained,
    ),
    plan_of(
        "killed-in-a-drain",
        "kill -9 of the serving node while it is drained",
        3,
        Loopback,
        SOMEHOW,
        membership::killed_in_a_drain,
    ),
    plan_of(
        "witness-moved",
        "the witness, a node of another pair, is moved to its twin and back",
        3,
        Loopback,
        Expectation::NoElection,
        membership::witness_moved,
    )
    .with_neighbours(),
    plan_of(
        "killed-in-a-membership-change",
        "kill -9 of the node that serves, and leads, while the witness is moved",
        3,
        Loopback,
        SOMEHOW,
        membership::killed_in_a_membership_change,
    )
    .with_neighbours()
    .led_by(Leader::Serves),
    plan_of(
        "kill-active-5000",
        "kill -9 of the node that serves 5,000 clients",
        3,
        Loopback,
        SOMEHOW,
        faults::kill_active,
    )
    .led_by(Leader::Serves)
    .with_crowd(2_500, 15_000),
];

/// The drill of that name.
pub fn plan(name: &str) -> Option<&'static Plan> {
    PLANS.iter().find(|plan| plan.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        for (index, one) in PLANS.iter().enumerate() {
            assert!(PLANS[..index].iter().all(|other| other.name != one.name));
            assert!(one.runs > 0 && !one.about.is_empty());
        }
    }
}
